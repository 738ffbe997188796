"""
Reading the settlement reports that Razorpay's dashboard offers, as files.

Three are read: Settlement Recon (27 columns, rupees, the fee without its GST), Combined (the columns of the API, in rupees or
paise) and Settlements (the transfers alone, in rupees). A program may have opened and saved them: encoding, delimiter, decimal
mark and the order of day and month are found out by looking at the whole file once, before any row is taken.
https://razorpay.com/docs/payments/dashboard/reports/list-of-reports/
"""

import csv
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from operator import itemgetter
from typing import IO, Any

from apps.core.clock import IST
from apps.payments.facts import (
    GatewaySettlement,
    SettlementRow,
    UnreadableFacts,
    text_from,
    with_prefix,
)
from apps.settlements.gateways.report_cells import (
    hundredths_from,
    india_day_of,
    instant_from_cell,
    is_serial_time,
    is_unix_time,
    last_mark,
    ordered_date_from,
    without_blanks,
)
from apps.settlements.gateways.report_formats import (
    DATE_ORDERS,
    LINES,
    TRANSFERS,
    FileShape,
    OrderedDate,
    ReportFormat,
    ReportInspection,
    Sample,
)
from apps.settlements.gateways.report_text import encoding_of, lines_of, text_of
from apps.settlements.gateways.report_values import Cells, amounts_of, times_of

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
NAME = "razorpay"
#: An amount in rupees as most are written; once one was seen, the others say nothing new of the marks.
_WITH_FRACTION = re.compile(r"[0-9]+\.[0-9]{2}")
#: This many payments, refunds and settlements of a report are compared with ours to find out its unit.
_MAX_SAMPLES = 10_000
#: This many payments show whether the fee has its GST in it.
_MAX_TAXED = 1_000
_MAX_HEAD_LINES = 20

#: The columns that are read; a report has others, such as notes and the network of a card.
_READ_COLUMNS = _LINE_COLUMNS | _TRANSFER_COLUMNS | {"currency", "settled", "method", "payment_id", "dispute_id"}
_READ_COLUMNS |= {"credit_type", "description"}

_WHICH = "download Reports > Settlement Recon as CSV in Razorpay's dashboard"
_READ = "Settlement Recon, Combined and Settlements"


#: How many digits a group of thousands has.
_GROUP = 3


def inspect_report(stream: IO[bytes]) -> ReportInspection:
    """
    Look at a whole report and return what its rows prove of its format.

    :raises UnreadableFacts: if it is none of the reports that are read; the message says which are, and which to take
    """
    look = _Inspector(_shape(stream))
    with _rows(stream, look.shape) as rows:
        for _, cells in rows:
            look.at(cells)
    return look.result()


def rows_from_report(
    stream: IO[bytes], report_format: ReportFormat, *, read_line: Callable[..., SettlementRow | None]
) -> Generator[SettlementRow | None]:
    """
    Yield the lines of a report one by one, None for one that is not settled; the file is never held as a whole.

    To be closed before the file.

    `read_line` reads a line by the names of the gateway's API, given how to read its amounts and times.

    :raises UnreadableFacts: if a line cannot be parsed; the message has the line's number
    """
    amount_from, time_from = amounts_of(report_format), times_of(report_format)
    with _rows(stream, report_format.shape) as rows:
        for number, cells in rows:
            try:
                row = read_line(
                    cells, amount_from=amount_from, time_from=time_from, is_fee_net=report_format.is_fee_net
                )
            except UnreadableFacts as failure:
                raise UnreadableFacts(f"line {number}: {failure}") from failure
            yield row


def transfers_from_report(stream: IO[bytes], report_format: ReportFormat) -> Generator[GatewaySettlement]:
    """
    Yield the settlements of a report that has none of their lines; to be closed before the file.

    :raises UnreadableFacts: if a settlement cannot be parsed; the message has the line's number
    """
    amount_from, time_from = amounts_of(report_format), times_of(report_format)
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
    """
    Return how a file is written.

    :raises UnreadableFacts: if it is no text, or its columns are those of no report that is read
    """
    try:
        encoding = encoding_of(stream)
    except UnreadableFacts as failure:
        raise UnreadableFacts(f"{failure}; {_WHICH}") from failure
    names: list[str] = []
    with text_of(stream, encoding) as text:
        for line in _head_lines(text):
            for delimiter in _DELIMITERS:
                cells = next(csv.reader([line], delimiter=delimiter), [])
                columns = tuple(_column(cell) for cell in cells)
                names = max(names, list(columns), key=len)
                if _content(columns) is not None:
                    _check_named_once(columns)
                    return FileShape(encoding=encoding, delimiter=delimiter, columns=columns)
    known = {_NAMES.get(name, name) for name in names}
    wanted = _LINE_COLUMNS if known & {"entity_id", "type", "settlement_id"} else frozenset()
    missing = (
        f"these columns are missing: {', '.join(sorted(wanted - known))}"
        if wanted
        else "this file has the columns of none of them"
    )
    raise UnreadableFacts(f"{_READ} are the reports that Bahi reads, and {missing}; {_WHICH}")


def _content(columns: Sequence[str]) -> str | None:
    """Return what the rows of a file are about, by its columns, or None if it is not a supported report."""
    known = {_NAMES.get(column, column) for column in columns}
    if known >= _LINE_COLUMNS:
        return LINES
    return TRANSFERS if known >= _TRANSFER_COLUMNS else None


def _check_named_once(columns: Sequence[str]) -> None:
    """Refuse a file of which two columns have the same meaning: which of them holds the values is not known."""
    named = [_NAMES.get(column, column) for column in columns if column]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise UnreadableFacts(f"these columns are there more than once: {', '.join(twice)}; {_WHICH}")


def _column(cell: str) -> str:
    return re.sub(r"[\s-]+", "_", cell.strip().strip("\ufeff\"'").strip().lower())


def _head_lines(text: IO[str]) -> Iterator[str]:
    """Yield the first lines that have something on them: a program may have put its own before the names of the columns."""
    try:
        for _ in range(_MAX_HEAD_LINES):
            line = text.readline(65_536)
            if not line:
                return
            if line.strip(" \r\n\t,;|"):
                yield line
    except UnicodeError as failure:
        raise UnreadableFacts(f"it is not a CSV file; {_WHICH}") from failure


@contextmanager
def _rows(stream: IO[bytes], shape: FileShape) -> Iterator[Iterator[tuple[int, Cells]]]:
    """Give an iterator of the rows after the names of the columns, with the line that each ends on; blank ones are left out."""
    with text_of(stream, shape.encoding) as text:
        yield _walk(csv.reader(lines_of(text), delimiter=shape.delimiter), shape)


def _walk(reader: Any, shape: FileShape) -> Iterator[tuple[int, Cells]]:
    columns = [_NAMES.get(column, column) for column in shape.columns]
    read = [(place, name) for place, name in enumerate(columns) if name in _READ_COLUMNS]
    pick, names, width = itemgetter(*(place for place, _ in read)), [name for _, name in read], len(columns)
    try:
        for row in reader:
            if tuple(_column(cell) for cell in row) == shape.columns:
                break
        for row in reader:
            if any(map(str.strip, row)):
                whole = row if len(row) >= width else [*row, *[""] * (width - len(row))]
                yield reader.line_num, dict(zip(names, without_blanks(pick(whole)), strict=True))
    except csv.Error as failure:
        raise UnreadableFacts(f"line {reader.line_num}: {failure}") from failure


# The look at all rows -------------------------------------------------------------------------------------------------


class _Inspector:
    """One look at a whole report: what its rows prove."""

    def __init__(self, shape: FileShape) -> None:
        self.shape = shape
        self._content = _content(shape.columns) or LINES
        self._marks: set[str] = set()
        self._has_decimals = self._has_unix = self._has_other_times = False
        self._orders = set(DATE_ORDERS)
        self._example: OrderedDate | None = None
        self._latest = dict.fromkeys(DATE_ORDERS, date.min)
        self._samples: dict[str, tuple[str, OrderedDate | None]] = {}
        self._taxed: list[tuple[str, ...]] = []

    def at(self, cells: Cells) -> None:
        for name in _AMOUNTS:
            cell = cells.get(name)
            if cell and not cell.isdigit():
                self._look_at_amount(cell)
        created, settled = (self._look_at_time(cells.get(name, "")) for name in _TIMES)
        self._compare(created, settled)
        self._keep_samples(cells, created, settled)
        if len(self._taxed) < _MAX_TAXED and cells.get("type", "").lower() == "payment":
            self._taxed.append(tuple(cells.get(name, "") for name in ("amount", "credit", "fee", "tax")))

    def _look_at_amount(self, cell: str) -> None:
        if self._has_decimals and "." in self._marks and _WITH_FRACTION.fullmatch(cell):
            return
        whole, mark, rest = last_mark(cell)
        if mark and whole and rest.isdigit():
            if len(rest) != _GROUP or (mark == "." and len(whole) > _GROUP and whole.isdigit()):
                # Three digits may be a group of thousands; anything else is a fraction.
                self._marks.add(mark)
                self._has_decimals = True
            elif mark == "." and "," not in whole:
                self._marks.add("?")

    def _look_at_time(self, cell: str) -> OrderedDate | date | None:
        if not cell:
            return None
        if is_unix_time(cell):
            self._has_unix = True
            return india_day_of(int(cell))
        self._has_other_times = True
        ordered = ordered_date_from(cell)
        if ordered is None:
            if is_serial_time(cell):
                raise UnreadableFacts(
                    f"a spreadsheet program has turned the time {cell[:12]} into a number and may have swapped day and month;"
                    " download the report again and import it unchanged"
                )
            try:
                read = instant_from_cell(cell, DATE_ORDERS[0])
            except ValueError:
                return None
            return read.astimezone(IST).date()
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
        self, cells: Cells, created: OrderedDate | date | None, settled: OrderedDate | date | None
    ) -> None:
        if len(self._samples) >= _MAX_SAMPLES:
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
            is_fee_net=self._is_fee_net(shape),
            is_rupee_layout="transaction_entity" in shape.columns or bool(_NET_FEE & set(shape.columns)),
            has_decimals=self._has_decimals,
            has_unix_times=self._has_unix and not self._has_other_times,
            orders=frozenset(self._orders),
            example=self._example,
            latest=self._latest,
            samples=tuple(
                Sample(key, hundredths_from(amount, shape.decimal_mark), at)
                for key, (amount, at) in self._samples.items()
            ),
        )

    def _is_fee_net(self, shape: FileShape) -> bool:
        """Test if the fee excludes its GST: by the credits of payments, else by the name of the column."""
        votes = {True: 0, False: 0}
        for cells in self._taxed:
            amount, credit, fee, tax = (hundredths_from(cell, shape.decimal_mark) for cell in cells)
            if amount is not None and credit is not None and fee and tax:
                votes[True] += credit == amount - fee - tax
                votes[False] += credit == amount - fee
        if votes[True] == votes[False]:
            return bool(_NET_FEE & set(shape.columns))
        return votes[True] > votes[False]

    def _with_decimal_mark(self) -> FileShape:
        marks = self._marks - {"?"}
        if len(marks) > 1 or (self._marks == {"?"}):
            raise UnreadableFacts(f"its amounts use point and comma in more than one way; {_WHICH}")
        mark = marks.pop() if marks else "."
        return FileShape(self.shape.encoding, self.shape.delimiter, self.shape.columns, mark)


def _is_before(settled: OrderedDate | date, created: OrderedDate | date, order: str) -> bool:
    ends = settled.read(order) if isinstance(settled, OrderedDate) else settled
    began = created.read(order) if isinstance(created, OrderedDate) else created
    return ends is not None and began is not None and ends < began
