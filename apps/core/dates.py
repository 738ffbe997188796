"""Days and instants as people in India write them."""

from datetime import date, datetime, timedelta

from apps.core.clock import IST

#: The years of the days and instants that people and programs may name. Others are slips, and at both ends of the calendar an
#: instant cannot be converted to another zone.
YEARS = range(2000, 2200)
_NOON = 12
_DAYS_OF_A_WEEK, _WORKING_DAYS_OF_A_WEEK = 7, 5
#: As `date.weekday` counts.
_SATURDAY = 5


def format_day(on: date) -> str:
    """Return a day in words: `30 Nov 2026`."""
    return f"{on.day} {on:%b %Y}"


def format_instant(at: datetime) -> str:
    """Return an instant in words, in India's time: `21 Nov 2026, 11:05 am IST`; at most 26 characters."""
    local = at.astimezone(IST)
    hour = local.hour % 12 or 12
    half = "am" if local.hour < _NOON else "pm"
    return f"{format_day(local)}, {hour}:{local:%M} {half} IST"


def format_time(at: datetime) -> str:
    """Return the time of an instant in words, to the second and in India's time: `2:05:10 pm IST`."""
    local = at.astimezone(IST)
    return f"{local.hour % 12 or 12}:{local:%M:%S} {'am' if local.hour < _NOON else 'pm'} IST"


def working_days_between(since: date, until: date) -> int:
    """Return how many working days (Monday to Friday) lie after `since`, up to and including `until`."""
    weeks, rest = divmod((until - since).days, _DAYS_OF_A_WEEK)
    days = (since + timedelta(days=number) for number in range(1, rest + 1))
    return weeks * _WORKING_DAYS_OF_A_WEEK + sum(day.weekday() < _SATURDAY for day in days)


def working_days_before(until: date, count: int) -> date:
    """Return the latest day that at least `count` working days follow, up to and including `until`."""
    day = until
    while working_days_between(day, until) < count:
        day -= timedelta(days=1)
    return day
