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


class SkipReason(StrEnum):
    """Why a refund has no credit note."""

    NEVER_INVOICED = "never_invoiced"
    REFUNDED_BEFORE_SALE = "refunded_before_sale"
    SURPLUS = "surplus"
    FULLY_CREDITED = "fully_credited"
    DEADLINE_PASSED = "deadline_passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBalance:
    """An invoice line with what its credit notes have taken so far, in paise."""

    order_line_id: Any
    original: Credit
    credited: Credit

    @property
    def remaining(self) -> Credit:
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


def credit_note_skip_reason(
    *, invoice_date: date | None, remaining: int, is_surplus: bool, is_before_sale: bool, today: date
) -> SkipReason | None:
    """
    Return why a refund gets no credit note, or None.

    `remaining` is what remains of the invoice in paise; `today` is the day in India. A surplus is money that no invoice asks for.
    """
    if invoice_date is None:
        return SkipReason.NEVER_INVOICED
    if is_before_sale:
        return SkipReason.REFUNDED_BEFORE_SALE
    if is_surplus:
        return SkipReason.SURPLUS
    if remaining <= 0:
        return SkipReason.FULLY_CREDITED
    return SkipReason.DEADLINE_PASSED if today > credit_deadline(invoice_date) else None


def draft_credit(
    balances: Sequence[LineBalance],
    *,
    remaining_round_off: int,
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
    remaining = sum(balance.remaining.total for balance in balances) + remaining_round_off
    if not 0 < amount <= remaining:
        raise ValueError(f"{amount} of {remaining} cannot be credited")
    if amount == remaining:
        return _build_credit_draft([(balance, balance.remaining) for balance in balances], remaining_round_off)

    # What the refund took beyond lines is the order's round-off, of either sign, as far as it is left.
    beyond = amount - sum(line_amounts.values()) if line_amounts else 0
    round_off = (
        max(min(beyond, remaining_round_off), 0)
        if remaining_round_off >= 0
        else min(max(beyond, remaining_round_off), 0)
    )
    worth = [balance.remaining.total for balance in balances]
    refunded = [line_amounts.get(balance.order_line_id, 0) for balance in balances]
    returned = [balance.remaining.total if balance.order_line_id in returned_units else 0 for balance in balances]
    portions = [
        (balance, _portion(balance, share, returned_units.get(balance.order_line_id, 0)))
        for balance, share in zip(balances, draw(amount - round_off, worth, refunded, returned, worth), strict=True)
    ]
    # What the lines cannot give goes to the round-off: its own rest, or the odd paisa of a line whose two heads are equal.
    return _build_credit_draft(portions, amount - sum(credit.total for _, credit in portions))


def _portion(balance: LineBalance, share: int, units: int) -> Credit:
    """Return the part of a line that comes to a share (paise, with tax): the units' own figures where they come to the same."""
    units = min(units, balance.remaining.quantity)
    if units:
        portion = credit_portion(balance.original, balance.credited, units)
        if portion.total == share:
            return portion
    return replace(_split(balance.remaining, share), quantity=units)


def _split(remaining: Credit, share: int) -> Credit:
    """Split a share with tax into taxable value and heads, in proportion to what is left; CGST and its twin stay equal."""
    if not share:
        return Credit(quantity=0, taxable=0)
    if not remaining.cgst:
        igst = max(half_up(remaining.igst * share, remaining.total), share - remaining.taxable)
        return Credit(quantity=0, taxable=share - igst, igst=igst)
    half = max(half_up(remaining.cgst * share, remaining.total), -(-(share - remaining.taxable) // 2))
    half = min(half, remaining.cgst, share // 2)
    twin = "utgst" if remaining.utgst else "sgst"
    return Credit(quantity=0, taxable=min(share - 2 * half, remaining.taxable), cgst=half, **{twin: half})


def _build_credit_draft(portions: Sequence[tuple[LineBalance, Credit]], round_off: int) -> CreditDraft:
    nothing = Credit(quantity=0, taxable=0)
    lines = tuple((balance.order_line_id, credit) for balance, credit in portions if credit != nothing)
    # A document has at least one line, even where all that is left of the invoice is its round-off.
    return CreditDraft(lines=lines or ((portions[0][0].order_line_id, nothing),), round_off=round_off)
