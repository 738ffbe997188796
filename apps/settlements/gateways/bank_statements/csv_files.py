"""Reads CSV statements of banks, as a stream: by the layout whose columns the header has, or by a mapping file."""

import csv
import itertools
import re
from collections.abc import Collection, Generator, Iterator
from datetime import date
from typing import IO

from apps.core import clock
from apps.payments.facts import HIGHEST, UnreadableFacts
from apps.settlements.gateways.bank_statements.facts import BankFact, StatementAccount, StatementItem
from apps.settlements.gateways.bank_statements.layouts import LAYOUTS, CsvLayout, normalise
from apps.settlements.gateways.report_cells import hundredths_from, instant_from_cell, ordered_date_from
from apps.settlements.gateways.report_formats import DATE_ORDERS
from apps.settlements.gateways.report_text import lines_of, text_of

#: A header stands in one of the first rows, below the bank's words about the account.
_MAX_PREAMBLE = 60
_DELIMITERS = (",", ";", "\t", "|")
_ACCOUNT = re.compile(r"account\s*(?:no|number)\b[^0-9xX*]{0,12}([0-9xX*]{4,34})", re.IGNORECASE)
#: Words of rows below the lines that have amounts and are no line.
_SUM = re.compile(r"\b(?:total|sum|summary|balance|opening|closing|count|brought|carried|b/f|c/f)\b", re.IGNORECASE)
_NOTHING = frozenset({"", "-", "0", "0.0", "0.00"})
_SIGNED = re.compile(r"(-|\()?\s*(.*?)\)?\s*(Cr|Dr)?\.?", re.IGNORECASE | re.DOTALL)
_CREDIT, _DEBIT = frozenset({"c", "cr", "credit"}), frozenset({"d", "dr", "debit"})


class CsvStatement:
    """One CSV file with its layout; `order` is the date order, once it is known."""

    def __init__(self, stream: IO[bytes], encoding: str, mapping: CsvLayout | None) -> None:
        self._stream, self._encoding = stream, encoding
        self.layout, self._header, self._row, self._delimiter, self._account = self._find_header(mapping)
        self.order = self.layout.date_order

    @property
    def name(self) -> str:
        return f"{self.layout.name} CSV"

    def find_date_orders(self) -> tuple[str, ...]:
        """Return the date orders that all dates of the file allow, of which the layout's own is the only one if it has one."""
        if self.layout.date_order:
            return (self.layout.date_order,)
        orders, is_ordered = set(DATE_ORDERS), False
        for _, cells in self._rows():
            found = ordered_date_from(cells[self.layout.date])
            if found is not None:
                is_ordered = True
                orders = {order for order in orders if found.read(order) is not None}
        return tuple(order for order in DATE_ORDERS if order in orders) if is_ordered else DATE_ORDERS[:1]

    def read(self) -> Generator[StatementItem]:
        """
        Yield the account, if the file names it, and the lines.

        :raises UnreadableFacts: if a row cannot be read
        """
        if self._account:
            yield StatementAccount(self._account)
        for row, cells in self._rows():
            yield self._line(row, cells)

    def _find_header(self, mapping: CsvLayout | None) -> tuple[CsvLayout, dict[str, int], int, str, str]:
        candidates = (mapping,) if mapping else LAYOUTS
        with text_of(self._stream, self._encoding) as text:
            start = list(itertools.islice(lines_of(text), _MAX_PREAMBLE))
        nearest: frozenset[str] = frozenset()
        for delimiter in _DELIMITERS:
            for row, cells in enumerate(_read_head(start, delimiter)):
                names = {normalise(cell): place for place, cell in reversed(list(enumerate(cells)))}
                fitting = [one for one in candidates if one.columns <= names.keys()]
                if len(fitting) == 1:
                    account = _ACCOUNT.search(" ".join(start[:row]))
                    number = account[1] if account else fitting[0].account
                    return fitting[0], names, row, delimiter, number
                if mapping:
                    nearest = max(nearest, mapping.columns & names.keys(), key=len)
        raise UnreadableFacts(
            _describe_missing(mapping, nearest)
            if mapping
            else "it has no header of a statement of HDFC, ICICI, SBI or Axis. Say with a mapping file which column is which"
        )

    def _rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """
        Yield row number and cells of each line: of a row with a date. Below the last one may be words, and then no further line.

        A row without a date that has an amount is refused, unless it or a row above it says that sums or balances are shown.
        """
        ended_at, lines, last, is_summary = 0, 0, "", False
        width = max((at for name, at in self._header.items() if name), default=0) + 1
        with text_of(self._stream, self._encoding) as text:
            written = _Written(lines_of(text))
            reader = csv.reader(written, delimiter=self._delimiter)
            try:
                for cells in itertools.islice(reader, self._row + 1, None):
                    row, last = reader.line_num, ""
                    if not "".join(cells).strip("*- "):
                        continue
                    values = {name: cells[at].strip() if at < len(cells) else "" for name, at in self._header.items()}
                    on = values[self.layout.date]
                    if not _is_like_date(on) and (ended_at or not on[:1].isdigit()):
                        is_summary = is_summary or bool(_SUM.search(" ".join(cells)))
                        if not is_summary and self._has_amount(values):
                            raise UnreadableFacts(f"row {row} has an amount, but {on[:20]!r} is not a date")
                        ended_at = ended_at or row
                        continue
                    if ended_at:
                        raise UnreadableFacts(f"row {row} is a line, but row {ended_at} above it is not")
                    if len(cells) < width:
                        raise UnreadableFacts(
                            f"row {row} ends before its last column: the file is cut off. Download it again"
                        )
                    lines, last = lines + 1, written.last
                    yield row, values
            except csv.Error as failure:
                raise UnreadableFacts(f"row {reader.line_num} is not CSV") from failure
        if last and not last.endswith(("\n", "\r")) and not (self._has_vouched_end and lines > 1):
            raise UnreadableFacts(
                "its last line has no end, and no balance shows whether it is whole: the file may be cut off. Download it again, or"
                " add an empty line if nothing is missing"
            )

    @property
    def _has_vouched_end(self) -> bool:
        """Whether a balance stands behind each amount, so that a last line that is cut off contradicts the line before it."""
        layout, at = self.layout, self._header
        named = [at[name] for name in (layout.debit, layout.credit, layout.amount, layout.direction) if name]
        return bool(layout.balance) and at[layout.balance] > max(named)

    def _has_amount(self, cells: dict[str, str]) -> bool:
        layout = self.layout
        found = (cells[name] for name in (layout.debit, layout.credit, layout.amount) if name)
        return any(cell not in _NOTHING and re.search(r"[0-9]", cell) for cell in found)

    def _line(self, row: int, cells: dict[str, str]) -> BankFact:
        layout = self.layout
        balance = cells[layout.balance] if layout.balance else ""
        if layout.balance and not balance:
            raise UnreadableFacts(
                f"row {row} has no balance: the file is cut off, or was changed. Download it again; if not every line of this bank has"
                " a balance, leave balance out of the mapping file"
            )
        reference = cells[layout.reference] if layout.reference else ""
        return BankFact(
            row,
            self._date(row, cells[layout.date]),
            self._amount(row, cells),
            reference.strip("'")[:80] if reference.strip("'0- ") else "",
            " ".join(cells[layout.description].split())[:400],
            self._signed(row, balance) if balance else None,
        )

    def _date(self, row: int, cell: str) -> date:
        try:
            return clock.ist_date(instant_from_cell(cell, self.order or DATE_ORDERS[0]))
        except ValueError as failure:
            raise UnreadableFacts(f"row {row}: {cell[:20]!r} is not a date") from failure

    def _amount(self, row: int, cells: dict[str, str]) -> int:
        layout = self.layout
        if layout.amount:
            return self._signed_amount(row, cells)
        debit, credit = cells[layout.debit], cells[layout.credit]
        if (debit in _NOTHING) == (credit in _NOTHING):
            raise UnreadableFacts(f"row {row} has not exactly one of a debit and a credit")
        return self._paise(row, credit) if debit in _NOTHING else -self._paise(row, debit)

    def _signed_amount(self, row: int, cells: dict[str, str]) -> int:
        layout = self.layout
        if not layout.direction:
            return self._signed(row, cells[layout.amount])
        direction = cells[layout.direction].lower().strip(". ")
        if direction not in _CREDIT | _DEBIT:
            raise UnreadableFacts(f"row {row}: {direction[:20]!r} is neither a debit nor a credit")
        return self._paise(row, cells[layout.amount]) * (1 if direction in _CREDIT else -1)

    def find_unsigned_row(self) -> int | None:
        """
        Return a row whose amount does not say whether it is a debit or a credit, or None.

        A file marks its debits alone (by a minus sign, brackets or Dr), or both: an amount without a mark is a credit only in the
        former. Balances do not decide it, because nothing stands before the first one.
        """
        layout = self.layout
        if not layout.amount or layout.direction:
            return None
        first = unmarked = None
        has_debits = has_credits = False
        for row, cells in self._rows():
            first = first or row
            if re.search(r"cr\b", cells[layout.amount], re.IGNORECASE):
                has_credits = True
            elif re.search(r"-|\(|dr\b", cells[layout.amount], re.IGNORECASE):
                has_debits = True
            else:
                unmarked = unmarked or row
        return unmarked if has_credits or not has_debits else None

    def _signed(self, row: int, cell: str) -> int:
        found = _SIGNED.fullmatch(cell.strip())
        if found is None or (found[1] and found[3]):
            raise UnreadableFacts(f"row {row}: {cell[:20]!r} is not an amount")
        is_negative = bool(found[1]) or (found[3] or "").lower() == "dr"
        return self._paise(row, found[2]) * (-1 if is_negative else 1)

    def _paise(self, row: int, cell: str) -> int:
        amount = hundredths_from(cell.strip(), self.layout.decimal)
        if amount is None or amount > HIGHEST:
            raise UnreadableFacts(f"row {row}: {cell[:20]!r} is not an amount in rupees")
        return amount


def _describe_missing(mapping: CsvLayout, nearest: Collection[str]) -> str:
    """Return which columns a mapping file names, and which of them are in no row; `nearest` are those of the row that has most."""
    missing = sorted(mapping.columns - set(nearest))
    columns = "the columns that the mapping file names are " + ", ".join(sorted(mapping.columns))
    return f"{columns}, and no row of the file's first {_MAX_PREAMBLE} has all of them; missing: {', '.join(missing)}"


def _is_like_date(cell: str) -> bool:
    """Test if a cell is a date in any order, or written like one."""
    if ordered_date_from(cell) is not None:
        return True
    try:
        instant_from_cell(cell, DATE_ORDERS[0])
    except ValueError:
        return False
    return True


def _read_head(start: list[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the first rows, up to one that cannot be parsed: with another delimiter it may be."""
    try:
        yield from csv.reader(start, delimiter=delimiter)
    except csv.Error:
        return


class _Written:
    """The lines of a file as they are written; `last` is the one that was read last."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._lines)
        return self.last
