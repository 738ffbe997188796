"""Instants, days and financial years as texts, from whole seconds of Unix time; kept, as each is asked for very often."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Final

from apps.core.dates import format_day, format_instant
from apps.tax.rules import financial_year, fy_short

_DAY: Final = 86_400
#: How many seconds India is ahead of UTC.
IST_SECONDS: Final = 19_800
_EPOCH: Final = date(1970, 1, 1)
_TIMES: Final = [
    f"T{hour:02d}:{minute:02d}:{second:02d}" for hour in range(24) for minute in range(60) for second in range(60)
]


@cache
def _utc_day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


def instant(second: int) -> str:
    """Return an instant in UTC without fraction and zone, such as `2026-11-21T05:30:00`."""
    day, rest = divmod(second, _DAY)
    return _utc_day(day) + _TIMES[rest]


def day_number(second: int) -> int:
    """Return the number of the day in India of an instant."""
    return (second + IST_SECONDS) // _DAY


def start_of_day(number: int) -> int:
    """Return the second at which a day in India begins."""
    return number * _DAY - IST_SECONDS


@cache
def iso_day(number: int) -> str:
    """Return a day by its number, such as `2026-11-21`."""
    return (_EPOCH + timedelta(days=number)).isoformat()


@cache
def day_in_words(number: int) -> str:
    """Return a day by its number, such as `21 Nov 2026`."""
    return format_day(_EPOCH + timedelta(days=number))


@lru_cache(maxsize=4096)
def instant_in_words(second: int) -> str:
    """Return an instant in India's time, such as `21 Nov 2026, 11:05 am IST`."""
    return format_instant(datetime.fromtimestamp(second, tz=UTC))


@cache
def year_of(number: int) -> str:
    """Return the financial year of a day by its number, such as `2026-27`."""
    return financial_year(_EPOCH + timedelta(days=number))


@cache
def short_year_of(number: int) -> str:
    """Return the financial year of a day by its number in four digits, such as `2627`."""
    return fy_short(_EPOCH + timedelta(days=number))
