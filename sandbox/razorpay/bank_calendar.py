"""The bank's calendar: Indian days, working days, months."""

from __future__ import annotations

import calendar
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30))
_PAYOUT_TIME = time(10, 30)
_SATURDAY = 5


def compute_settlement_time(captured_at: int, *, working_days: int, holidays: Collection[str]) -> int:
    """
    Return when a payment that was captured at a given time is settled: `working_days` later, at 10:30 IST.

    Saturdays, Sundays and `holidays` (as 2026-01-26) do not count.
    """
    day = datetime.fromtimestamp(captured_at, tz=IST).date()
    left = working_days
    while left > 0:
        day += timedelta(days=1)
        if day.weekday() < _SATURDAY and day.isoformat() not in holidays:
            left -= 1
    due = int(datetime.combine(day, _PAYOUT_TIME, tzinfo=IST).timestamp())
    return max(due, captured_at)


def add_months(at: int, months: int) -> int:
    """Return the same time of day `months` later, on the last day of the month if that month is shorter."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    years, month = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, month + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())


def find_indian_day(at: int) -> date:
    return datetime.fromtimestamp(at, tz=IST).date()
