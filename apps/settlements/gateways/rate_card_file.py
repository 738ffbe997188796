"""
A rate card as a CSV file: one row per rate, amounts in rupees, rates in percent, days as 2026-11-20.

Nothing is guessed. A column or a word that is not known is refused with its line, and nothing of the file is imported.
"""

import csv
import re
from collections.abc import Iterable
from datetime import date
from typing import NoReturn

from apps.core.money import parse_rupees
from apps.settlements.facts import FeeTerms
from apps.settlements.states import FUNDINGS, NETWORKS, FeeMethod

COLUMNS = (
    "method", "network", "funding", "international", "amount_from", "amount_to", "percent", "fixed", "min", "max", "gst_percent",
    "valid_from", "valid_to", "contract", "withdrawn",
)  # fmt: skip
_REQUIRED = ("method", "valid_from")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))? ?%?", re.ASCII)
_TRUTHS = {"": None, "yes": True, "no": False}


class RateCardUnreadable(ValueError):
    """The file is not a rate card; the text says where and why."""


def terms_from_file(lines: Iterable[str]) -> list[FeeTerms]:
    """
    Read the rows of a rate card.

    :raises RateCardUnreadable: if a column, a word, a number or a day is not as expected, or two rows are about the same
    """
    rows = csv.DictReader(lines, strict=True)
    try:
        names = [name.strip().lower().removeprefix("\ufeff") for name in rows.fieldnames or ()]
        _check_columns(names)
        rows.fieldnames = names
        numbered = [(rows.line_num, _terms_from(row, number=rows.line_num)) for row in rows]
    except (csv.Error, UnicodeDecodeError) as failure:
        raise RateCardUnreadable(f"it is not a CSV file in UTF-8 ({failure})") from failure
    _check_against_each_other(numbered)
    return [terms for _, terms in numbered]


def _check_against_each_other(numbered: list[tuple[int, FeeTerms]]) -> None:
    """Refuse two rows of which one would take the other's place, or neither decides about some amount."""
    by_conditions: dict[tuple[object, ...], list[tuple[int, FeeTerms]]] = {}
    for number, terms in numbered:
        earlier_rows = by_conditions.setdefault(terms.conditions, [])
        for earlier_number, earlier in earlier_rows:
            if earlier.key == terms.key:
                raise RateCardUnreadable(
                    f"lines {earlier_number} and {number} have the same conditions, amounts and first day; keep one of them"
                )
            if not (earlier.is_withdrawn or terms.is_withdrawn) and earlier.has_overlapping_band(terms):
                raise RateCardUnreadable(
                    f"the amounts of lines {earlier_number} and {number} overlap, and both ends of a band belong to it; begin one"
                    " band a paisa after the other ends, such as 2000.01 after 2000"
                )
        earlier_rows.append((number, terms))


def _check_columns(names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in _REQUIRED if name not in names]
    if unknown or missing or len(set(names)) != len(names):
        what = (
            f"the column {unknown[0]!r} is not known" if unknown else f"the column {(missing or ['?'])[0]!r} is missing"
        )
        if not unknown and not missing:
            what = "a column comes twice"
        raise RateCardUnreadable(f"{what}; the columns are {', '.join(COLUMNS)}")


def _terms_from(row: dict[str, str | None], *, number: int) -> FeeTerms:
    if None in row:  # csv keeps cells without a heading under None
        raise RateCardUnreadable(f"line {number} has more cells than the heading")
    cells = {name: (value or "").strip() for name, value in row.items()}
    try:
        return FeeTerms(
            method=_word(cells, "method", FeeMethod.values) or _missing("method"),
            network=_word(cells, "network", NETWORKS),
            funding=_word(cells, "funding", FUNDINGS),
            is_international=_truth(cells, "international"),
            amount_from=_amount(cells, "amount_from"),
            amount_to=_amount(cells, "amount_to"),
            rate_basis_points=_basis_points(cells, "percent", 0),
            fixed_amount=_amount(cells, "fixed") or 0,
            min_amount=_amount(cells, "min"),
            max_amount=_amount(cells, "max"),
            gst_basis_points=_basis_points(cells, "gst_percent", 1_800),
            valid_from=_day(cells, "valid_from") or _missing("valid_from"),
            valid_to=_day(cells, "valid_to"),
            contract=cells.get("contract", "")[:120],
            is_withdrawn=bool(_truth(cells, "withdrawn")),
        )
    except ValueError as failure:
        raise RateCardUnreadable(f"line {number}: {failure}") from failure


def _missing(name: str) -> NoReturn:
    raise ValueError(f"{name} is empty")


def _word(cells: dict[str, str], name: str, known: Iterable[str]) -> str:
    """Return a word as it is spelled in the list of known ones; an empty cell stays empty."""
    cell = cells.get(name, "")
    if not cell:
        return ""
    for word in known:
        if word.lower() == cell.lower():
            return word
    raise ValueError(f"{name} {cell[:30]!r} is not one of {', '.join(known)}")


def _truth(cells: dict[str, str], name: str) -> bool | None:
    cell = cells.get(name, "").lower()
    if cell not in _TRUTHS:
        raise ValueError(f"{name} is {cell[:30]!r}; write yes, no, or nothing")
    return _TRUTHS[cell]


def _amount(cells: dict[str, str], name: str) -> int | None:
    cell = cells.get(name, "")
    try:
        return parse_rupees(cell) if cell else None
    except ValueError as failure:
        raise ValueError(f"{name} is {cell[:30]!r}, {failure}") from failure


def _basis_points(cells: dict[str, str], name: str, default: int) -> int:
    cell = cells.get(name, "")
    if not cell:
        return default
    found = _PERCENT.fullmatch(cell)
    if found is None:
        raise ValueError(f"{name} is {cell[:30]!r}, not a percentage with at most two decimals")
    whole, decimals = found.groups(default="")
    return int(whole) * 100 + int(decimals.ljust(2, "0"))


def _day(cells: dict[str, str], name: str) -> date | None:
    cell = cells.get(name, "")
    try:
        return date.fromisoformat(cell) if cell else None
    except ValueError as failure:
        raise ValueError(f"{name} is {cell[:30]!r}; write a day as 2026-11-20") from failure
