"""
What a credit note takes back of an invoice (CGST Act, section 34): at the rates of the invoice, and never more than is left.

Each refund has one note of its amount, which takes of each line what the refund took of it. Of returned units it takes the line's
own figures, of an amount a part of what is left; the one that takes the rest takes all that remains, the round-off too, so that
no paisa does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from apps.core.money import draw, half_up
from apps.tax.rules import Credit, credit_portion, financial_year


class Withheld(StrEnum):
    """Why a refund has no credit note."""

    NEVER_INVOICED = "never_invoiced"
    BEFORE_THE_SALE = "before_the_sale"
    SURPLUS = "surplus"
    NOTHING_LEFT = "nothing_left"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBalance:
    """An invoice line with what its credit notes have taken so far, in paise."""

    order_line_id: Any
    original: Credit
    credited: Credit

    @property
    def left(self) -> Credit:
        """What no credit note has taken yet."""
        return Credit(
            **{
                field.name: getattr(self.original, field.name) - getattr(self.credited, field.name)
                for field in fields(Credit)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditDraft:
    """A credit note before it has a number: what it takes of each line, and of the round-off. Amounts in paise."""

    lines: tuple[tuple[Any, Credit], ...]
    round_off: int

    @property
    def total(self) -> int:
        """What the note comes to."""
        return sum(credit.total for _, credit in self.lines) + self.round_off


def credit_deadline(invoice_date: date) -> date:
    """Return the last day for a credit note: 30 November after the invoice's financial year (CGST Act, section 34(2))."""
    return date(int(financial_year(invoice_date)[:4]) + 1, 11, 30)


def reason_to_withhold(
    *, invoice_date: date | None, left: int, is_surplus: bool, is_before_the_sale: bool, today: date
) -> Withheld | None:
    """
    Return why a refund gets no credit note, or None.

    `left` is what remains of the invoice in paise; `today` is the day in India. A surplus is money that no invoice asks for.
    """
    if invoice_date is None:
        return Withheld.NEVER_INVOICED
    if is_before_the_sale:
        return Withheld.BEFORE_THE_SALE
    if is_surplus:
        return Withheld.SURPLUS
    if left <= 0:
        return Withheld.NOTHING_LEFT
    return Withheld.TOO_LATE if today > credit_deadline(invoice_date) else None


def draft_credit(
    balances: Sequence[LineBalance],
    *,
    round_off_left: int,
    amount: int,
    line_amounts: Mapping[Any, int] = MappingProxyType({}),
    returned_units: Mapping[Any, int] = MappingProxyType({}),
) -> CreditDraft:
    """
    Return what a credit note of an amount (paise) takes of the lines; its total is exactly that amount.

    It takes what its refund took of each line (`line_amounts`) and of the round-off. What lines have not left is taken from the
    returned ones first, then from all in proportion to what is left.

    :raises ValueError: if the amount is nothing or more than is left
    """
    left = sum(balance.left.total for balance in balances) + round_off_left
    if not 0 < amount <= left:
        raise ValueError(f"{amount} of {left} cannot be credited")
    if amount == left:
        return _kept([(balance, balance.left) for balance in balances], round_off_left)

    # What the refund took beyond lines is the order's round-off, of either sign, as far as it is left.
    beyond = amount - sum(line_amounts.values()) if line_amounts else 0
    round_off = max(min(beyond, round_off_left), 0) if round_off_left >= 0 else min(max(beyond, round_off_left), 0)
    worth = [balance.left.total for balance in balances]
    refunded = [line_amounts.get(balance.order_line_id, 0) for balance in balances]
    returned = [balance.left.total if balance.order_line_id in returned_units else 0 for balance in balances]
    portions = [
        (balance, _portion(balance, share, returned_units.get(balance.order_line_id, 0)))
        for balance, share in zip(balances, draw(amount - round_off, worth, refunded, returned, worth), strict=True)
    ]
    # What the lines cannot give goes to the round-off: its own rest, or the odd paisa of a line whose two heads are equal.
    return _kept(portions, amount - sum(credit.total for _, credit in portions))


def _portion(balance: LineBalance, share: int, units: int) -> Credit:
    """Return the part of a line that comes to a share (paise, with tax): the units' own figures where they come to the same."""
    units = min(units, balance.left.quantity)
    if units:
        portion = credit_portion(balance.original, balance.credited, units)
        if portion.total == share:
            return portion
    return replace(_split(balance.left, share), quantity=units)


def _split(left: Credit, share: int) -> Credit:
    """Split a share with tax into taxable value and heads, in proportion to what is left; CGST and its twin stay equal."""
    if not share:
        return Credit(quantity=0, taxable=0)
    if not left.cgst:
        igst = max(half_up(left.igst * share, left.total), share - left.taxable)
        return Credit(quantity=0, taxable=share - igst, igst=igst)
    half = max(half_up(left.cgst * share, left.total), -(-(share - left.taxable) // 2))
    half = min(half, left.cgst, share // 2)
    twin = "utgst" if left.utgst else "sgst"
    return Credit(quantity=0, taxable=min(share - 2 * half, left.taxable), cgst=half, **{twin: half})


def _kept(portions: Sequence[tuple[LineBalance, Credit]], round_off: int) -> CreditDraft:
    nothing = Credit(quantity=0, taxable=0)
    lines = tuple((balance.order_line_id, credit) for balance, credit in portions if credit != nothing)
    # A document has at least one line, even where all that is left of the invoice is its round-off.
    return CreditDraft(lines=lines or ((portions[0][0].order_line_id, nothing),), round_off=round_off)
