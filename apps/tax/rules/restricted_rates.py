"""
Rates that only some goods still bear: 12 % and 6 % are those of bricks and roofing tiles alone.

Notification 14/2025-Central Tax (Rate) keeps 12 % for them when the slab ends for all others; who takes no input tax credit may charge
6 % (notification 2/2022-Central Tax (Rate)). Both are found by tariff item.
"""

from datetime import date
from typing import Final

_SINCE: Final = date(2025, 9, 22)
#: Fly ash bricks, aggregates and blocks; bricks of fossil meals; building bricks; earthen or roofing tiles.
_BRICKS: Final = ("6815", "69010010", "69041000", "69051000")
_CODES_OF_RATE: Final = {600: _BRICKS, 1200: _BRICKS}


def codes_of_rate(rate: int, day: date) -> tuple[str, ...] | None:
    """Return the HSN codes that a rate (basis points) is restricted to on an Indian date, or None if it is not."""
    return _CODES_OF_RATE.get(rate) if day >= _SINCE else None


def is_rate_of_goods(rate: int, *, hsn: str, day: date) -> bool:
    """
    Test if goods of a code can bear a rate (basis points) on an Indian date.

    A code of four or six digits stands for all tariff items that it begins.
    """
    codes = codes_of_rate(rate, day)
    return codes is None or any(hsn.startswith(code) or code.startswith(hsn) for code in codes)
