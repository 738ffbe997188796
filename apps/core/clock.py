"""The clock. Services take `now` as an argument; what starts them (a view, a task, a command) asks here, and only here."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

IST = ZoneInfo("Asia/Kolkata")


def now() -> datetime:
    """Return the present instant in UTC, in whole milliseconds: what the database, events and the API keep of it is one value."""
    return to_milliseconds(datetime.now(UTC))


def to_milliseconds(instant: datetime) -> datetime:
    """Return an instant without what is finer than a millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def rfc3339(instant: datetime) -> str:
    """Return an instant as the API writes it: UTC, in milliseconds, with `Z`, such as `2026-11-21T05:30:00.123Z`."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"


def ist_date(instant: datetime) -> date:
    """Return the day that an instant falls on in India, the calendar of tax."""
    return instant.astimezone(IST).date()
