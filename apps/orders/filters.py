"""Query parameters of order lists."""

import re
from datetime import datetime
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.core import ids
from apps.core.api import parse_instant
from apps.core.errors import Invalid, NotFound
from apps.core.search import SearchTerm
from apps.core.search import parse_query as read_search_term
from apps.orders.states import OrderStatus

_MAX_STATUSES = 50
NUMBER_PATTERN = "^[A-Za-z0-9-]{1,20}$"
_NUMBER = re.compile(NUMBER_PATTERN[1:-1], re.ASCII)


class InvalidStatus(Invalid):
    """`status` names a state that orders do not have. Choose from those that the message names."""

    message = "status must be one or more of these, separated by commas: {0}."


class InvalidOrderNumber(Invalid):
    """`number` has not the form of an order number. Send one such as ORD-2627-000123."""

    message = "number must be an order number, such as ORD-2627-000123."


class InvalidCustomerId(Invalid):
    """`customer_id` has not the form of a customer's id. Send an id that begins with `cus_`."""

    message = "customer_id must be an id such as cus_01jf3z8k4qe7tv2w9x0y1z2a3b."


class InvalidInstant(Invalid):
    """The value is no instant with a time zone, or far from our time. Send RFC 3339, such as 2026-11-21T05:30:00Z."""

    message = "{0} must be an instant with its time zone, such as 2026-11-21T05:30:00Z."


def parse_statuses(text: str | None) -> tuple[str, ...]:
    """
    Return the states that a client asked for; none means all.

    :raises InvalidStatus: if one is no state of an order
    """
    if text is None:
        return ()
    wanted = text.split(",")
    if len(wanted) > _MAX_STATUSES or any(status not in OrderStatus.values for status in wanted):
        raise InvalidStatus(", ".join(OrderStatus.values), param="status")
    return tuple(sorted(set(wanted)))


def parse_number(text: str | None) -> str | None:
    """
    Return the order number that a client looks for, in capitals.

    :raises InvalidOrderNumber: if it has not the form of one
    """
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidOrderNumber(param="number")
    return text.upper()


def parse_customer_id(text: str | None) -> UUID | None:
    """
    Return the customer whose orders a client looks for.

    :raises InvalidCustomerId: if it is no id of a person
    """
    if text is None:
        return None
    try:
        return ids.decode("cus", text)
    except NotFound as error:
        raise InvalidCustomerId(param="customer_id") from error


def parse_phone(text: str | None) -> str | None:
    """
    Return the phone number that a client looks for, in any writing, as it is stored.

    :raises InvalidPhone: if it is no mobile number
    """
    return None if text is None else accounts.parse_phone(text)


def parse_query(text: str | None) -> SearchTerm | None:
    """
    Return what a client searches for; a digit alone is the number of an order.

    :raises QueryLengthOutOfRange: if it is too short or too long
    """
    if text is None:
        return None
    term = SearchTerm(text)
    return term if len(text.strip()) == 1 and term.digits else read_search_term(text)


def parse_instant_filter(name: str, text: str | None) -> datetime | None:
    """
    Return the instant that a client asked for, or None.

    :raises InvalidInstant: if it is no instant, has no time zone, or lies outside the years 2000 to 2199
    """
    if text is None:
        return None
    instant = parse_instant(text)
    if instant is None:
        raise InvalidInstant(name, param=name)
    return instant
