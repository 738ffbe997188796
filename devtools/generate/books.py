"""What a generated shop counts over all orders: numbers of documents, entries of the ledger, balances, and units of stock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from devtools.generate import calendar
from devtools.generate.copies import Values
from devtools.generate.patterns import FRACTION
from devtools.generate.snapshots import Row
from devtools.generate.templates import Document, Posting


@dataclass
class Series:
    """A series of document numbers of one type in one financial year, and the second at which it last gave one."""

    id: int
    type: str
    prefix: str
    year: str
    path: str
    last: int = 0
    last_second: int = 0

    def number(self, sequence: int) -> str:
        """Return a number of the series."""
        return f"{self.prefix}{self.year[2:4]}{sequence:07d}"


class Numbers:
    """
    The numbers of documents, in order of time and without a gap.

    :param run: what the directory of their files is called, apart from those of other generated shops
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self.series: dict[tuple[str, str], Series] = {}

    def take(self, document: Document, values: Values, *, at: int) -> None:
        """Give a document of a second the next number of its series, and add the values of its holes."""
        day, place = calendar.day_number(at), document.place
        year = calendar.year_of(day)
        series = self.series.get((document.type, year))
        if series is None:
            series = Series(len(self.series) + 1, document.type, document.prefix, year, document.path)
            self.series[document.type, year] = series
        series.last += 1
        series.last_second = at
        values["run"] = self._run
        values[f"no{place}"] = series.number(series.last)
        values[f"sq{place}"] = str(series.last)
        values[f"series{place}"] = str(series.id)
        values[f"fy{place}"] = year
        values[f"date{place}"] = calendar.iso_day(day)

    def paths(self) -> Iterable[str]:
        """Return the paths of the files of all documents."""
        for each in self.series.values():
            for sequence in range(1, each.last + 1):
                yield each.path.format(run=self._run, year=each.year, number=each.number(sequence))

    def rows(self, registration: str) -> Iterable[Row]:
        """Return the rows of the series."""
        for each in self.series.values():
            yield {
                "id": str(each.id), "registration_id": registration, "document_type": each.type, "financial_year": each.year,
                "prefix": each.prefix, "last_number": str(each.last),
                "last_issued_at": f"{calendar.instant(each.last_second)}{FRACTION}+00",
            }  # fmt: skip


class Books:
    """The ledger: its entries are numbered in order of time, and its balances are written down every night."""

    def __init__(self) -> None:
        self.entries = self.checkpoints = 0
        self._balances: dict[str, int] = defaultdict(int)
        self._last: dict[str, int] = {}
        self._checked: dict[str, int] = {}

    def post(self, posting: Posting, values: Values) -> None:
        """Give the entries of a posting their numbers."""
        for hole, account, amount in posting.entries:
            self.enter(hole, account, amount, values)

    def enter(self, hole: str, account: str, amount: int, values: Values) -> None:
        """Give one entry its number."""
        self.entries += 1
        values[hole] = str(self.entries)
        self._balances[account] += amount
        self._last[account] = self.entries

    def check(self, second: int) -> Iterable[Row]:
        """Return the checkpoints of the accounts that have moved since their last, as of a second."""
        for account, last in self._last.items():
            if self._checked.get(account) == last:
                continue
            self._checked[account] = last
            self.checkpoints += 1
            yield {
                "id": str(self.checkpoints), "account_id": account, "currency": "INR", "last_entry_id": str(last),
                "balance": str(self._balances[account]), "taken_at": f"{calendar.instant(second)}{FRACTION}+00",
            }  # fmt: skip


class Stock:
    """The units that orders took of each product, in thousandths: by the place of its kind and its number."""

    def __init__(self) -> None:
        self._moved: dict[tuple[int, int], tuple[int, int]] = {}

    def take(self, kind: int, number: int, moved: tuple[int, int]) -> None:
        """Add what an order dispatched and what it still reserves."""
        gone, held = self._moved.get((kind, number), (0, 0))
        self._moved[kind, number] = (gone + moved[0], held + moved[1])

    def taken(self, kind: int, number: int) -> tuple[int, int]:
        """Return what was dispatched and what is still reserved."""
        return self._moved.get((kind, number), (0, 0))
