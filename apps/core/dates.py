"""Days and instants as people in India write them."""

from datetime import date, datetime

from apps.core.clock import IST


def format_day(on: date) -> str:
    """Return a day in words: `30 Nov 2026`."""
    return f"{on.day} {on:%b %Y}"


def format_instant(at: datetime) -> str:
    """Return an instant in words, in India's time: `21 Nov 2026, 11:05 am`; at most 22 characters."""
    local = at.astimezone(IST)
    return f"{format_day(local)}, {local:%I:%M %p}".replace(", 0", ", ").replace("AM", "am").replace("PM", "pm")
