"""What lists of orders can be narrowed by."""

import re
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts import selectors as accounts
from apps.core import ids
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import INSTANT, PHONE, choices_schema, id_schema, search_schema
from apps.core.api.requests import instant_reader
from apps.core.errors import Invalid, NotFound
from apps.core.search import SearchTerm
from apps.core.search import parse_query as read_search_term
from apps.orders import selectors
from apps.orders.models import Order
from apps.orders.states import OrderStatus

_MAX_STATUSES = 50
_NUMBER = re.compile("[A-Za-z0-9-]{1,20}", re.ASCII)


class InvalidOrderStatus(Invalid):
    """`status` names a state that orders do not have. Choose from those that the message names."""

    message = "status must be one or more of these, separated by commas: {0}."


class InvalidOrderNumber(Invalid):
    """`number` does not have the form of an order number. Send one such as ORD-2627-000123."""

    message = "number must be an order number, such as ORD-2627-000123."


class InvalidCustomerId(Invalid):
    """`customer_id` does not have the form of a customer's id. Send an id that begins with `cus_`."""

    message = "customer_id must be an id such as cus_01jf3z8k4qe7tv2w9x0y1z2a3b."


def _read_statuses(text: str) -> tuple[str, ...]:
    wanted = text.split(",")
    if len(wanted) > _MAX_STATUSES or any(status not in OrderStatus.values for status in wanted):
        raise InvalidOrderStatus(", ".join(OrderStatus.values), param="status")
    return tuple(sorted(set(wanted)))


def _read_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidOrderNumber(param="number")
    return text.upper()


def _read_customer_id(text: str) -> UUID:
    try:
        return ids.decode("cus", text)
    except NotFound as error:
        raise InvalidCustomerId(param="customer_id") from error


def _read_search(text: str) -> SearchTerm:
    term = SearchTerm(text)
    # A digit alone is the number of an order.
    return term if len(text.strip()) == 1 and term.digits else read_search_term(text)


class OrderFilterSet(QueryFilterSet):
    """Filters by state, instant, number and customer, and what to search for."""

    status = ReadFilter(
        lookup_expr="in",
        read=_read_statuses,
        schema=choices_schema(OrderStatus.values),
        description="One or more states, separated by commas.",
    )
    created_at__gte = ReadFilter(
        field_name="created_at",
        lookup_expr="gte",
        read=instant_reader("created_at[gte]"),
        schema=INSTANT,
        description="Created at or after this instant. RFC 3339 with its time zone.",
    )
    number = ReadFilter(
        read=_read_number,
        schema={"type": "string", "pattern": f"^{_NUMBER.pattern}$"},
        description="The one with this number.",
    )
    customer_id = ReadFilter(read=_read_customer_id, schema=id_schema("cus"), description="Those of one customer.")
    phone = ReadFilter(
        method="filter_phone",
        read=accounts.parse_phone,
        schema=PHONE,
        description="Those of the customer with this phone number, in any writing.",
    )
    q = ReadFilter(
        method="search",
        read=_read_search,
        schema=search_schema(fewest=1),
        description=(
            "The number, its beginning or its last digits (one digit is enough), a phone number, an e-mail address,"
            " or a part of the recipient's name."
        ),
    )
    created_at__lt = ReadFilter(
        field_name="created_at",
        lookup_expr="lt",
        read=instant_reader("created_at[lt]"),
        schema=INSTANT,
        description="Created before this instant. RFC 3339 with its time zone.",
    )

    def filter_phone(self, orders: "QuerySet[Order]", _: str, phone: Any) -> "QuerySet[Order]":
        return selectors.filter_by_phone(orders, phone)

    def search(self, orders: "QuerySet[Order]", _: str, term: Any) -> "QuerySet[Order]":
        return selectors.search_orders_and_recipients(orders, term)
