"""
Taxable value and tax (CGST and SGST or UTGST, or IGST) of an order or invoice by line, and the rounded total.

Everything is rounded half-up per line. CGST and SGST are each computed at half the rate and so are always equal; the
paisa that a tax-inclusive price can lose by that goes to the round-off, never to one of the two.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.core.money import allocate, half_up, round_to_rupee

_WHOLE: Final = 10_000  # basis points


class SupplyType(StrEnum):
    """Which heads a supply bears: CGST with SGST, CGST with UTGST, or IGST."""

    INTRA_STATE = "intra_state"
    INTRA_UT = "intra_ut"
    INTER_STATE = "inter_state"


class Treatment(StrEnum):
    """
    Who pays the tax of a supply, if anybody.

    Zero-rated with payment charges IGST, which the exporter claims back; without payment needs a letter of undertaking.
    """

    REGULAR = "regular"
    ZERO_RATED_WITH_PAYMENT = "zero_rated_with_payment"
    ZERO_RATED_WITHOUT_PAYMENT = "zero_rated_without_payment"
    REVERSE_CHARGE = "reverse_charge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """
    One line as it was quoted. Money in paise, the rate in basis points.

    `quantity` is whole and counts the smallest unit sold; `price_per` says how many of these `unit_price` is for.
    Pieces need no more than the default. Goods by weight are 1235 g at 8995 paise `price_per` 1000 g, so no fraction
    ever enters, and the only rounding is that of the gross. `discount` is in the terms of the price: with tax if the
    price includes it.
    """

    id: str
    quantity: int
    unit_price: int
    rate: int
    price_includes_tax: bool = False
    discount: int = 0
    price_per: int = 1

    def __post_init__(self) -> None:
        """Refuse figures that no quotation can have."""
        if self.quantity <= 0 or self.price_per <= 0:
            raise ValueError(f"line {self.id}: quantities are positive")
        if self.unit_price < 0 or self.rate < 0:
            raise ValueError(f"line {self.id}: a price or rate is never negative")
        if not 0 <= self.discount <= self.gross:
            raise ValueError(f"line {self.id}: the discount is between nothing and the price")

    @property
    def gross(self) -> int:
        """Price times quantity as quoted, in paise."""
        return half_up(self.unit_price * self.quantity, self.price_per)


@dataclass(frozen=True, slots=True)
class Heads:
    """Tax by head, in paise."""

    cgst: int = 0
    sgst: int = 0
    utgst: int = 0
    igst: int = 0

    @property
    def tax(self) -> int:
        """All heads together."""
        return self.cgst + self.sgst + self.utgst + self.igst

    @classmethod
    def sum(cls, heads: Iterable["Heads"]) -> "Heads":
        """Add up, head by head."""
        rows = list(heads)
        return cls(
            cgst=sum(row.cgst for row in rows),
            sgst=sum(row.sgst for row in rows),
            utgst=sum(row.utgst for row in rows),
            igst=sum(row.igst for row in rows),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedLine(Heads):
    """
    One line with its tax, in paise; `total` is the taxable value and the tax charged.

    `order_discount` and `shipping` are this line's shares. `recipient_tax` is what the buyer owes the state itself
    under reverse charge, and is in no total.
    """

    id: str
    quantity: int
    unit_price: int
    rate: int
    price_includes_tax: bool
    gross: int
    discount: int
    order_discount: int
    shipping: int
    taxable: int
    recipient_tax: Heads

    @property
    def total(self) -> int:
        """Taxable value and charged tax."""
        return self.taxable + self.tax


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation(Heads):
    """The whole document in paise: `total == taxable + tax + round_off`."""

    lines: tuple[ComputedLine, ...]
    supply: SupplyType
    treatment: Treatment
    taxable: int
    round_off: int
    recipient_tax: Heads

    @property
    def total(self) -> int:
        """What the buyer pays."""
        return self.taxable + self.tax + self.round_off


def compute(
    lines: Sequence[Line],
    *,
    supply: SupplyType,
    treatment: Treatment = Treatment.REGULAR,
    order_discount: int = 0,
    shipping: int = 0,
    round_total: bool = True,
) -> Computation:
    """
    Compute the tax of a document. Amounts in paise.

    The order's discount and shipping charge are spread over the lines in proportion to their price less their own
    discount, by largest remainder; a share is in the terms of its line, so on a price with tax it is with tax. The
    shipping thereby bears each line's rate, as freight is part of the value of the goods (CGST Act, section 15). A
    price that includes tax loses it also where none is charged (reverse charge, letter of undertaking).

    :raises ValueError: if there is no line, an amount is negative, or the discount exceeds the price of the goods
    """
    if not lines:
        raise ValueError("nothing to compute")
    if supply is not SupplyType.INTER_STATE and treatment in _ZERO_RATED:
        raise ValueError("a zero-rated supply is inter-State")
    weights = [line.gross - line.discount for line in lines]
    if not 0 <= order_discount <= sum(weights) or shipping < 0:
        raise ValueError("the order's discount is between nothing and the price, its shipping is not negative")

    if not any(weights):
        weights = [1] * len(lines)
    discounts = allocate(order_discount, weights)
    freights = allocate(shipping, weights)
    computed = tuple(
        _compute_line(line, supply=supply, treatment=treatment, order_discount=discounted, shipping=freight)
        for line, discounted, freight in zip(lines, discounts, freights, strict=True)
    )

    charged = Heads.sum(computed)
    taxable = sum(line.taxable for line in computed)
    exact = taxable + charged.tax
    return Computation(
        cgst=charged.cgst,
        sgst=charged.sgst,
        utgst=charged.utgst,
        igst=charged.igst,
        lines=computed,
        supply=supply,
        treatment=treatment,
        taxable=taxable,
        round_off=round_to_rupee(exact) - exact if round_total else 0,
        recipient_tax=Heads.sum(line.recipient_tax for line in computed),
    )


_ZERO_RATED: Final = frozenset({Treatment.ZERO_RATED_WITH_PAYMENT, Treatment.ZERO_RATED_WITHOUT_PAYMENT})
_CHARGED: Final = frozenset({Treatment.REGULAR, Treatment.ZERO_RATED_WITH_PAYMENT})


def _compute_line(
    line: Line, *, supply: SupplyType, treatment: Treatment, order_discount: int, shipping: int
) -> ComputedLine:
    amount = line.gross - line.discount - order_discount + shipping
    taxable = half_up(amount * _WHOLE, _WHOLE + line.rate) if line.price_includes_tax else amount
    due = _heads(taxable, rate=line.rate, supply=supply)
    charged = due if treatment in _CHARGED else Heads()
    return ComputedLine(
        cgst=charged.cgst,
        sgst=charged.sgst,
        utgst=charged.utgst,
        igst=charged.igst,
        id=line.id,
        quantity=line.quantity,
        unit_price=line.unit_price,
        rate=line.rate,
        price_includes_tax=line.price_includes_tax,
        gross=line.gross,
        discount=line.discount,
        order_discount=order_discount,
        shipping=shipping,
        taxable=taxable,
        recipient_tax=due if treatment is Treatment.REVERSE_CHARGE else Heads(),
    )


def _heads(taxable: int, *, rate: int, supply: SupplyType) -> Heads:
    if supply is SupplyType.INTER_STATE:
        return Heads(igst=half_up(taxable * rate, _WHOLE))
    half = half_up(taxable * rate, 2 * _WHOLE)
    return Heads(cgst=half, utgst=half) if supply is SupplyType.INTRA_UT else Heads(cgst=half, sgst=half)
