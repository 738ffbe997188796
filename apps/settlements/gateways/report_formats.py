"""
The format of a settlement report that was downloaded: how its file is written, and in which unit and date order.

A file says this only as a whole, never by one of its rows; `report_recognition` decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

PAISE, RUPEES = "paise", "rupees"
DAY_FIRST, MONTH_FIRST = "day-first", "month-first"
DATE_ORDERS = (DAY_FIRST, MONTH_FIRST)

#: Rows about payments and refunds, one each.
LINES = "lines"
#: Rows about settlements, one each, without what is in them.
TRANSFERS = "transfers"


@dataclass(frozen=True)
class FileShape:
    """How a file is written: its encoding, its delimiter, the column names in our words, and its decimal mark."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    decimal_mark: str = "."


@dataclass(frozen=True)
class ReportFormat:
    """
    All that is needed to read a report.

    `content` is LINES or TRANSFERS, `unit` PAISE or RUPEES. `is_fee_net` says that the fee excludes its GST.
    """

    shape: FileShape
    content: str
    unit: str
    date_order: str
    is_fee_net: bool


@dataclass(frozen=True)
class OrderedDate:
    """A date whose day and month may be either of the first two numbers, such as 05/11/2026."""

    first: int
    second: int
    year: int

    def read(self, order: str) -> date | None:
        """Return the date in an order, or None if there is no such day."""
        day, month = (self.first, self.second) if order == DAY_FIRST else (self.second, self.first)
        try:
            return date(self.year, month, day)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.first:02d}/{self.second:02d}/{self.year}"


@dataclass(frozen=True)
class Sample:
    """One payment, refund or settlement as a report has it: the amount in hundredths of the unknown unit, and its date."""

    id: str
    hundredths: int | None
    at: OrderedDate | None


@dataclass(frozen=True)
class KnownFact:
    """What we hold of the same payment, refund or settlement: paise, and when it was."""

    amount: int | None
    at: datetime | None


@dataclass(frozen=True)
class ReportInspection:
    """
    What the rows of a report prove.

    `is_rupee_layout`: only the dashboard writes these columns, in rupees. `has_decimals`: an amount has them. `has_unix_times`:
    all times are Unix seconds, which the API alone gives, with paise. `orders` are the date orders in which every date is one and
    nothing was settled before it was made; `example` is a date that says nothing by itself, None if there is none; `latest` is
    the last day in each order.
    """

    shape: FileShape
    content: str
    is_fee_net: bool
    is_rupee_layout: bool
    has_decimals: bool
    has_unix_times: bool
    orders: frozenset[str]
    example: OrderedDate | None
    latest: Mapping[str, date]
    samples: tuple[Sample, ...]
