"""The number of a document and the moment that it is issued (CGST Rules, rule 46(b))."""

import re
from datetime import date, datetime
from typing import Final

from apps.tax.rules import financial_year, ist_date

MAX_SEQUENCE: Final = 9_999_999
SEQUENCE_DIGITS: Final = len(str(MAX_SEQUENCE))
#: At most 16 characters; the e-invoice portal refuses a leading zero, slash or dash, and ignores case.
NUMBER_REGEX: Final = re.compile(r"[A-Z1-9][A-Z0-9/-]{0,15}")


def document_number(*, prefix: str, financial_year: str, sequence: int) -> str:
    """
    Return the number of a document, such as `INV260000001`: prefix, first year's last two digits, seven digits.

    :raises ValueError: if the sequence has no seven digits left, or the prefix is not one to four capitals or digits
    """
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise ValueError(f"a series has numbers 1 to {MAX_SEQUENCE}, not {sequence}")
    if re.fullmatch(r"[A-Z1-9][A-Z0-9]{0,3}", prefix) is None:
        raise ValueError(f"{prefix!r} is no prefix of a document number")
    return f"{beginning_of_numbers(prefix=prefix, financial_year=financial_year)}{sequence:0{SEQUENCE_DIGITS}d}"


def beginning_of_numbers(*, prefix: str, financial_year: str) -> str:
    """Return how all numbers of a series begin, such as `INV26`: prefix, first year's last two digits."""
    return f"{prefix}{financial_year[2:4]}"


def next_issued_at(now: datetime, latest_issued_at: datetime | None) -> datetime:
    """Return the instant (UTC) of the next document of a series: never before the latest, whatever the clocks say."""
    return now if latest_issued_at is None else max(now, latest_issued_at)


def financial_year_at(instant: datetime) -> str:
    """Return the Indian financial year of an instant, such as `2026-27`."""
    return financial_year(ist_date(instant))


def invoice_date_at(instant: datetime) -> date:
    """Return the date that a document of an instant bears: the day in India."""
    return ist_date(instant)
