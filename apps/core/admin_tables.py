"""
The rows of a list of the back office, written without a template.

Unfold's own take four fifths of the time and of the bytes of a page: they work out the headings again for each row, and repeat
thirty classes in each cell. Here a cell has none; `admin/list_style.html` says how the table looks.
"""

import html
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import label_for_field, quote
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import BooleanField
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from unfold.utils import display_for_field, display_for_value

_CHECKBOX = "action_checkbox"
_TRUTH = {True: ("success", "Yes"), False: ("danger", "No")}
#: What becomes of a row: the value of a column, a cell, or a link.
_OfRow = Callable[[Any], str]


def render_rows(changes: Any) -> SafeString:
    """Return the rows of a list as HTML, each with a link to its page."""
    columns = list(_columns_of(changes))
    return mark_safe("\n".join(f"<tr>{''.join(cell(row) for cell in columns)}</tr>" for row in changes.result_list))  # noqa: S308


def _columns_of(changes: Any) -> Iterator[_OfRow]:
    """Yield what writes the cells of each column; all that is the same for each row is worked out here, once."""
    links = changes.list_display_links
    for name in changes.list_display:
        if name == _CHECKBOX:
            yield _checkbox
            continue
        heading: Any = label_for_field(name, changes.model, model_admin=changes.model_admin)
        start = f' data-label="{_escape(heading[:1].upper() + heading[1:])}">'
        is_linked = links is not None and name in links
        yield _cell_of(start, _value_of(name, changes), link=_link_of(changes) if is_linked else None)


def _cell_of(start: str, value: _OfRow, *, link: _OfRow | None) -> _OfRow:
    if link is None:
        return lambda row: f"<td{start}{value(row)}</td>"
    return lambda row: f"<th{start}{link(row)}{value(row)}</a></th>"


def _checkbox(row: Any) -> str:
    return (
        f'<td data-label="Select"><input type="checkbox" name="{ACTION_CHECKBOX_NAME}" value="{_escape(row.pk)}"'
        f' class="action-select" aria-label="Select {_escape(row)}"></td>'
    )


def _link_of(changes: Any) -> _OfRow:
    """Return what begins the link to the page of a row, which leads back to the list as it is now."""
    path = reverse(f"admin:{changes.opts.app_label}_{changes.opts.model_name}_change", args=["0"])
    before, _, after = path.rpartition("0")
    end = _escape(f"{after}?{changes.preserved_filters}" if changes.preserved_filters else after)
    if not changes.is_popup:
        return lambda row: f'<a href="{before}{_escape(quote(row.pk))}{end}">'
    key = changes.to_field or changes.pk_attname
    return lambda row: (
        f'<a href="{before}{_escape(quote(row.pk))}{end}" data-popup-opener="{_escape(row.serializable_value(key))}">'
    )


def _value_of(name: Any, changes: Any) -> _OfRow:
    """Return what reads a column of a row and writes it as people read it."""
    page, empty = changes.model_admin, changes.model_admin.get_empty_value_display()
    try:
        field = changes.lookup_opts.get_field(name)
    except (FieldDoesNotExist, TypeError):
        return _computed_value_of(name, page, empty)
    if field.is_relation:
        return lambda row: _or_empty(_related(row, field.name), empty)
    if isinstance(field, BooleanField):
        return lambda row: _truth(getattr(row, field.name))
    names = dict(field.flatchoices)
    if names:
        return lambda row: _escape(names.get(getattr(row, field.name), empty))
    return lambda row: _escape(display_for_field(getattr(row, field.name), field, empty))


def _computed_value_of(name: Any, page: Any, empty: str) -> _OfRow:
    """Return the same for a column that is no field, but a method of the page, a function, or a property of the model."""
    function = name if callable(name) else getattr(page, name, None)
    empty = getattr(function, "empty_value_display", empty)
    read: Callable[[Any], Any] = function if callable(function) else lambda row: getattr(row, name)
    labels = getattr(function, "label", None)
    if labels:
        return lambda row: _label(read(row), labels)
    if getattr(function, "boolean", False):
        return lambda row: _truth(read(row))
    return lambda row: _shown(read(row), empty)


def _shown(value: Any, empty: str) -> str:
    return _escape(display_for_value(value, empty))


def _related(row: Any, name: str) -> Any:
    try:
        return getattr(row, name)
    except ObjectDoesNotExist:
        return None


def _or_empty(value: Any, empty: str) -> str:
    return _escape(empty if value is None else str(value))


def _label(value: Any, tones: Any) -> str:
    """Return a label of a stored value and its name, in the colour of the value."""
    stored, text = value if isinstance(value, tuple) else (value, value)
    return _toned(tones.get(stored, ""), str(text)) if text else "-"


def _truth(value: Any) -> str:
    return _toned("", "Unknown") if value is None else _toned(*_TRUTH[value])


@lru_cache(maxsize=1_000)
def _toned(tone: str, text: str) -> str:
    return f'<span class="{"tone " + tone if tone else "tone"}">{_escape(text)}</span>'


def _escape(value: Any) -> str:
    """Return a value as HTML; what is HTML already stays. Django's own function takes four times as long, for each of 400 cells."""
    return value if isinstance(value, SafeString) else html.escape(str(value))
