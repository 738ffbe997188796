"""
The kinds of goods of the demo shop, read from two tables in this directory.

`shelves.csv` has the categories with the brands that fill them, `kinds.csv` the products of each: lists in a cell are
parted by bars, prices are rupees with tax. All brands are invented.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of goods, with the HSN and tax class that all its products share.

    Each of `varieties` is made by as many brands as `makers`; each of `options` is a variant: its label and base price
    in rupees. Clothes and shoes have a rule, not a class: "garment" or "footwear".
    """

    noun: str
    hsn: str
    tax_class: str
    description: str
    varieties: tuple[str, ...]
    option: str
    options: tuple[tuple[str, int], ...]
    makers: int
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category of the shop: its products and who makes them."""

    code: str
    name: str
    description: str
    brands: tuple[str, ...]
    kinds: tuple[Kind, ...]


def read_shelves() -> list[Shelf]:
    """Read all shelves in the order of the shop."""
    kinds: dict[str, list[Kind]] = {}
    for row in _rows("kinds.csv"):
        kinds.setdefault(row["shelf"], []).append(_kind(row))
    return [
        Shelf(row["code"], row["name"], row["description"], tuple(row["brands"].split("|")), tuple(kinds[row["code"]]))
        for row in _rows("shelves.csv")
    ]


def _kind(row: dict[str, str]) -> Kind:
    priced = [option.rsplit(":", 1) for option in row["options"].split("|")]
    return Kind(
        noun=row["noun"],
        hsn=row["hsn"],
        tax_class=row["tax_class"],
        description=row["description"],
        varieties=tuple(row["varieties"].split("|")),
        option=row["option"],
        options=tuple((label, int(rupees)) for label, rupees in priced),
        makers=int(row["makers"]),
        attributes=dict(pair.split("=", 1) for pair in row["attributes"].split("|") if pair),
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))
