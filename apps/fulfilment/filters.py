"""The filters of the list of shipments."""

import re
from typing import Any

from apps.core import ids
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import INSTANT, choices_schema, id_schema
from apps.core.api.requests import InvalidFilter, instant_reader
from apps.core.errors import NotFound
from apps.fulfilment.models import TRACKING_NUMBER_LENGTH
from apps.fulfilment.states import ShipmentStatus

_MAX_STATUSES = 50
_NUMBER = re.compile("[A-Za-z0-9-]{1,20}", re.ASCII)


def _read_statuses(text: str) -> tuple[str, ...]:
    wanted = text.split(",")
    if len(wanted) > _MAX_STATUSES or any(status not in ShipmentStatus.values for status in wanted):
        known = ", ".join(ShipmentStatus.values)
        raise InvalidFilter("status", f"must be one or more of these, separated by commas: {known}.", param="status")
    return tuple(sorted(set(wanted)))


def _read_order_id(text: str) -> Any:
    try:
        return ids.decode("ord", text)
    except NotFound as error:
        raise InvalidFilter("order_id", "must be an id of the form ord_...", param="order_id") from error


def _read_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidFilter("number", "must be the number of a shipment, such as SHP-2627-000123.", param="number")
    return text.upper()


def _read_tracking_number(text: str) -> str:
    if not 0 < len(text) <= TRACKING_NUMBER_LENGTH:
        raise InvalidFilter(
            "tracking_number", f"must have 1 to {TRACKING_NUMBER_LENGTH} characters.", param="tracking_number"
        )
    return text


class ShipmentFilterSet(QueryFilterSet):
    """Filters by state, order, number, tracking number and the instant of creation."""

    status = ReadFilter(
        lookup_expr="in",
        read=_read_statuses,
        schema=choices_schema(ShipmentStatus.values),
        description="One or more states, separated by commas.",
    )
    order_id = ReadFilter(read=_read_order_id, schema=id_schema("ord"), description="Those of one order.")
    number = ReadFilter(
        read=_read_number,
        schema={"type": "string", "pattern": f"^{_NUMBER.pattern}$"},
        description="The one with this number.",
    )
    tracking_number = ReadFilter(
        read=_read_tracking_number,
        schema={"type": "string", "minLength": 1, "maxLength": TRACKING_NUMBER_LENGTH},
        description="Those with this tracking number, as it was entered.",
    )
    created_at__gte = ReadFilter(
        field_name="created_at",
        lookup_expr="gte",
        read=instant_reader("created_at[gte]"),
        schema=INSTANT,
        description="Created at or after this instant. RFC 3339 with its time zone.",
    )
