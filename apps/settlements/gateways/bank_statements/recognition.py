"""
Which layout a bank's statement has, and whether it agrees with itself: looked at as a whole before any line is taken.

What is ambiguous or contradicts itself is refused. Memory does not grow with the file, which is read twice.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import IO

from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.bank_statements.camt053 import is_xml, read_camt053
from apps.settlements.gateways.bank_statements.csv_files import CsvStatement
from apps.settlements.gateways.bank_statements.facts import BankFact, StatementAccount, StatementBalance, StatementItem
from apps.settlements.gateways.bank_statements.layouts import CsvLayout, read_mapping
from apps.settlements.gateways.bank_statements.mt940 import is_mt940, read_mt940
from apps.settlements.gateways.report_text import DAMAGED, encoding_of, lines_of, text_of

_START = 4_096
#: How much of an account's number distinguishes it from others, and how long one is at most (an IBAN).
_SHORTEST_END, _LONGEST_NUMBER = 4, 34


@dataclass(frozen=True)
class Inspection:
    """What one look at a whole file says: layout, account, how many lines of which days, and its closing balance."""

    layout: str
    account: str
    lines: int
    first_on: date | None
    last_on: date | None
    closing_balance: int | None


def inspect_statement(stream: IO[bytes], *, account: str, mapping: bytes | None, today: date) -> Inspection:
    """
    Look at all of a file; `account` is what the user says, or empty, and `mapping` the content of a mapping file.

    :raises UnreadableFacts: if it is no statement, is ambiguous, or contradicts itself, the account or the calendar
    """
    layout, items = _open(stream, mapping)
    check = _Check(account)
    with closing(items):
        for item in items:
            check.take(item, today=today)
    check.end()
    return Inspection(layout, check.account, check.lines, check.first_on, check.last_on, check.closing_balance)


def read_lines(stream: IO[bytes], *, mapping: bytes | None) -> Generator[BankFact]:
    """
    Yield the lines of a file that was inspected, in its order; to be closed before the file.

    Where the file has an opening balance, each line has the balance after it: equal lines of one day are distinguished by it.
    """
    _, items = _open(stream, mapping)
    running: int | None = None
    with closing(items):
        for item in items:
            if isinstance(item, StatementBalance):
                running = item.amount
            elif isinstance(item, BankFact):
                running = None if running is None else running + item.amount
                yield item if running is None else item._replace(balance=running)


def _open(stream: IO[bytes], mapping: bytes | None) -> tuple[str, Generator[StatementItem]]:
    stream.seek(0)
    if is_xml(stream.read(_START).decode("utf-8", "replace").replace("\x00", "")):
        return "camt.053", read_camt053(stream)
    encoding = encoding_of(stream)
    try:
        with text_of(stream, encoding) as text:
            start = text.read(_START)
    except UnicodeError as failure:
        raise UnreadableFacts(DAMAGED) from failure
    if is_mt940(start):
        return "MT940", _read_mt940(stream, encoding)
    statement = CsvStatement(stream, encoding, _read_mapping(mapping))
    _decide(statement)
    return statement.name, statement.read()


def _read_mapping(mapping: bytes | None) -> CsvLayout | None:
    return read_mapping(mapping) if mapping is not None else None


def _read_mt940(stream: IO[bytes], encoding: str) -> Generator[StatementItem]:
    with text_of(stream, encoding) as text:
        yield from read_mt940(lines_of(text))


def _decide(statement: CsvStatement) -> None:
    """Decide by the whole file what the layout leaves open, or refuse it."""
    orders = statement.find_date_orders()
    if len(orders) != 1:
        raise UnreadableFacts(
            "all its dates can be read with the day first and with the month first: set date_order in the mapping file to"
            " day-first or month-first"
            if orders
            else "no date order fits all of its dates"
        )
    statement.order = orders[0]
    unsigned = statement.find_unsigned_row()
    if unsigned is not None:
        raise UnreadableFacts(
            f"nothing says whether the amount of row {unsigned} is a debit or a credit: in the mapping file name a column direction,"
            " or two columns debit and credit"
        )


class _Check:
    """Holds the lines of a file against its balances, its dates against the calendar, its account against the user's."""

    def __init__(self, account: str) -> None:
        self.account = _digits(account)
        self.lines = 0
        self.first_on: date | None = None
        self.last_on: date | None = None
        self.closing_balance: int | None = None
        self._running: int | None = None
        self._is_open = False
        self._last: BankFact | None = None
        self._rising = self._falling = True

    def take(self, item: StatementItem, *, today: date) -> None:
        if isinstance(item, StatementAccount):
            self._take_account(item.number)
        elif isinstance(item, StatementBalance):
            self._take_balance(item)
        else:
            self._take_line(item, today=today)

    def end(self) -> None:
        if self._is_open:
            raise UnreadableFacts("its closing balance is missing: the file is cut off. Download it again")
        if self._running is not None and not self._rising:
            raise UnreadableFacts(
                "its newest line comes first, so that its opening balance does not belong to its first line"
            )
        if not self.account:
            raise UnreadableFacts("it does not name its account: give the account's number with --account")
        if not _SHORTEST_END <= len(self.account) <= _LONGEST_NUMBER:
            raise UnreadableFacts(
                f"the account's number has {len(self.account)} characters: give at least its last {_SHORTEST_END}, and at most"
                f" {_LONGEST_NUMBER}"
            )

    def _take_account(self, number: str) -> None:
        found = _digits(number)
        if not found or not self.account:
            self.account = self.account or found
            return
        shorter, longer = sorted((self.account, found), key=len)
        if len(shorter) < _SHORTEST_END or not longer.endswith(shorter):
            raise UnreadableFacts(
                "it is of another account than was given, or of several; import each account by itself"
            )
        self.account = longer if len(_digits(number)) <= len(self.account) else self.account

    def _take_balance(self, item: StatementBalance) -> None:
        if item.is_opening:
            if self._is_open:
                raise UnreadableFacts(
                    "a closing balance is missing: the file is cut off, or was changed. Download it again"
                )
            self._is_open = True
            if self._running is not None and self._running != item.amount:
                raise UnreadableFacts("an opening balance is not the closing balance before it: a page is missing")
            self._running = item.amount
            return
        self._is_open = False
        if self._running is not None and self._running != item.amount:
            raise UnreadableFacts("its lines and its opening balance do not add up to its closing balance")
        self._running = self.closing_balance = item.amount

    def _take_line(self, line: BankFact, *, today: date) -> None:
        if line.booked_on > today:
            raise UnreadableFacts(f"row {line.row} is of a day that has not come yet")
        last = self._last
        if last is not None:
            self._rising &= line.booked_on >= last.booked_on
            self._falling &= line.booked_on <= last.booked_on
            if not (self._rising or self._falling):
                raise UnreadableFacts(f"row {line.row} is not in the order of the days")
            self._compare(last, line)
        if self._running is not None:
            self._running += line.amount
        self.lines += 1
        self.first_on = min(self.first_on or line.booked_on, line.booked_on)
        self.last_on = max(self.last_on or line.booked_on, line.booked_on)
        if line.balance is not None and (self._rising or last is None):
            self.closing_balance = line.balance
        self._last = line

    def _compare(self, last: BankFact, line: BankFact) -> None:
        """Hold running balances against each other: the oldest or the newest line comes first, throughout."""
        if last.balance is None or line.balance is None:
            return
        self._rising &= line.balance == last.balance + line.amount
        self._falling &= last.balance == line.balance + last.amount
        if not (self._rising or self._falling):
            raise UnreadableFacts(
                f"the balance of row {line.row} is not that of the line before it and its own amount: lines are missing or were"
                " changed. Download the statement again"
            )


def _digits(number: str) -> str:
    """Return the digits of an account's number that are not masked: of a masked one those at its end."""
    return "".join(character for character in number if character.isalnum()).lstrip("xX").upper()
