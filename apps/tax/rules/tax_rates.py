"""
The GST rates in force, by date: which slabs exist, and what each tax class has borne since GST began.

A tax class is a set of goods that have always borne the same rate on the same day. Two slabs were struck out on
22 September 2025 (12 % for all but bricks and roofing tiles, and 28 %), so goods that met at 5 % then come from different
classes. Both ends of a period are included; the last has none. Cess is not kept: none has been due since 1 February 2026.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

_GST_BEGAN: Final = date(2017, 7, 1)
_SLABS_CUT: Final = date(2025, 9, 22)
_TOBACCO_MOVED: Final = date(2026, 2, 1)
_BRICKS_MOVED: Final = date(2022, 4, 1)

_GOODS_2017: Final = "1/2017-Central Tax (Rate)"
_NIL_2017: Final = "2/2017-Central Tax (Rate)"
_GOODS_2025: Final = "9/2025-Central Tax (Rate)"
_NIL_2025: Final = "10/2025-Central Tax (Rate)"
_TOBACCO_2026: Final = "19/2025-Central Tax (Rate)"
_DIAMONDS_2022: Final = "6/2022-Central Tax (Rate)"
_BRICKS_2022: Final = "1/2022-Central Tax (Rate)"
_BRICKS_WITHOUT_CREDIT: Final = "2/2022-Central Tax (Rate)"
_BRICKS_2025: Final = "14/2025-Central Tax (Rate)"
_NIL_TARIFF: Final = "nil rate of the tariff"
_OUTSIDE_GST: Final = "CGST Act, section 9(1) and (2)"


class Taxability(StrEnum):
    """
    Whether goods bear tax, and if not, why: returns and documents distinguish the three.

    Nil: the rate of the tariff is nil. Exempt: a notification takes the tax away (section 11). Non-GST: the law does not levy
    GST on them at all, such as liquor and petrol. Only taxable goods have a rate above nought.
    """

    TAXABLE = "taxable"
    NIL = "nil"
    EXEMPT = "exempt"
    NON_GST = "non_gst"


@dataclass(frozen=True, slots=True)
class ReferenceRate:
    """The rate of a tax class in basis points from `valid_from` to `valid_to`, both included, Indian dates."""

    tax_class: str
    rate: int
    valid_from: date
    valid_to: date | None
    notification: str

    def covers(self, day: date) -> bool:
        """Test if the rate is in force on that day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


TAX_CLASSES: Final[dict[str, str]] = {
    "nil": "Goods whose rate in the tariff is nil",
    "non_gst": "Liquor, petrol, diesel, natural gas: outside GST",
    "exempt": "Fresh and unpacked food, printed books: never taxed",
    "exempt_was_5": "Packed paneer, long-life milk, breads, erasers: nil since 22 September 2025",
    "exempt_was_12": "Exercise books, pencils, sharpeners, maps: nil since 22 September 2025",
    "gst_5": "Staple packed goods, spices, tea, cheap clothes: 5 % throughout",
    "gst_5_was_12": "Butter, ghee, snacks, fruit juice, utensils, toys: 5 % since 22 September 2025",
    "gst_5_was_18": "Soap, shampoo, toothpaste, biscuits, chocolate: 5 % since 22 September 2025",
    "gst_6_bricks": "Bricks and roofing tiles of a seller who takes no input tax credit: 6 % since 1 April 2022",
    "gst_12_bricks": "Bricks (of clay, fly ash or fossil meal) and roofing tiles: 12 % since 1 April 2022",
    "gst_18": "Electronics, cosmetics, detergents, plastics: 18 % throughout",
    "gst_18_was_12": "Clothes above 2,500 rupees a piece, paper: 18 % since 22 September 2025",
    "gst_18_was_28": "Air conditioners, large televisions, dishwashers: 18 % since 22 September 2025",
    "gst_18_bidi": "Bidis: 18 % since 1 February 2026",
    "gst_40": "Aerated and caffeinated drinks: 40 % since 22 September 2025",
    "gst_40_tobacco": "Pan masala and tobacco: 40 % since 1 February 2026",
    "gst_3": "Gold, silver, jewellery: 3 % throughout",
    "gst_0_25": "Rough diamonds and precious stones: 0.25 % throughout",
    "gst_1_5": "Cut and polished diamonds: 1.5 % since 18 July 2022",
}


#: Why goods of a class bear no tax on the days that its rate is nought.
_UNTAXED: Final = {"nil": Taxability.NIL, "non_gst": Taxability.NON_GST}


def _history(tax_class: str, *steps: tuple[date, int, str]) -> tuple[ReferenceRate, ...]:
    ends = [begin - timedelta(days=1) for begin, _, _ in steps[1:]]
    return tuple(
        ReferenceRate(tax_class, rate, begin, end, notification)
        for (begin, rate, notification), end in zip(steps, [*ends, None], strict=True)
    )


REFERENCE_RATES: Final[tuple[ReferenceRate, ...]] = (
    *_history("exempt", (_GST_BEGAN, 0, _NIL_2017), (_SLABS_CUT, 0, _NIL_2025)),
    *_history("exempt_was_5", (_GST_BEGAN, 500, _GOODS_2017), (_SLABS_CUT, 0, _NIL_2025)),
    *_history("exempt_was_12", (_GST_BEGAN, 1200, _GOODS_2017), (_SLABS_CUT, 0, _NIL_2025)),
    *_history("nil", (_GST_BEGAN, 0, _NIL_TARIFF)),
    *_history("non_gst", (_GST_BEGAN, 0, _OUTSIDE_GST)),
    *_history("gst_5", (_GST_BEGAN, 500, _GOODS_2017), (_SLABS_CUT, 500, _GOODS_2025)),
    *_history("gst_5_was_12", (_GST_BEGAN, 1200, _GOODS_2017), (_SLABS_CUT, 500, _GOODS_2025)),
    *_history("gst_5_was_18", (_GST_BEGAN, 1800, _GOODS_2017), (_SLABS_CUT, 500, _GOODS_2025)),
    *_history("gst_6_bricks", (_BRICKS_MOVED, 600, _BRICKS_WITHOUT_CREDIT)),
    *_history("gst_12_bricks", (_BRICKS_MOVED, 1200, _BRICKS_2022), (_SLABS_CUT, 1200, _BRICKS_2025)),
    *_history("gst_18", (_GST_BEGAN, 1800, _GOODS_2017), (_SLABS_CUT, 1800, _GOODS_2025)),
    *_history("gst_18_was_12", (_GST_BEGAN, 1200, _GOODS_2017), (_SLABS_CUT, 1800, _GOODS_2025)),
    *_history("gst_18_was_28", (_GST_BEGAN, 2800, _GOODS_2017), (_SLABS_CUT, 1800, _GOODS_2025)),
    *_history(
        "gst_18_bidi",
        (_GST_BEGAN, 2800, _GOODS_2017),
        (_SLABS_CUT, 2800, _GOODS_2025),
        (_TOBACCO_MOVED, 1800, _TOBACCO_2026),
    ),
    *_history("gst_40", (_GST_BEGAN, 2800, _GOODS_2017), (_SLABS_CUT, 4000, _GOODS_2025)),
    *_history(
        "gst_40_tobacco",
        (_GST_BEGAN, 2800, _GOODS_2017),
        (_SLABS_CUT, 2800, _GOODS_2025),
        (_TOBACCO_MOVED, 4000, _TOBACCO_2026),
    ),
    *_history("gst_3", (_GST_BEGAN, 300, _GOODS_2017), (_SLABS_CUT, 300, _GOODS_2025)),
    *_history("gst_0_25", (_GST_BEGAN, 25, _GOODS_2017), (_SLABS_CUT, 25, _GOODS_2025)),
    *_history(
        "gst_1_5",
        (_GST_BEGAN, 25, _GOODS_2017),
        (date(2022, 7, 18), 150, _DIAMONDS_2022),
        (_SLABS_CUT, 150, _GOODS_2025),
    ),
)

# The slabs of all notifications together, in basis points. 0.1 % is for merchant exporters; 1 and 7.5 % are for flats, 6 % is for
# bricks. 12 % has ended for all goods but those of `_RESTRICTED`.
_SLABS: Final[tuple[tuple[int, date, date | None], ...]] = (
    (0, _GST_BEGAN, None),
    (10, date(2017, 10, 23), None),
    (25, _GST_BEGAN, None),
    (100, date(2019, 4, 1), None),
    (150, date(2019, 4, 1), None),
    (300, _GST_BEGAN, None),
    (500, _GST_BEGAN, None),
    (600, date(2022, 4, 1), None),
    (750, date(2019, 4, 1), None),
    (1200, _GST_BEGAN, _SLABS_CUT - timedelta(days=1)),
    (1800, _GST_BEGAN, None),
    (2800, _GST_BEGAN, _TOBACCO_MOVED - timedelta(days=1)),
    (4000, _SLABS_CUT, None),
)


#: Rates in basis points that one tax class bears after they have ended for all others, and from when.
_RESTRICTED: Final = {("gst_12_bricks", 1200): _SLABS_CUT}


def rates_allowed(day: date) -> frozenset[int]:
    """Return the rates in basis points that goods of any tax class can bear on that Indian date."""
    return frozenset(rate for rate, begin, end in _SLABS if begin <= day and (end is None or day <= end))


def is_rate_allowed(rate: int, day: date, *, tax_class: str = "") -> bool:
    """
    Test if an invoice of that Indian date can carry the rate, in basis points, for goods of the tax class.

    A credit note is judged by the date of the invoice that it corrects.
    """
    restricted_from = _RESTRICTED.get((tax_class, rate))
    return rate in rates_allowed(day) or (restricted_from is not None and restricted_from <= day)


def reference_rate(tax_class: str, day: date) -> ReferenceRate:
    """
    Return the rate of a tax class on an Indian date.

    :raises ValueError: if the class is unknown or the day is before GST began
    """
    for row in REFERENCE_RATES:
        if row.tax_class == tax_class and row.covers(day):
            return row
    raise ValueError(f"no rate for {tax_class!r} on {day.isoformat()}")


def taxability_of(tax_class: str, rate: int) -> Taxability:
    """
    Return whether goods of a class bear tax at a rate (basis points), and if not, why.

    A class that an operator has added for goods without tax is exempt, unless the reference rates say otherwise.
    """
    return Taxability.TAXABLE if rate else _UNTAXED.get(tax_class, Taxability.EXEMPT)


def known_taxability(stored: str, rate: int) -> Taxability:
    """Return what a line says of its taxability; lines of before it was kept had goods with tax, or exempt ones."""
    return Taxability(stored) if stored else Taxability.TAXABLE if rate else Taxability.EXEMPT


_LABELS: Final = {Taxability.NIL: "nil", Taxability.EXEMPT: "exempt", Taxability.NON_GST: "non-GST"}


def rate_label(stored: str, rate: int) -> str:
    """Return the rate of a line (basis points) for people: `18 %`, or why it bears none."""
    return _LABELS.get(known_taxability(stored, rate), f"{rate / 100:g} %")
