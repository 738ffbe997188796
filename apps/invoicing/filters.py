"""How the lists of invoices and credit notes are narrowed."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core import ids
from apps.core.api import parse_instant
from apps.core.api.requests import InvalidFilter
from apps.core.errors import NotFound

#: Rule 46(b) of the CGST Rules: at most sixteen letters, digits, dashes and slashes.
NUMBER_PATTERN = "^[A-Za-z0-9/-]{1,16}$"
_NUMBER = re.compile(NUMBER_PATTERN, re.ASCII)
_BOUNDS = ("gte", "gt", "lte", "lt")
PARAMS = ("order_id", "number", *(f"created_at[{bound}]" for bound in _BOUNDS))


def filter_documents(invoices: "QuerySet[Any]", params: dict[str, str]) -> "QuerySet[Any]":
    """
    Narrow a list of documents by order, number and a range of time.

    :raises InvalidFilter: if a value cannot be read
    """
    if "order_id" in params:
        invoices = invoices.filter(order_id=_order_id(params["order_id"]))
    if "number" in params:
        invoices = invoices.filter(number=_number(params["number"]))
    for bound in _BOUNDS:
        name = f"created_at[{bound}]"
        if name in params:
            invoices = invoices.filter(**{f"created_at__{bound}": _instant(name, params[name])})
    return invoices


def cursor_scope(params: dict[str, str], *, user_id: UUID, of: str = "invoices") -> str:
    """Return a name for one person's list with these filters, to which its cursors are bound."""
    return f"{of}:{user_id}?" + "&".join(f"{name}={params[name]}" for name in PARAMS if name in params)


def _order_id(text: str) -> Any:
    try:
        return ids.decode("ord", text)
    except NotFound:
        raise InvalidFilter("order_id", "must be an id of the form ord_...", param="order_id")


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidFilter("number", "must be the number of a document, such as INV260000123.", param="number")
    return text.upper()


def _instant(name: str, text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise InvalidFilter(name, "must be an instant such as 2026-11-21T05:30:00Z.", param=name)
    return instant
