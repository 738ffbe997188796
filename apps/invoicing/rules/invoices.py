"""
The contents of an invoice: the order's own figures, checked once more before a number is spent on them.

Nothing is taken from the catalogue or the rates of today; a document says what was agreed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from apps.core.money import BASIS_POINTS, half_up
from apps.tax.rules import Heads, SupplyType, Taxability, known_taxability, supply_type

#: A total is rounded to the nearest rupee: by at most 50 paise.
_MAX_ROUND_OFF = 50


class Refusal(StrEnum):
    """Why figures make no invoice."""

    NO_LINES = "no_lines"
    LINE_DOES_NOT_ADD_UP = "line_does_not_add_up"
    TAX_DOES_NOT_FOLLOW_THE_RATE = "tax_does_not_follow_the_rate"
    RATE_DOES_NOT_FIT_TAXABILITY = "rate_does_not_fit_taxability"
    TOTALS_DO_NOT_ADD_UP = "totals_do_not_add_up"
    ROUND_OFF_TOO_LARGE = "round_off_too_large"


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLine:
    """
    One line of a document. Amounts in paise, `tax_rate` in basis points, the quantity in thousandths of a unit.

    taxable = gross - discount + shipping; total = taxable + taxes; the gross is without tax.
    """

    position: int
    order_line_id: Any
    sku: str
    name: str
    hsn: str
    uqc: str
    quantity_milli: int
    unit_price: int
    price_includes_tax: bool
    gross_amount: int
    discount_amount: int
    shipping_amount: int
    taxable_amount: int
    tax_rate: int
    taxability: str
    cgst_amount: int
    sgst_amount: int
    utgst_amount: int
    igst_amount: int
    total_amount: int

    @property
    def heads(self) -> Heads:
        """The line's tax by head, in paise."""
        return Heads(cgst=self.cgst_amount, sgst=self.sgst_amount, utgst=self.utgst_amount, igst=self.igst_amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A document before it has a number. Amounts in paise; states are two-digit codes."""

    supplier_state: str
    place_of_supply: str
    lines: tuple[DraftLine, ...]
    taxable_amount: int
    cgst_amount: int
    sgst_amount: int
    utgst_amount: int
    igst_amount: int
    round_off_amount: int
    total_amount: int

    @property
    def heads(self) -> Heads:
        """The document's tax by head, in paise."""
        return Heads(cgst=self.cgst_amount, sgst=self.sgst_amount, utgst=self.utgst_amount, igst=self.igst_amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class HsnRow(Heads):
    """What a document has under one HSN code at one rate: taxable value and tax by head in paise, rate in basis points."""

    hsn: str
    tax_rate: int
    taxable: int


def draft_of(order: Any, lines: Iterable[Any], *, supplier_state: str) -> Draft:
    """Return what the documents of an order say: the same figures under the same names, and each line with the order line's id."""
    copied = {field.name for field in fields(DraftLine)} - {"order_line_id", "taxability"}
    totals = {field.name for field in fields(Draft)} - {"supplier_state", "lines"}
    return Draft(
        supplier_state=supplier_state,
        lines=tuple(
            DraftLine(
                order_line_id=line.id,
                taxability=known_taxability(line.taxability, line.tax_rate),
                **{name: getattr(line, name) for name in copied},
            )
            for line in sorted(lines, key=lambda line: line.position)
        ),
        **{name: getattr(order, name) for name in totals},
    )


def check_draft(draft: Draft) -> Refusal | None:
    """Return why a document may not be issued, or None."""
    if not draft.lines:
        return Refusal.NO_LINES
    supply = supply_type(draft.supplier_state, draft.place_of_supply)
    for line in draft.lines:
        refusal = check_line(line, supply)
        if refusal is not None:
            return refusal
    if not _adds_up(draft):
        return Refusal.TOTALS_DO_NOT_ADD_UP
    return Refusal.ROUND_OFF_TOO_LARGE if abs(draft.round_off_amount) > _MAX_ROUND_OFF else None


def check_line(line: DraftLine, supply: SupplyType) -> Refusal | None:
    """Return what is wrong with a line's figures for a kind of supply, or None; tax is rounded half-up per line and head."""
    if line.taxable_amount != line.gross_amount - line.discount_amount + line.shipping_amount:
        return Refusal.LINE_DOES_NOT_ADD_UP
    if line.total_amount != line.taxable_amount + line.heads.tax:
        return Refusal.LINE_DOES_NOT_ADD_UP
    if (line.taxability == Taxability.TAXABLE) != (line.tax_rate > 0):
        return Refusal.RATE_DOES_NOT_FIT_TAXABILITY
    if line.heads != _heads_due(line.taxable_amount, line.tax_rate, supply):
        return Refusal.TAX_DOES_NOT_FOLLOW_THE_RATE
    return None


def hsn_summary(lines: Iterable[Any]) -> tuple[HsnRow, ...]:
    """Return the taxable value and tax of a document by HSN code and rate, in the order of the codes."""
    groups: dict[tuple[str, int], list[Any]] = {}
    for line in lines:
        groups.setdefault((line.hsn, line.tax_rate), []).append(line)
    return tuple(_hsn_row(hsn, rate, rows) for (hsn, rate), rows in sorted(groups.items()))


def _hsn_row(hsn: str, rate: int, rows: Sequence[Any]) -> HsnRow:
    return HsnRow(
        hsn=hsn,
        tax_rate=rate,
        taxable=sum(row.taxable_amount for row in rows),
        cgst=sum(row.cgst_amount for row in rows),
        sgst=sum(row.sgst_amount for row in rows),
        utgst=sum(row.utgst_amount for row in rows),
        igst=sum(row.igst_amount for row in rows),
    )


def _adds_up(draft: Draft) -> bool:
    return (
        draft.taxable_amount == sum(line.taxable_amount for line in draft.lines)
        and draft.heads == Heads.sum(line.heads for line in draft.lines)
        and draft.total_amount == draft.taxable_amount + draft.heads.tax + draft.round_off_amount
    )


def _heads_due(taxable: int, rate: int, supply: SupplyType) -> Heads:
    if supply is SupplyType.INTER_STATE:
        return Heads(igst=half_up(taxable * rate, BASIS_POINTS))
    half = half_up(taxable * rate, 2 * BASIS_POINTS)
    return Heads(cgst=half, utgst=half) if supply is SupplyType.INTRA_UT else Heads(cgst=half, sgst=half)
