"""Days and instants as people in India write them."""

from datetime import date, datetime

from apps.core.clock import IST

_NOON = 12


def format_day(on: date) -> str:
    """Return a day in words: `30 Nov 2026`."""
    return f"{on.day} {on:%b %Y}"


def format_instant(at: datetime) -> str:
    """Return an instant in words, in India's time: `21 Nov 2026, 11:05 am IST`; at most 26 characters."""
    local = at.astimezone(IST)
    hour = local.hour % 12 or 12
    half = "am" if local.hour < _NOON else "pm"
    return f"{format_day(local)}, {hour}:{local:%M} {half} IST"
