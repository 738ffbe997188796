"""Query parameters of order lists."""

from datetime import datetime

from apps.core.api import parse_instant
from apps.core.errors import Invalid
from apps.orders.states import OrderStatus

_MOST_STATUSES = 50


class BadStatusFilter(Invalid):
    message = "status is one or more of these, separated by commas: {0}."


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
