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
from apps.settlements.gateways.report_text import text_of

#: A header stands in one of the first rows, below the bank's words about the account.
_MAX_PREAMBLE = 60
_DELIMITERS = (",", ";", "\t", "|")
_ACCOUNT = re.compile(r"account\s*(?:no|number)\b[^0-9xX*]{0,12}([0-9xX*]{4,34})", re.IGNORECASE)
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
            start = list(itertools.islice(text, _MAX_PREAMBLE))
        nearest: frozenset[str] = frozenset()
        for delimiter in _DELIMITERS:
            for row, cells in enumerate(csv.reader(start, delimiter=delimiter)):
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
        """Yield row number and cells of each line; below the last one may be words, and then no further line."""
        ended_at = 0
        with text_of(self._stream, self._encoding) as text:
            reader = csv.reader(text, delimiter=self._delimiter)
            try:
                for cells in itertools.islice(reader, self._row + 1, None):
                    row = reader.line_num
                    first = next((cell.strip() for cell in cells if cell.strip()), "")
                    values = {name: cells[at].strip() if at < len(cells) else "" for name, at in self._header.items()}
                    if not first or not first.strip("*- "):
                        continue
                    if not re.search(r"[0-9]", first):
                        ended_at = ended_at or row
                    elif not ended_at:
                        yield row, values
                    elif _is_date(values[self.layout.date], self.layout.date_order):
                        raise UnreadableFacts(f"row {row} is a line, but row {ended_at} above it is not")
            except csv.Error as failure:
                raise UnreadableFacts(f"row {reader.line_num} is not CSV") from failure

    def _line(self, row: int, cells: dict[str, str]) -> BankFact:
        layout = self.layout
        balance = cells[layout.balance] if layout.balance else ""
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

    def has_signs(self) -> bool:
        """Test if the amounts say whether they are debits or credits, or the balances do."""
        layout = self.layout
        if not layout.amount or layout.direction or layout.balance:
            return True
        return any(re.search(r"-|\(|[CcDd][Rr]", cells[layout.amount]) for _, cells in self._rows())

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


def _is_date(cell: str, order: str | None) -> bool:
    try:
        instant_from_cell(cell, order or DATE_ORDERS[0])
    except ValueError:
        return False
    return True
