"""
Goods whose rate depends on what a piece is sold for: clothes, made-up textiles, quilts and shoes.

A piece of up to ₹2,500 bears 5 %, one above it 18 %: by its value without tax, after discount. Notification 9/2025-Central Tax
(Rate), Schedule I, entries 388 to 390 and 392, and their counterparts in Schedule II.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from apps.core.money import BASIS_POINTS, half_up


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLimit:
    """
    The value of a piece (paise, without tax) up to which goods bear the lower rate; rates in basis points; in force from a day on.

    Below the limit goods have two tax classes, parted by the former limit of ₹1,000, as they bore different rates then.
    `is_exclusive_class`: only such goods have the class above the limit, so that no piece below it can.
    """

    limit: int
    lower_rate: int
    higher_rate: int
    class_to_1000: str
    class_to_limit: str
    class_above: str
    is_exclusive_class: bool
    valid_from: date

    def rate_of(self, value: int) -> int:
        """Return the rate (basis points) that a piece of a value (paise) bears."""
        return self.lower_rate if value <= self.limit else self.higher_rate

    def class_of(self, value: int) -> str:
        """Return the tax class that a piece of a value (paise) belongs to."""
        if value > self.limit:
            return self.class_above
        return self.class_to_1000 if value <= _FORMER_LIMIT else self.class_to_limit

    def is_crossed(self, before: int, after: int) -> bool:
        """Test if two values (paise) lie on different sides of the limit."""
        return (before > self.limit) != (after > self.limit)

    def is_class_allowed(self, *, tax_class: str, rate: int, value: int) -> bool:
        """
        Test if a piece of a value (paise) may be sold in a tax class of a rate (basis points).

        Above the limit it needs the higher rate. Below it the class above is refused; another class of the higher rate is not, as
        goods of the same code can bear it for another reason.
        """
        if value > self.limit:
            return rate >= self.higher_rate
        return not (self.is_exclusive_class and tax_class == self.class_above)

    def highest_price_below(self, *, price_includes_tax: bool) -> int:
        """Return the highest price (paise) of a piece that bears the lower rate."""
        return self._priced(self.lower_rate) if price_includes_tax else self.limit

    def highest_price_not_above(self, *, price_includes_tax: bool) -> int:
        """Return the highest price (paise) at which a piece with the higher rate in its price is still not above the limit."""
        return self._priced(self.higher_rate) if price_includes_tax else self.limit

    def _priced(self, rate: int) -> int:
        return self.limit * (BASIS_POINTS + rate) // BASIS_POINTS


_FORMER_LIMIT: Final = 100_000
_TEXTILES: Final = ValueLimit(
    limit=250_000,
    lower_rate=500,
    higher_rate=1800,
    class_to_1000="gst_5",
    class_to_limit="gst_5_was_12",
    class_above="gst_18_was_12",
    is_exclusive_class=True,
    valid_from=date(2025, 9, 22),
)
_FOOTWEAR: Final = ValueLimit(
    limit=250_000,
    lower_rate=500,
    higher_rate=1800,
    class_to_1000="gst_5_was_12",
    class_to_limit="gst_5_was_18",
    class_above="gst_18",
    is_exclusive_class=False,
    valid_from=date(2025, 9, 22),
)
_LIMITS: Final = (
    (("61", "62", "63", "940440"), _TEXTILES),
    (("6401", "6402", "6403", "6404", "6405"), _FOOTWEAR),
)
#: Of chapter 63, but of one rate at any value: flexible bulk containers, plastic sacks, worn clothing and rags.
_OF_ONE_RATE: Final = ("630532", "630533", "6309", "6310")


#: The same as a regular expression of Postgres, for the audit: codes with a limit, and those of them without.
CODES_WITH_VALUE_LIMIT: Final = "^(" + "|".join(code for codes, _ in _LIMITS for code in codes) + ")"
CODES_OF_ONE_RATE: Final = "^(" + "|".join(_OF_ONE_RATE) + ")"


def value_limit(hsn: str, day: date) -> ValueLimit | None:
    """Return the value limit of goods of a code on an Indian date, or None if their rate does not depend on their value."""
    if hsn.startswith(_OF_ONE_RATE):
        return None
    for codes, limit in _LIMITS:
        if hsn.startswith(codes) and limit.valid_from <= day:
            return limit
    return None


def value_of_piece(*, price: int, price_includes_tax: bool, rate: int, discount: int = 0, quantity: int = 1) -> int:
    """
    Return what a piece is sold for without tax and after discount, in paise.

    `price` is that of one piece; `discount` is for all `quantity` of them and in the terms of the price; the rate is in basis points.
    """
    paid = price * quantity - discount
    if price_includes_tax:
        return half_up(paid * BASIS_POINTS, (BASIS_POINTS + rate) * quantity)
    return half_up(paid, quantity)
