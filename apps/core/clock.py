"""The clock. Services take `now` as an argument; what starts them (a view, a task, a command) asks here, and only here."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

IST = ZoneInfo("Asia/Kolkata")


def now() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def ist_date(instant: datetime) -> date:
    """Return the day that an instant falls on in India, the calendar of tax."""
    return instant.astimezone(IST).date()
