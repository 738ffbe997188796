"""Quantities: whole units in the code, thousandths of a unit in the database, so that goods by weight need no new columns."""

from typing import Final

#: Thousandths in a unit: e-invoices and GST returns take quantities of up to three decimals.
PER_UNIT: Final = 1000


def to_milli(units: int) -> int:
    """Return whole units in thousandths, as columns that end in `_milli` store them."""
    return units * PER_UNIT


def to_units(milli: int) -> int:
    """
    Return the whole units of a stored quantity.

    :raises ValueError: if it is no whole number of units
    """
    units, rest = divmod(milli, PER_UNIT)
    if rest:
        raise ValueError(f"{milli} thousandths are no whole number of units")
    return units
