"""
All rows of all tables in a form in which two runs can be compared.

Two runs make the same rows with other ids, in another order, at another time. An id is therefore replaced by what it refers
to: each row gets a label made of its values and of the labels of the rows that it names, round after round. Two runs are equal
if they have the same labels equally often, whatever the order in which the rows were written.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import AutoField, ForeignKey, Model

from apps.core import ids

_ROUNDS = 4
#: Tables that describe the program, and no business; the version of the catalogue is the time of its last change.
_SKIPPED = frozenset({"core_auditrun", "catalog_catalogversion"})
_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}\b|\bORD-\d{4}-\d{6}\b"
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")


@dataclass(frozen=True)
class Row:
    """A row: its table, and its columns, in each of which an id is replaced by the place of the row that it names."""

    table: str
    columns: Mapping[str, tuple[Any, ...]]

    def text(self, name_of: Callable[[int], str]) -> str:
        """Return the row as one text, with a name for each row that it refers to."""
        return ", ".join(
            f"{column}={''.join(name_of(part) if isinstance(part, int) else part for part in parts)}"
            for column, parts in sorted(self.columns.items())
        )


def read_rows() -> Counter[str]:
    """Return all rows of the database, each with its table, its values and what it refers to, and how often there are such."""
    found = [(model, values) for model in _models() for values in model._base_manager.values()]
    places = {alias: place for place, (model, values) in enumerate(found) for alias in _aliases(model, values)}
    rows = [Row(model._meta.db_table, _columns(model, values, places)) for model, values in found]
    labels = [row.table for row in rows]
    for _ in range(_ROUNDS):
        labels = [_digest(row.table + row.text(lambda place, now=labels: now[place])) for row in rows]
    return Counter(
        f"{row.table} {label}: {row.text(lambda place: f'<{rows[place].table}>')}"
        for row, label in zip(rows, labels, strict=True)
    )


def find_differences(one: Counter[str], other: Counter[str]) -> list[str]:
    """Return the rows that only one of two runs has, with `-` before those of the first and `+` before those of the second."""
    texts = {row: re.sub(r" [0-9a-f]{16}: ", ": ", row, count=1) for row in [*(one - other), *(other - one)]}
    return sorted(
        [
            *(f"- {texts[row]}" for row in (one - other).elements()),
            *(f"+ {texts[row]}" for row in (other - one).elements()),
        ],
        key=lambda line: line[2:],
    )


def tables_of(differences: Iterable[str]) -> set[str]:
    """Return the tables in which there are differences."""
    return {line[2:].split(":", 1)[0] for line in differences}


def _models() -> list[type[Model]]:
    ours = [model for model in apps.get_models() if model.__module__.startswith("apps.") and model._meta.managed]
    return [model for model in ours if model._meta.db_table not in _SKIPPED]


def _aliases(model: type[Model], values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what other rows name a row by: its key of its own table, its UUID wherever it stands, and an order's number."""
    key = values.get(model._meta.pk.attname) if model._meta.pk is not None else None
    named = (
        [(model._meta.db_table, key), ("uuid", str(key))] if isinstance(key, UUID) else [(model._meta.db_table, key)]
    )
    if model._meta.db_table == "orders_order":
        named.append(("number", values["number"]))
    return named if key is not None else []


def _columns(
    model: type[Model], values: Mapping[str, Any], places: Mapping[tuple[str, Any], int]
) -> dict[str, tuple[Any, ...]]:
    columns: dict[str, tuple[Any, ...]] = {}
    for field in model._meta.concrete_fields:
        value = values.get(field.attname)
        if isinstance(field, ForeignKey) and value is not None:
            place = places.get((field.related_model._meta.db_table, value))
            columns[field.attname] = (
                (place,) if place is not None else (f"{field.related_model._meta.db_table} {value}",)
            )
        elif not (field.primary_key and isinstance(field, AutoField)) and not (
            field.primary_key and isinstance(value, UUID)
        ):
            columns[field.attname] = _parts(value, places)
    return columns


def _parts(value: Any, places: Mapping[tuple[str, Any], int]) -> tuple[Any, ...]:
    """Return a value as texts and the places of the rows that it names."""
    if isinstance(value, bytes | memoryview):
        value = bytes(value).decode("latin-1")
    if isinstance(value, datetime):
        return (_instant(value),)
    if isinstance(value, Mapping):
        # Keys may be ids too, such as those of order lines.
        pairs = [(_parts(key, places), _parts(each, places)) for key, each in sorted(value.items())]
        return ("{", *(part for key, each in pairs for part in (*key, ":", *each, ",")), "}")
    if isinstance(value, list | tuple):
        return ("[", *(part for each in value for part in (*_parts(each, places), ",")), "]")
    text = _INSTANT.sub(lambda match: _instant(datetime.fromisoformat(match[0])), str(value))
    parts: list[Any] = []
    end = 0
    for match in _ID.finditer(text):
        parts += [text[end : match.start()], _place_of(match[0], places)]
        end = match.end()
    return (*parts, text[end:])


def _place_of(name: str, places: Mapping[tuple[str, Any], int]) -> int | str:
    """Return the place of the row with an id or number, or `?`: an id that names no row differs from run to run."""
    if name.startswith("ORD-"):
        return places.get(("number", name), "?")
    if "_" in name:
        prefix = name.split("_", 1)[0]
        try:
            name = str(ids.decode(prefix, name))
        except ids.IdNotFound:
            return "?"
    return places.get(("uuid", name), "?")


def _instant(at: datetime) -> str:
    """Return an instant that the test has given, or `now`: what the clock says differs from run to run."""
    return "now" if abs(datetime.now(UTC) - at) < timedelta(days=2) else at.astimezone(UTC).isoformat()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
