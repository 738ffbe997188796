"""
Reads MT940, the statement of SWIFT, as a stream: Indian banks offer it to companies.

Dates are YYMMDD and amounts have a decimal comma, so that nothing of it is ambiguous. A tag that MT940 does not know
is refused. The layout is that of the SWIFT User Handbook, category 9: tags 20, 25, 28C, 60, 61, 86, 62, 64, 65.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date

from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.bank_statements.facts import BankFact, StatementAccount, StatementBalance, StatementItem

_TAG = re.compile(r":([0-9]{2}[A-Z]?):(.*)")
_LINE = re.compile(r"([0-9]{6})(?:[0-9]{4})?(R?[CD])[A-Z]?([0-9]{1,15},[0-9]{0,2})[A-Z][A-Z0-9]{3}([^/]*)(?://(.*))?")
_BALANCE = re.compile(r"([CD])([0-9]{6})([A-Z]{3})([0-9]{1,15},[0-9]{0,2})")
_BALANCES = frozenset({"60F", "60M", "62F", "62M"})
_IGNORED = frozenset({"20", "21", "28", "28C", "64", "65", "13D", "34F"})
_START = re.compile(r"^(?:\{1:|:20:)", re.MULTILINE)
_NO_REFERENCE = "NONREF"
_CREDITS = ("C", "RD")


def is_mt940(start: str) -> bool:
    """Test if the first characters of a file are those of an MT940 statement."""
    return _START.search(start) is not None


def read_mt940(text: Iterable[str]) -> Iterator[StatementItem]:
    """
    Yield the account, the balances and the lines of a statement, in its order.

    :raises UnreadableFacts: if a tag cannot be read; the message says at which row
    """
    line: BankFact | None = None
    pages = _Pages()
    for row, tag, value in _tags(text):
        if tag == "86":
            if line is not None:
                line = line._replace(description=f"{line.description} {value}".strip()[:400])
            continue
        if line is not None:
            yield line
        pages.take(row, tag)
        line = _read_line(row, value) if tag == "61" else None
        if tag == "25":
            yield StatementAccount(value.strip())
        elif tag in _BALANCES:
            yield StatementBalance(is_opening=tag.startswith("60"), amount=_read_balance(row, value))
        elif tag not in _IGNORED and line is None:
            raise UnreadableFacts(f"line {row}: {tag} is not a tag of MT940")
    if line is not None:
        yield line
    pages.end()


class _Pages:
    """Whether each page has its balances around its lines, and the last one is final."""

    def __init__(self) -> None:
        self._is_open, self._is_final = False, True

    def take(self, row: int, tag: str) -> None:
        if tag == "61" and not self._is_open:
            raise UnreadableFacts(f"line {row}: no opening balance (60F) stands before this tag 61")
        if tag in _BALANCES:
            self._is_open, self._is_final = tag.startswith("60"), tag == "62F"

    def end(self) -> None:
        if self._is_open or not self._is_final:
            raise UnreadableFacts(
                "its final closing balance (62F) is missing: the file is cut off, or a page is missing. Download it again"
            )


def _tags(text: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Yield row, tag and value of each field; what is between messages is left out."""
    found: tuple[int, str, str] | None = None
    for row, written in enumerate(text, 1):
        line = written.rstrip("\r\n")
        if match := _TAG.match(line):
            if found is not None:
                yield found
            found = (row, match[1], match[2])
        elif line.startswith(("{", "-")) or not line.strip():
            continue
        elif found is None:
            raise UnreadableFacts(f"line {row}: text before the first tag")
        else:
            found = (found[0], found[1], f"{found[2]}\n{line}"[:2_000])
    if found is not None:
        yield found


def _read_line(row: int, value: str) -> BankFact:
    first, _, more = value.partition("\n")
    found = _LINE.fullmatch(first.strip())
    if found is None:
        raise UnreadableFacts(f"line {row}: tag 61 cannot be read")
    amount = _paise(found[3]) * (1 if found[2] in _CREDITS else -1)
    own, banks = found[4].strip(), (found[5] or "").strip()
    reference = banks if own in ("", _NO_REFERENCE) else own
    description = " ".join(part for part in (own, banks, more.replace("\n", " ").strip()) if part != _NO_REFERENCE)
    return BankFact(row, _date(row, found[1]), amount, reference[:80], description.strip()[:400], None)


def _read_balance(row: int, value: str) -> int:
    found = _BALANCE.fullmatch(value.strip())
    if found is None:
        raise UnreadableFacts(f"line {row}: the balance cannot be read")
    if found[3] != "INR":
        raise UnreadableFacts(f"line {row}: the account is in {found[3]}; Bahi takes statements in INR")
    _date(row, found[2])
    return _paise(found[4]) * (1 if found[1] == "C" else -1)


def _paise(value: str) -> int:
    rupees, _, paise = value.partition(",")
    return int(rupees) * 100 + int(paise.ljust(2, "0"))


def _date(row: int, value: str) -> date:
    try:
        return date(2000 + int(value[:2]), int(value[2:4]), int(value[4:]))
    except ValueError as failure:
        raise UnreadableFacts(f"line {row}: {value} is not a date") from failure
