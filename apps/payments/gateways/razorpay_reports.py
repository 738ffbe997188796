"""
Reading the settlement reports that Razorpay's dashboard offers, as files.

Three are read: Settlement Recon (27 columns, rupees, the fee without its GST), Combined (the columns of the API, in rupees or
paise) and Settlements (the transfers alone, in rupees). A program may have opened and saved them: encoding, delimiter, decimal
mark and the order of day and month are found out by looking at the whole file once, before any row is taken.
https://razorpay.com/docs/payments/dashboard/reports/list-of-reports/
"""

import calendar
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import IO, Any

from apps.core.clock import IST
from apps.payments.gateways import GatewaySettlement, SettlementRow, UnreadableFacts
from apps.payments.gateways.razorpay_facts import NAME, with_prefix
from apps.payments.gateways.razorpay_recon import HIGHEST, instant_from, row_from, text_from
from apps.payments.gateways.report_formats import (
    DATE_ORDERS,
    LINES,
    RUPEES,
    TRANSFERS,
    FileShape,
    OrderedDate,
    ReportFormat,
    ReportInspection,
    Sample,
)

#: What the dashboard and spreadsheet programs call the columns of the API.
_NAMES = {
    "transaction_entity": "type",
    "entity_created_at": "created_at",
    "entity_description": "description",
    "payment_method": "method",
    "fee_(exclusive_tax)": "fee",
    "fee_(exclusive_of_tax)": "fee",
    "utr": "settlement_utr",
}
_NET_FEE = frozenset({"fee_(exclusive_tax)", "fee_(exclusive_of_tax)"})
_LINE_COLUMNS = frozenset(
    {"entity_id", "type", "debit", "credit", "amount", "fee", "tax", "settled_at", "settlement_id", "settlement_utr"}
)
_TRANSFER_COLUMNS = frozenset({"id", "amount", "status", "fees", "tax", "settlement_utr", "created_at"})
_AMOUNTS = ("debit", "credit", "amount", "fee", "tax", "fees")
_TIMES = ("created_at", "settled_at")
_DELIMITERS = ",;\t|"
_NOTHING = frozenset({"", "-", "null", "none", "nan", "n/a"})
#: So many payments, refunds and settlements of a report are held against ours to find out its unit.
_MOST_SAMPLES = 10_000
_MOST_HEAD_LINES = 20

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WHICH = "download Reports > Settlement Recon as CSV in Razorpay's dashboard"
_READ = "Settlement Recon, Combined and Settlements"

# 1234567.50, 1,234,567.50 and 12,34,567.50; with the marks the other way round too.
_NUMBER = {
    ".": re.compile(r"(?:₹|Rs\.?|INR)?\s*([0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:\.([0-9]{1,4}))?"),
    ",": re.compile(r"(?:₹|Rs\.?|INR)?\s*([0-9]+|[0-9]{1,3}(?:\.[0-9]{2,3})*\.[0-9]{3})(?:,([0-9]{1,4}))?"),
}
_CURRENCY = re.compile(r"^(?:₹|Rs\.?|INR)\s*")
_UNIX = re.compile(r"[0-9]{9,10}")
_CLOCK = r"(?:[T ,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*([AaPp][Mm])?\s*(Z|[+-][0-9]{2}:?[0-9]{2}|IST|UTC)?)?"
_ISO = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})" + _CLOCK)
_ORDERED = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})" + _CLOCK)
_NAMED = re.compile(r"([0-9]{1,2})[- ]([A-Za-z]{3})[a-z]*[- ,]+([0-9]{4}|[0-9]{2})" + _CLOCK)
_MONTHS = {month.lower(): number for number, month in enumerate(calendar.month_abbr)}

_Cells = dict[str, str]


def inspect_report(stream: IO[bytes]) -> ReportInspection:
    """
    Look at a whole report and return what its rows prove of its format.

    :raises UnreadableFacts: if it is none of the reports that are read; the message says which are, and which to take
    """
    look = _Look(_shape(stream))
    with _rows(stream, look.shape) as rows:
        for _, cells in rows:
            look.at(cells)
    return look.result()


def rows_from_report(stream: IO[bytes], report_format: ReportFormat) -> Iterator[SettlementRow | None]:
    """
    Yield the lines of a report one by one, None for one that is not settled; the file is never held as a whole.

    :raises UnreadableFacts: if a line cannot be understood; the message has the line's number
    """
    amount_from, time_from = _amounts(report_format), _times(report_format)
    with _rows(stream, report_format.shape) as rows:
        for number, cells in rows:
            try:
                row = row_from(cells, amount_from=amount_from, time_from=time_from)
            except UnreadableFacts as failure:
                raise UnreadableFacts(f"line {number}: {failure}") from failure
            if row is not None and report_format.is_fee_net:
                row = row._replace(fee_amount=row.fee_amount + row.tax_amount)
            yield row


def transfers_from_report(stream: IO[bytes], report_format: ReportFormat) -> Iterator[GatewaySettlement]:
    """
    Yield the settlements of a report that has no lines of theirs.

    :raises UnreadableFacts: if one cannot be understood; the message has the line's number
    """
    amount_from, time_from = _amounts(report_format), _times(report_format)
    with _rows(stream, report_format.shape) as rows:
        for number, cells in rows:
            try:
                yield GatewaySettlement(
                    gateway=NAME,
                    id=with_prefix("setl", cells.get("id")),
                    amount=amount_from(cells, "amount"),
                    status=text_from(cells, "status", 20),
                    utr=text_from(cells, "settlement_utr", 60),
                    created_at=time_from(cells, "created_at"),
                )
            except UnreadableFacts as failure:
                raise UnreadableFacts(f"line {number}: {failure}") from failure


# The file -------------------------------------------------------------------------------------------------------------


def _shape(stream: IO[bytes]) -> FileShape:
    """:raises UnreadableFacts: if it is no text, or its columns are those of no report that is read"""
    encoding = _encoding(stream)
    names: list[str] = []
    with _text(stream, encoding) as text:
        for line in _head_lines(text):
            for delimiter in _DELIMITERS:
                cells = next(csv.reader([line], delimiter=delimiter), [])
                columns = tuple(_column(cell) for cell in cells)
                names = max(names, list(columns), key=len)
                if _content(columns) is not None:
                    return FileShape(encoding=encoding, delimiter=delimiter, columns=columns)
    known = {_NAMES.get(name, name) for name in names}
    wanted = _LINE_COLUMNS if known & {"entity_id", "type", "settlement_id"} else frozenset()
    missing = (
        f"these columns are missing: {', '.join(sorted(wanted - known))}" if wanted else "its columns are those of none"
    )
    raise UnreadableFacts(f"{_READ} are the reports that Bahi reads, and {missing}; {_WHICH}")


def _content(columns: Sequence[str]) -> str | None:
    """Return what the rows of a file tell of, by its columns, or None if it is no report that is read."""
    known = {_NAMES.get(column, column) for column in columns}
    if known >= _LINE_COLUMNS:
        return LINES
    return TRANSFERS if known >= _TRANSFER_COLUMNS else None


def _column(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().strip("\ufeff\"'").strip().lower())


def _head_lines(text: IO[str]) -> Iterator[str]:
    """Yield the first lines that have something on them: a program may have put its own before the names of the columns."""
    try:
        for _ in range(_MOST_HEAD_LINES):
            line = text.readline(65_536)
            if not line:
                return
            if line.strip(" \r\n\t,;|"):
                yield line
    except UnicodeError as failure:
        raise UnreadableFacts(f"it is no CSV file; {_WHICH}") from failure


def _encoding(stream: IO[bytes]) -> str:
    stream.seek(0)
    start = stream.read(4)
    if start.startswith(_WORKBOOKS):
        raise UnreadableFacts(f"it is an Excel workbook and no CSV file; {_WHICH}")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if start[1:2] == b"\x00" or start[:1] == b"\x00":
        return "utf-16-le" if start[1:2] == b"\x00" else "utf-16-be"
    return "utf-8-sig" if _is_utf_8(stream) else "cp1252"


def _is_utf_8(stream: IO[bytes]) -> bool:
    """Test if a whole file is UTF-8; Excel on Windows writes its own encoding unless it is told otherwise."""
    try:
        with _text(stream, "utf-8-sig") as text:
            while text.read(1 << 20):
                pass
    except UnicodeError:
        return False
    return True


@contextmanager
def _text(stream: IO[bytes], encoding: str) -> Iterator[IO[str]]:
    stream.seek(0)
    # Five bytes mean nothing in cp1252; they stand in descriptions, never in an id or an amount.
    errors = "replace" if encoding == "cp1252" else "strict"
    text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    try:
        yield text
    finally:
        # Not closed with us: whoever opened the file closes it.
        text.detach()


@contextmanager
def _rows(stream: IO[bytes], shape: FileShape) -> Iterator[Iterator[tuple[int, _Cells]]]:
    """Give an iterator of the rows after the names of the columns, with the line that each ends on; blank ones are left out."""
    with _text(stream, shape.encoding) as text:
        yield _walk(csv.reader(text, delimiter=shape.delimiter), shape)


def _walk(reader: Any, shape: FileShape) -> Iterator[tuple[int, _Cells]]:
    names = [_NAMES.get(column, column) for column in shape.columns]
    try:
        for row in reader:
            if tuple(_column(cell) for cell in row) == shape.columns:
                break
        for row in reader:
            if any(row) and any(cell.strip() for cell in row):
                yield reader.line_num, dict(zip(names, map(_stripped, row), strict=False))
    except (UnicodeError, csv.Error) as failure:
        raise UnreadableFacts(f"line {reader.line_num}: {failure}") from failure


def _stripped(cell: str) -> str:
    """Return a cell without blanks around it; nothing but blanks stays, for no amount is read out of them."""
    bare = cell.strip()
    return "" if bare.lower() in _NOTHING and bare else bare or cell


# The look at all rows -------------------------------------------------------------------------------------------------


class _Look:
    """One look at a whole report: what its rows prove."""

    def __init__(self, shape: FileShape) -> None:
        self.shape = shape
        self._content = _content(shape.columns) or LINES
        self._marks: set[str] = set()
        self._has_decimals = self._has_unix = self._has_other_times = self._has_serials = False
        self._orders = set(DATE_ORDERS)
        self._example: OrderedDate | None = None
        self._latest = dict.fromkeys(DATE_ORDERS, date.min)
        self._samples: dict[str, tuple[str, OrderedDate | None]] = {}

    def at(self, cells: _Cells) -> None:
        for name in _AMOUNTS:
            self._look_at_amount(cells.get(name, ""))
        created, settled = (self._look_at_time(cells.get(name, "")) for name in _TIMES)
        self._compare(created, settled)
        self._keep_samples(cells, created, settled)

    def _look_at_amount(self, cell: str) -> None:
        if cell.isdigit():
            return
        whole, mark, rest = _last_mark(cell)
        if mark and whole and rest.isdigit():
            if len(rest) != 3 or (mark == "." and len(whole) > 3 and whole.isdigit()):
                # Three digits may be a group of thousands; anything else is a fraction.
                self._marks.add(mark)
                self._has_decimals = True
            elif mark == "." and "," not in whole:
                self._marks.add("?")

    def _look_at_time(self, cell: str) -> OrderedDate | date | None:
        if not cell:
            return None
        if _UNIX.fullmatch(cell):
            self._has_unix = True
            return datetime.fromtimestamp(int(cell), tz=IST).date()
        self._has_other_times = True
        found = _ORDERED.fullmatch(cell)
        if found is None:
            if re.fullmatch(r"[0-9]{5}(?:\.[0-9]+)?", cell):
                raise UnreadableFacts(
                    f"a spreadsheet program has made its time {cell[:12]} a number, which may have the day and the month changed;"
                    " download the report again and import it as it is"
                )
            try:
                read = _instant(cell, DATE_ORDERS[0])
            except ValueError:
                return None
            return read.astimezone(IST).date()
        ordered = OrderedDate(int(found[1]), int(found[2]), _year(found[3]))
        for order in tuple(self._orders):
            on = ordered.read(order)
            if on is None:
                self._orders.discard(order)
            else:
                self._latest[order] = max(self._latest[order], on)
        if ordered.first != ordered.second:
            self._example = self._example or ordered
        return ordered

    def _compare(self, created: OrderedDate | date | None, settled: OrderedDate | date | None) -> None:
        """Rule out an order in which something was settled before it was made, if it was not in the other."""
        if created is None or settled is None:
            return
        if not isinstance(created, OrderedDate) and not isinstance(settled, OrderedDate):
            return
        wrong = {order for order in self._orders if _is_before(settled, created, order)}
        if len(wrong) < len(self._orders):
            self._orders -= wrong

    def _keep_samples(
        self, cells: _Cells, created: OrderedDate | date | None, settled: OrderedDate | date | None
    ) -> None:
        if len(self._samples) >= _MOST_SAMPLES:
            return
        entity_id = cells.get("entity_id") or cells.get("id", "")
        for key, amount, at in (
            (entity_id, cells.get("amount", ""), created),
            (cells.get("settlement_id"), "", settled),
        ):
            if key and key not in self._samples:
                self._samples[key] = (amount, at if isinstance(at, OrderedDate) else None)

    def result(self) -> ReportInspection:
        shape = self._with_decimal_mark()
        return ReportInspection(
            shape=shape,
            content=self._content,
            is_fee_net=bool(_NET_FEE & set(shape.columns)),
            is_rupee_layout="transaction_entity" in shape.columns or bool(_NET_FEE & set(shape.columns)),
            has_decimals=self._has_decimals,
            has_unix_times=self._has_unix and not self._has_other_times,
            orders=frozenset(self._orders),
            example=self._example,
            latest=self._latest,
            samples=tuple(
                Sample(key, _hundredths(amount, shape.decimal_mark), at) for key, (amount, at) in self._samples.items()
            ),
        )

    def _with_decimal_mark(self) -> FileShape:
        marks = self._marks - {"?"}
        if len(marks) > 1 or (self._marks == {"?"}):
            raise UnreadableFacts(f"its amounts have more than one meaning of point and comma; {_WHICH}")
        mark = marks.pop() if marks else "."
        return FileShape(self.shape.encoding, self.shape.delimiter, self.shape.columns, mark)


def _last_mark(cell: str) -> tuple[str, str, str]:
    """Return what is before the last point or comma of a cell, that mark, and what is after it."""
    place = max(cell.rfind("."), cell.rfind(","))
    if place < 0:
        return cell, "", ""
    return _CURRENCY.sub("", cell[:place]), cell[place], cell[place + 1 :]


def _is_before(settled: OrderedDate | date, created: OrderedDate | date, order: str) -> bool:
    ends = settled.read(order) if isinstance(settled, OrderedDate) else settled
    began = created.read(order) if isinstance(created, OrderedDate) else created
    return ends is not None and began is not None and ends < began


# Amounts and times ----------------------------------------------------------------------------------------------------


def _amounts(report_format: ReportFormat) -> Callable[[_Cells, str], int]:
    mark, in_rupees = report_format.shape.decimal_mark, report_format.unit == RUPEES

    def amount_from(cells: _Cells, name: str) -> int:
        cell = cells.get(name, "")
        if not cell:
            return 0
        hundredths = _hundredths(cell, mark)
        if hundredths is None or hundredths > HIGHEST or (not in_rupees and hundredths % 100):
            raise UnreadableFacts(f"{name} is not in {report_format.unit}: {cell[:20]!r}")
        return hundredths if in_rupees else hundredths // 100

    return amount_from


def _hundredths(cell: str, mark: str) -> int | None:
    """Return a hundred times a number as it is written with a decimal mark, or None if it is none, or finer than that."""
    found = _NUMBER[mark].fullmatch(cell)
    if found is None or len(found[1]) > 20:
        return None
    fraction = (found[2] or "").rstrip("0")
    if len(fraction) > 2:
        return None
    return int(found[1].replace(",", "").replace(".", "")) * 100 + int(fraction.ljust(2, "0"))


def _times(report_format: ReportFormat) -> Callable[[_Cells, str], datetime | None]:
    def time_from(cells: _Cells, name: str) -> datetime | None:
        cell = cells.get(name, "")
        if not cell:
            return None
        if _UNIX.fullmatch(cell):
            return instant_from(cells, name)
        try:
            return _instant(cell, report_format.date_order)
        except ValueError as failure:
            raise UnreadableFacts(f"{name} is no time: {cell[:20]!r}") from failure

    return time_from


def _instant(cell: str, order: str) -> datetime:
    """
    Return the instant that a cell tells, in India's time unless it names another.

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
        if not 1 <= hours <= 12:
            raise ValueError(cell)
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    at = datetime(on.year, on.month, on.day, hours, int(minute or 0), int(second or 0), tzinfo=_zone(zone))
    if not 2000 <= at.year < 2100:
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
    return int(digits) if len(digits) == 4 else 2000 + int(digits)
