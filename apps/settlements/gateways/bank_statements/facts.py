"""What a bank's statement says: its lines, its balances and its account. Amounts in paise, credits positive."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple


class BankFact(NamedTuple):
    """One line of a statement; `row` is where it stands in the file, `balance` the balance after it if the file has it."""

    row: int
    booked_on: date
    amount: int
    reference: str
    description: str
    balance: int | None


@dataclass(frozen=True)
class StatementBalance:
    """An opening or closing balance of a statement or of one of its pages."""

    is_opening: bool
    amount: int


@dataclass(frozen=True)
class StatementAccount:
    """The number of the account that a file names; some banks mask all but its end."""

    number: str


#: What a reader of a file yields, in the order of the file; a closing balance comes after the lines that it closes.
StatementItem = BankFact | StatementBalance | StatementAccount
