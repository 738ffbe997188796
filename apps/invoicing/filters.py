"""How the lists of invoices and credit notes are narrowed."""

import re
from datetime import datetime
from typing import Any

from apps.core import ids
from apps.core.api import QueryFilterSet, ReadFilter, parse_instant
from apps.core.api.filters import INSTANT, id_schema
from apps.core.api.requests import InvalidFilter
from apps.core.errors import NotFound

#: Rule 46(b) of the CGST Rules: at most sixteen letters, digits, dashes and slashes.
NUMBER_PATTERN = "^[A-Za-z0-9/-]{1,16}$"
_NUMBER = re.compile(NUMBER_PATTERN, re.ASCII)


def _read_order_id(text: str) -> Any:
    try:
        return ids.decode("ord", text)
    except NotFound as error:
        raise InvalidFilter("order_id", "must be an id of the form ord_...", param="order_id") from error


def _read_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidFilter("number", "must be the number of a document, such as INV260000123.", param="number")
    return text.upper()


def _instant_filter(bound: str, description: str) -> ReadFilter:
    name = f"created_at[{bound}]"

    def read(text: str) -> datetime:
        instant = parse_instant(text)
        if instant is None:
            raise InvalidFilter(name, "must be an instant such as 2026-11-21T05:30:00Z.", param=name)
        return instant

    return ReadFilter(field_name="created_at", lookup_expr=bound, read=read, schema=INSTANT, description=description)


class DocumentFilterSet(QueryFilterSet):
    """Filters by order, number and a range of time."""

    order_id = ReadFilter(read=_read_order_id, schema=id_schema("ord"), description="Only those of this order.")
    number = ReadFilter(
        read=_read_number,
        schema={"type": "string", "pattern": NUMBER_PATTERN},
        description="Only the one with this number.",
    )
    created_at__gte = _instant_filter("gte", "Made at this instant or later.")
    created_at__gt = _instant_filter("gt", "Made after this instant.")
    created_at__lte = _instant_filter("lte", "Made at this instant or earlier.")
    created_at__lt = _instant_filter("lt", "Made before this instant.")
