"""Query parameters of order lists."""

import re
from datetime import date, datetime
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.core import ids
from apps.core.api import parse_instant
from apps.core.errors import Invalid, NotFound
from apps.orders.rules import OrderSearch
from apps.orders.states import OrderStatus

_MOST_STATUSES = 50
SHORTEST_QUERY, LONGEST_QUERY = 2, 100
NUMBER_PATTERN = "^[A-Za-z0-9-]{1,20}$"
_NUMBER = re.compile(NUMBER_PATTERN[1:-1], re.ASCII)


class BadStatusFilter(Invalid):
    message = "status is one or more of these, separated by commas: {0}."


class BadNumberFilter(Invalid):
    message = "number is the number of an order, such as ORD-2627-000123."


class BadCustomerFilter(Invalid):
    message = "customer_id is an id of the form cus_..."


class BadPhoneFilter(Invalid):
    message = "phone is a mobile number, such as +919876543210 or 98765 43210."


class BadQueryFilter(Invalid):
    message = "q has {0} to {1} characters."


class BadInstantFilter(Invalid):
    message = "{0} is an instant with its time zone, such as 2026-11-21T05:30:00Z."


def read_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the states that a client asked for; none means all.

    :raises BadStatusFilter: if one is no state of an order
    """
    if text is None:
        return ()
    wanted = text.split(",")
    if len(wanted) > _MOST_STATUSES or any(status not in OrderStatus.values for status in wanted):
        raise BadStatusFilter(", ".join(OrderStatus.values), param="status")
    return tuple(sorted(set(wanted)))


def read_number(text: str | None) -> str | None:
    """
    Return the order number that a client looks for, in capitals.

    :raises BadNumberFilter: if it has not the form of one
    """
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise BadNumberFilter(param="number")
    return text.upper()


def read_customer_id(text: str | None) -> UUID | None:
    """
    Return the customer whose orders a client looks for.

    :raises BadCustomerFilter: if it is no id of a person
    """
    if text is None:
        return None
    try:
        return ids.decode("cus", text)
    except NotFound as error:
        raise BadCustomerFilter(param="customer_id") from error


def read_phone(text: str | None) -> str | None:
    """
    Return the phone number that a client looks for, in any writing, as it is stored.

    :raises BadPhoneFilter: if it is no mobile number
    """
    if text is None:
        return None
    phone = accounts.find_phone(text)
    if phone is None:
        raise BadPhoneFilter(param="phone")
    return phone


def read_query(text: str | None, *, today: date) -> OrderSearch | None:
    """
    Return what a client searches for, on a day in India.

    :raises BadQueryFilter: if they are too short or too long
    """
    if text is None:
        return None
    words = text.strip()
    if not SHORTEST_QUERY <= len(words) <= LONGEST_QUERY:
        raise BadQueryFilter(SHORTEST_QUERY, LONGEST_QUERY, param="q")
    return OrderSearch(words, today)


def read_instant(name: str, text: str | None) -> datetime | None:
    """
    Return the instant that a client asked for, or None.

    :raises BadInstantFilter: if it is no instant, has no time zone, or lies outside the years 2000 to 2199
    """
    if text is None:
        return None
    instant = parse_instant(text)
    if instant is None:
        raise BadInstantFilter(name, param=name)
    return instant
