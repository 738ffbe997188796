"""Query parameters of order lists."""

from datetime import datetime

from django.utils.dateparse import parse_datetime

from apps.core.errors import Invalid
from apps.orders.states import OrderStatus


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
    wanted = text[:500].split(",")
    if any(status not in OrderStatus.values for status in wanted):
        raise BadStatusFilter(", ".join(OrderStatus.values), param="status")
    return tuple(sorted(set(wanted)))


def read_instant(name: str, text: str | None) -> datetime | None:
    """
    Return the instant that a client asked for, or None.

    :raises BadInstantFilter: if it is no instant, has no time zone, or lies outside the years 2000 to 2199
    """
    if text is None:
        return None
    try:
        instant = parse_datetime(text[:40])
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not 2000 <= instant.year < 2200:
        raise BadInstantFilter(name, param=name)
    return instant
