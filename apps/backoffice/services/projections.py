"""The projections of sales: brought up to date with the orders that have changed, or built from all orders."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

from django.db import connection

from apps.backoffice import locks
from apps.backoffice.rules import moves_between
from apps.backoffice.sql import projections as sql
from apps.core import clock
from apps.core.long_queries import allow_long_queries
from apps.core.transactions import transactional

#: Orders that are counted in one transaction.
BATCH = 500
#: Two clocks may disagree about the day. Periods that end later than that are those of a clock that was wrong.
_AHEAD = timedelta(days=1)
#: Orders that are read by one statement when all are counted again.
REBUILD_BATCH = 5_000


def refresh_projections(*, now: datetime, max_batches: int = 40) -> int:
    """
    Count the orders that have changed since the last refresh, and return their number.

    Without such orders, on the same day in India, this is one statement. The first refresh of an installation counts all orders.
    If another writer is running, or more has changed than `max_batches` batches, the next refresh goes on.
    """
    today = clock.ist_date(now)
    due = sql.find_due()
    if due is None:
        sql.add_state()
    elif due[0] is not None and today <= due[0] <= today + _AHEAD and not due[1]:
        return 0

    counted = 0
    for _ in range(max_batches):
        batch = _refresh_batch(today)
        if not batch:
            break
        counted += batch
    return counted


@transactional
def _refresh_batch(today: date) -> int:
    state = locks.lock_projections(is_waiting=False)
    if state is None:
        return 0

    if state.day is None or state.day > today + _AHEAD:
        return _rebuild(today)

    day = max(state.day, today)
    if day > state.day:
        _allow_long_queries()
        sql.move_periods(moves_between(state.day, day))
        sql.set_day(day)
    order_ids = sql.take_pending(BATCH)
    if order_ids:
        sql.count_orders(order_ids, today=day)

    return len(order_ids)


def rebuild_projections(*, now: datetime, on_batch: Callable[[int], None] = lambda _: None) -> int:
    """
    Build all projections from all orders, in one transaction, and return the number of orders.

    Until it ends, readers see the projections as they were; what changes meanwhile is counted by the next refresh.

    :param on_batch: called with the number of orders counted so far
    """
    sql.add_state()
    return _lock_and_rebuild(clock.ist_date(now), on_batch)


@transactional
def _lock_and_rebuild(today: date, on_batch: Callable[[int], None]) -> int:
    locks.lock_projections(is_waiting=True)

    return _rebuild(today, on_batch)


def _rebuild(today: date, on_batch: Callable[[int], None] = lambda _: None) -> int:
    """Count all orders; what changes meanwhile is pending afterwards."""
    _allow_long_queries()
    sql.delete_all()
    counted, (found, last) = 0, sql.add_orders(limit=REBUILD_BATCH)
    while last is not None:
        counted += found
        on_batch(counted)
        found, last = sql.add_orders(after=last, limit=REBUILD_BATCH)
    sql.add_sums()
    sql.move_periods(moves_between(None, today))
    sql.set_day(today)
    return counted


def _allow_long_queries() -> None:
    with connection.cursor() as cursor:
        allow_long_queries(cursor)
