"""The gateway's settlements of a generated shop: one on each day, of what was paid and refunded two days before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from devtools.generate import calendar
from devtools.generate.copies import Values
from devtools.generate.identifiers import base_of, hyphenated, mix
from devtools.generate.patterns import FRACTION, FRACTION_MS
from devtools.generate.snapshots import Row
from devtools.generate.templates import SettledLine

#: Money is settled on the second day after it moved.
_DAYS: Final = 2
_AT_SECOND: Final = 11 * 3600
#: What the columns of a settlement, its import and its line of the bank's statement follow from.
_COLUMNS: Final = {
    "settlements_settlement": {
        "amount": "bank", "lines_amount": "bank", "fee_amount": "fee", "tax_amount": "tax", "line_count": "count",
    },
    "settlements_settlementimport": {"rows_read": "count", "lines_added": "count"},
    "settlements_bankline": {"amount": "bank", "balance": "bank"},
    "settlements_bankstatementimport": {"closing_balance": "bank"},
}  # fmt: skip
_ACCOUNTS: Final = {
    "settlement_in_transit": "bank", "bank": "bank", "gateway_fees": "fee_net", "input_gst": "tax",
    "gateway_receivable": "cleared",
}  # fmt: skip


def open_amounts(table: str, row: Row) -> Row:
    """Leave open in a row of a settlement what follows from its lines."""
    if table == "ledger_ledgerentry":
        sign = "-" if row["amount"].startswith("-") else ""
        return {**row, "amount": f"{sign}%({_ACCOUNTS[row['account_id'].partition(':')[0]]})s"}
    if table == "core_event":
        columns = _COLUMNS.get(row["subject_type"].replace(".", "_"), {})
        changes = row["changes"]
        for column, hole in columns.items():
            changes = re.sub(rf'"{column}": [1-9][0-9]*', f'"{column}": %({hole})s', changes)
        return {**row, "changes": changes}
    return {**row, **{column: f"%({hole})s" for column, hole in _COLUMNS.get(table, {}).items()}}


@dataclass
class Totals:
    """What the lines of one settlement add up to, in paise, and how many they are."""

    cleared: int = 0
    bank: int = 0
    fee: int = 0
    tax: int = 0
    count: int = 0

    def add(self, line: SettledLine) -> None:
        """Add a line."""
        self.cleared += line.cleared
        self.bank += line.bank
        self.fee += line.fee
        self.tax += line.tax
        self.count += 1

    def amount_of(self, account: str, played: int) -> int:
        """Return the amount (paise) that an entry on an account has, whose sign is that of the played one."""
        amounts = {"bank": self.bank, "fee_net": self.fee - self.tax, "tax": self.tax, "cleared": self.cleared}
        amount = amounts[_ACCOUNTS[account.partition(":")[0]]]
        return amount if played > 0 else -amount

    def fill(self, values: Values) -> None:
        """Add the values of the holes that `open_amounts` left."""
        values |= {
            "cleared": str(self.cleared), "bank": str(self.bank), "fee": str(self.fee), "tax": str(self.tax),
            "fee_net": str(self.fee - self.tax), "count": str(self.count),
        }  # fmt: skip


class Settlements:
    """
    The settlements by the day on which they are made, of which each has two ids that every line names.

    :param until: the second after which nothing happens
    :param ids: the bases of the ids of a settlement and of its import in the template
    :param begin: the second at which the template's settlement was made
    """

    def __init__(self, *, until: int, seed: int, ids: tuple[int, int], begin: int) -> None:
        self.totals: dict[int, Totals] = {}
        self._until, self._seed, self._ids, self._begin = until, seed, ids, begin
        self._shared: dict[int, Values] = {}

    def second_of(self, day: int) -> int:
        """Return the second at which the settlement of a day is made."""
        return calendar.start_of_day(day) + _AT_SECOND

    def bits_of(self, day: int) -> int:
        """Return the free bits of the ids of its rows."""
        return mix(self._seed, "settlement", day)

    def can_add(self, line: SettledLine, *, at: int) -> bool:
        """Test if the settlement stays a transfer to us: a gateway takes a refund out of money that it owes, or takes it later."""
        day = calendar.day_number(at) + _DAYS
        return line.bank > 0 or self.totals.get(day, Totals()).bank + line.bank > 0

    def add(self, line: SettledLine, *, at: int) -> int | None:
        """Add a line of money that moved at a second, and return the day of its settlement, or None if there is none yet."""
        day = calendar.day_number(at) + _DAYS
        if self.second_of(day) > self._until:
            return None
        self.totals.setdefault(day, Totals()).add(line)
        return day

    def fill_line(self, values: Values, *, day: int, bits: int, place: int) -> None:
        """Add the values of the holes of a line: its own id, its settlement, and when that was made."""
        shared = self._shared.get(day) or self._shared.setdefault(day, self._fill_day(day))
        values |= shared
        values["line_id"] = f"{base_of(self.second_of(day) * 1000 + FRACTION_MS, place) + bits:032x}"

    def _fill_day(self, day: int) -> Values:
        add = ((self.second_of(day) - self._begin) * 1000 << 80) + self.bits_of(day)
        settlement, report = (hyphenated(base + add) for base in self._ids)
        at = f"{calendar.instant(self.second_of(day))}{FRACTION}+00"
        return {"settlement_id": settlement, "report_id": report, "settled_at": at}
