"""Financial years of India (1 April to 31 March), and Indian dates."""

from datetime import date, datetime, timedelta, timezone
from typing import Final

# A fixed offset, as India has had no summer time since 1945; so the rule needs no zone database.
IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")


def ist_date(instant: datetime) -> date:
    """
    Return the Indian calendar date of an instant.

    :raises ValueError: if the instant has no time zone
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(IST).date()


def start_of_financial_year(day: date) -> date:
    """Return the 1 April on or before the day."""
    begins = date(day.year, 4, 1)
    return begins if day >= begins else date(day.year - 1, 4, 1)


def financial_year(day: date) -> str:
    """Return the financial year of a date as law and e-invoices write it: "2026-27"."""
    start = start_of_financial_year(day).year
    return f"{start}-{(start + 1) % 100:02d}"


def fy_short(day: date) -> str:
    """Return the financial year in four digits, for numbers of documents: "2627"."""
    start = start_of_financial_year(day).year
    return f"{start % 100:02d}{(start + 1) % 100:02d}"
