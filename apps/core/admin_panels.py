"""
Additions to an object's page in the back office: panels of related rows, and one headline at the top.

Apps add them to the pages of the apps below them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest


def _never_folded(_: Sequence[tuple[Any, ...]]) -> bool:
    return False


def always_folded(_: Sequence[tuple[Any, ...]]) -> bool:
    """Fold a panel whatever its rows are."""
    return True


@dataclass(frozen=True)
class Panel:
    """
    A table on another model's page: its title, its column names, and a function of the object that returns the rows.

    `is_folded` decides by the rows whether the table opens on a click. A panel without rows is named in one line, or left out
    unless `is_named_when_empty`. Panels stand by `position`.
    """

    title: str
    columns: tuple[str, ...]
    rows: Callable[[Any], list[tuple[Any, ...]]]
    permission: str = ""
    is_folded: Callable[[Sequence[tuple[Any, ...]]], bool] = _never_folded
    is_named_when_empty: bool = True
    position: int = 50


@dataclass(frozen=True)
class Headline:
    """
    What happened to an object and what to do about it, in one sentence; the one of the highest rank stands at the top of its page.

    Ranks: 90 and above, money is lost unless somebody acts in time; 60 to 89, somebody must decide; 30 to 59, it waits for
    somebody outside; below 30, no action is needed. `tone` is one of Unfold's: `success`, `info`, `warning`, `danger`.
    """

    rank: int
    text: str
    tone: str = "info"


_panels: dict[str, list[Panel]] = {}
_headlines: dict[str, list[Callable[[Any], Headline | None]]] = {}


def add_headline(model_label: str, find: Callable[[Any], Headline | None]) -> None:
    """Let a function say what is to be done about an object, or None; called from an admin module of the same app or of one above."""
    _headlines.setdefault(model_label, []).append(find)


def without_empty_columns(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the headings and rows of a panel without its empty columns; each cell is a pair of heading and value."""
    kept = [number for number in range(len(columns)) if any(row[number] not in ("", None) for row in rows)]
    return {
        "columns": [columns[number] for number in kept],
        "rows": [[(columns[number], row[number]) for number in kept] for row in rows],
    }


def find_headline(obj: Any) -> Headline | None:
    """Return what stands at the top of an object's page, if anything."""
    return most_urgent(find(obj) for find in _headlines.get(obj._meta.label_lower, []))


def most_urgent(headlines: Iterable[Headline | None]) -> Headline | None:
    """Return the headline of the highest rank, the first of several; None if there is none."""
    return max((one for one in headlines if one is not None), key=lambda one: one.rank, default=None)


def add_panel(model_label: str, panel: Panel) -> None:
    """Show a panel on the admin page of a model, named as `orders.order`; called from an admin module of the same app or of one above."""
    _panels.setdefault(model_label, []).append(panel)


def panels_for(request: HttpRequest, instance: Any) -> list[dict[str, Any]]:
    """Return the panels of an object's page that a member of staff may see, with their rows."""
    panels = sorted(_panels.get(instance._meta.label_lower, []), key=lambda one: one.position)
    shown = [
        (panel, panel.rows(instance))
        for panel in panels
        if not panel.permission or request.user.has_perm(panel.permission)
    ]
    return [
        {
            "title": panel.title,
            "is_folded": panel.is_folded(rows),
            "is_named_when_empty": panel.is_named_when_empty,
            **without_empty_columns(panel.columns, rows),
        }
        for panel, rows in shown
    ]
