"""
The gateway's transfers and the bank's statements by the model.

Only a line of a statement says that money is in the bank. Each line is booked once; what nothing explains is in suspense.
"""

from collections import Counter
from dataclasses import dataclass

from tests.model.books import Books


@dataclass
class Transfer:
    """What a settlement brings to our bank, by its UTR."""

    amount: int
    status: str = "in_transit"


class Bank:
    """What the gateway transfers, and what the bank's statement says of it."""

    books: Books

    def __init__(self) -> None:
        self.transfers: dict[str, Transfer] = {}
        self._lines: set[str] = set()
        self._unknown: list[tuple[str, str, int]] = []
        self._shown: Counter[str] = Counter()
        self._again = 0

    def settle(self, utr: str, *, credited: int, debited: int, fees: int, tax_on_fees: int) -> None:
        """The gateway transfers what it holds less its fees, `fees` without tax; a line that came before is explained."""
        transfer = self.transfers[utr] = Transfer(credited - debited - fees - tax_on_fees)
        self.books.settle(utr, credited=credited, debited=debited, fees=fees, tax_on_fees=tax_on_fees)
        for line, named, amount in self._unknown:
            if (named, amount, transfer.status) == (utr, transfer.amount, "in_transit"):
                self.books.explain(line, amount)
                transfer.status = "banked"

    def fail_transfer(self, utr: str) -> None:
        """The gateway owes it again; what the bank has received stays received, whatever the gateway says."""
        self._move_transfer(self.transfers[utr], "in_transit", "failed", sign=1)

    def repeat_transfer(self, utr: str) -> None:
        self._move_transfer(self.transfers[utr], "failed", "in_transit", sign=-1)

    def _move_transfer(self, transfer: Transfer, source: str, status: str, *, sign: int) -> None:
        if transfer.status == source:
            transfer.status = status
            self._again += 1
            self.books.return_transfer(self._again, sign * transfer.amount)

    def read_credit(self, line: str, amount: int, utr: str) -> None:
        """Only a transfer that is on its way, of exactly this amount, is in the bank by a line with its UTR."""
        if not self._is_new(line):
            return
        transfer = self.transfers.get(utr)
        if transfer is not None and (transfer.status, transfer.amount) == ("in_transit", amount):
            transfer.status = "banked"
            self.books.bank(line, amount)
            return
        self.books.suspend(line, amount)
        if transfer is None:
            self._unknown.append((line, utr, amount))

    def read_charge(self, line: str, amount: int, tax: int) -> None:
        if self._is_new(line):
            self.books.charge(line, amount, tax)

    def read_refund(self, line: str, amount: int, refund: str) -> None:
        """The first debit of a refund by bank transfer was booked when staff confirmed it; another one is unexplained."""
        if self._is_new(line):
            self._shown[refund] += 1
            if self._shown[refund] > 1:
                self.books.suspend(line, -amount)

    def _is_new(self, line: str) -> bool:
        is_new = line not in self._lines
        self._lines.add(line)
        return is_new
