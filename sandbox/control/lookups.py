"""Finding what a control call is about, and answering with lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sandbox.control.request_body import CallRefused
from sandbox.json_types import JsonObject

T = TypeVar("T")


def find(table: Mapping[str, T], entity_id: str, what: str) -> T:
    """
    Return the row with an id.

    :raises CallRefused: if there is none
    """
    if entity_id not in table:
        raise CallRefused(f"There is no {what} {entity_id}.", 404)
    return table[entity_id]


def as_list(items: Sequence[JsonObject]) -> JsonObject:
    """Return rows as the control API answers with them, with their count."""
    return {"count": len(items), "items": items}
