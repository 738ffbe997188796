"""
Reading the cells of a downloaded report: numbers as people and spreadsheet programs write them, and times.

Nothing is guessed: the caller, which has seen the whole file, says which mark is the decimal one and whether day or month comes first.
"""

import calendar
import itertools
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from apps.core.clock import IST
from apps.settlements.gateways.report_formats import OrderedDate

# 1234567.50, 1,234,567.50 and 12,34,567.50; with the marks the other way round too.
_NUMBER = {
    ".": re.compile(r"(?:₹|Rs\.?|INR)?\s*([0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:\.([0-9]{1,4}))?"),
    ",": re.compile(r"(?:₹|Rs\.?|INR)?\s*([0-9]+|[0-9]{1,3}(?:\.[0-9]{2,3})*\.[0-9]{3})(?:,([0-9]{1,4}))?"),
}
_CURRENCY = re.compile(r"^(?:₹|Rs\.?|INR)\s*")
_UNIX = re.compile(r"[0-9]{9,10}")
_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_CLOCK = r"(?:[T ,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*([AaPp][Mm])?\s*(Z|[+-][0-9]{2}:?[0-9]{2}|IST|UTC)?)?"
_ISO = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})" + _CLOCK)
_ORDERED = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})" + _CLOCK)
_NAMED = re.compile(r"([0-9]{1,2})[- ]([A-Za-z]{3})[a-z]*[- ,]+([0-9]{4}|[0-9]{2})" + _CLOCK)
#: No amount has more digits before its decimal mark, and none of rupees more after it.
_MAX_DIGITS, _DECIMALS = 20, 2
_DIGITS_OF_A_SHORT_YEAR = 2
_HOURS_OF_A_HALF = range(1, 13)
_YEARS = range(2000, 2100)
#: What programs write into a cell that is empty, in upper and lower case.
_NOTHING = frozenset(
    "".join(letters)
    for word in ("-", "null", "none", "nan", "n/a")
    for letters in itertools.product(*({letter, letter.upper()} for letter in word))
)
_MONTHS = {month.lower(): number for number, month in enumerate(calendar.month_abbr)}


def without_blanks(cells: tuple[str, ...]) -> Sequence[str]:
    """Return cells without blanks around them, and those that say that they are empty as empty."""
    bare = tuple(map(str.strip, cells))
    if bare == cells and _NOTHING.isdisjoint(bare):
        return bare
    # Nothing but blanks stays, for no amount is read out of them.
    return ["" if one in _NOTHING else one or cell for one, cell in zip(bare, cells, strict=True)]


def is_unix_time(cell: str) -> bool:
    """Test if a cell is a time in Unix seconds."""
    return _UNIX.fullmatch(cell) is not None


def is_serial_time(cell: str) -> bool:
    """Test if a cell is a time as spreadsheet programs count them, in days."""
    return _SERIAL.fullmatch(cell) is not None


@lru_cache(4_096)
def _day_of_half_hour(half_hour: int) -> date:
    return datetime.fromtimestamp(half_hour * 1_800, tz=IST).date()


def india_day_of(seconds: int) -> date:
    """Return the day in India of a time in Unix seconds; its days begin at a half hour."""
    return _day_of_half_hour(seconds // 1_800)


def ordered_date_from(cell: str) -> OrderedDate | None:
    """Return the date of a cell whose day or month may come first, or None if it is no such date."""
    found = _ORDERED.fullmatch(cell)
    return OrderedDate(int(found[1]), int(found[2]), _year(found[3])) if found else None


def last_mark(cell: str) -> tuple[str, str, str]:
    """Return what is before the last point or comma of a number, that mark, and what is after it."""
    place = max(cell.rfind("."), cell.rfind(","))
    if place < 0:
        return cell, "", ""
    return _CURRENCY.sub("", cell[:place]), cell[place], cell[place + 1 :]


def hundredths_from(cell: str, mark: str) -> int | None:
    """Return a hundred times a number as it is written with a decimal mark, or None if it is none, or finer than that."""
    whole, found_mark, rest = cell.partition(mark)
    if cell.isascii() and whole.isdigit() and len(whole) <= _MAX_DIGITS:
        # As nearly all are written: the pattern is for the others.
        if not found_mark:
            return int(whole) * 100
        if len(rest) == _DECIMALS and rest.isdigit():
            return int(whole) * 100 + int(rest)
    found = _NUMBER[mark].fullmatch(cell)
    if found is None or len(found[1]) > _MAX_DIGITS:
        return None
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > _DECIMALS:
        return None
    return int(found[1].replace(",", "").replace(".", "")) * 100 + int(fraction.ljust(_DECIMALS, "0"))


def instant_from_cell(cell: str, order: str) -> datetime:
    """
    Return the instant in a cell, in India's time unless it names another.

    :raises ValueError: if it is none
    """
    if found := _ISO.fullmatch(cell):
        on = date(int(found[1]), int(found[2]), int(found[3]))
    elif found := _NAMED.fullmatch(cell):
        on = date(_year(found[3]), _MONTHS.get(found[2].lower(), 0), int(found[1]))
    elif found := _ORDERED.fullmatch(cell):
        read = OrderedDate(int(found[1]), int(found[2]), _year(found[3])).read(order)
        if read is None:
            raise ValueError(cell)
        on = read
    else:
        raise ValueError(cell)
    hour, minute, second, half, zone = found.groups()[3:]
    hours = int(hour or 0)
    if half:
        if hours not in _HOURS_OF_A_HALF:
            raise ValueError(cell)
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    at = datetime(on.year, on.month, on.day, hours, int(minute or 0), int(second or 0), tzinfo=_zone(zone))
    if at.year not in _YEARS:
        raise ValueError(cell)
    return at.astimezone(UTC)


def _zone(name: str | None) -> tzinfo:
    if not name or name == "IST":
        return IST
    if name in ("Z", "UTC"):
        return UTC
    sign = -1 if name[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[-2:])))


def _year(digits: str) -> int:
    return int(digits) if len(digits) > _DIGITS_OF_A_SHORT_YEAR else 2000 + int(digits)
