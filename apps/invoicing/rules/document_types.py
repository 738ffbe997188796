"""
Which documents a sale needs, and what they say of themselves.

Taxable goods need a tax invoice (CGST Act, section 31(1)), goods without tax a bill of supply in its place (section 31(3)(c), rule 49).
Both sold to an unregistered buyer may be on one invoice-cum-bill of supply (rule 46A); the rule has no such document for a registered
buyer, who gets a tax invoice and a bill of supply.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from apps.invoicing.rules.invoices import Draft, DraftLine
from apps.invoicing.states import DocumentType
from apps.tax.rules import (
    BILL_OF_SUPPLY_PREFIX,
    CREDIT_NOTE_PREFIX,
    INVOICE_CUM_BILL_PREFIX,
    GstinKind,
    Heads,
    SupplyType,
    Taxability,
    check_gstin,
    supply_type,
)

#: The documents that say what was sold, in the order in which one order's are issued.
SALE_DOCUMENT_TYPES: Final = (
    DocumentType.TAX_INVOICE,
    DocumentType.INVOICE_CUM_BILL_OF_SUPPLY,
    DocumentType.BILL_OF_SUPPLY,
)
_PREFIXES: Final = {
    DocumentType.BILL_OF_SUPPLY: BILL_OF_SUPPLY_PREFIX,
    DocumentType.INVOICE_CUM_BILL_OF_SUPPLY: INVOICE_CUM_BILL_PREFIX,
    DocumentType.CREDIT_NOTE: CREDIT_NOTE_PREFIX,
}
_SIGNATURE_NOTES: Final = {
    kind: (
        f"Computer-generated {noun}, issued electronically under the Information Technology Act, 2000: no signature is needed"
        f" (proviso to rule {rule}, CGST Rules, 2017)."
    )
    for kind, noun, rule in (
        (DocumentType.TAX_INVOICE, "invoice", "46"),
        (DocumentType.BILL_OF_SUPPLY, "bill of supply", "49"),
        (DocumentType.INVOICE_CUM_BILL_OF_SUPPLY, "invoice-cum-bill of supply", "46A"),
        (DocumentType.CREDIT_NOTE, "credit note", "53"),
    )
}
_DECLARATIONS: Final = {
    DocumentType.BILL_OF_SUPPLY: (
        "Bill of supply of goods or services without tax (section 31(3)(c), CGST Act, 2017): no tax is charged."
    ),
    DocumentType.INVOICE_CUM_BILL_OF_SUPPLY: (
        "Invoice-cum-bill of supply of taxable and exempted goods to an unregistered person (rule 46A, CGST Rules, 2017)."
    ),
}
_HEADS: Final = {
    SupplyType.INTRA_STATE: ("cgst", "sgst"),
    SupplyType.INTRA_UT: ("cgst", "utgst"),
    SupplyType.INTER_STATE: ("igst",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """
    What a document says of itself: its title, a declaration (or none), why it needs no signature, and which tax columns it has.

    The heads follow the supply, not the amounts: goods without tax in a union territory are listed under CGST and UTGST. A bill of supply
    has no columns for them.
    """

    title: str
    declaration: str
    signature_note: str
    tax_heads: tuple[str, ...]
    has_tax_columns: bool


def wording_of(document_type: DocumentType, *, supplier_state: str, place_of_supply: str) -> Wording:
    """Return the wording of a kind of document for a supply between two states (two-digit codes)."""
    return Wording(
        title=document_type.label,
        declaration=_DECLARATIONS.get(document_type, ""),
        signature_note=_SIGNATURE_NOTES.get(document_type, _SIGNATURE_NOTES[DocumentType.TAX_INVOICE]),
        tax_heads=_HEADS[supply_type(supplier_state, place_of_supply)],
        has_tax_columns=document_type != DocumentType.BILL_OF_SUPPLY,
    )


def tax_note(taxability: str, tax_heads: Sequence[str]) -> str:
    """Return why a line bears no tax, as it stands under its name, or nothing; a nil rate is that of each head."""
    if taxability == Taxability.NIL:
        return f"Nil-rated: {', '.join(f'{head.upper()} 0%' for head in tax_heads)}"
    return {Taxability.EXEMPT: "Exempt from GST", Taxability.NON_GST: "Outside GST"}.get(Taxability(taxability), "")


def prefix_of(document_type: DocumentType, *, invoice_prefix: str) -> str:
    """Return how the numbers of a kind of document begin; tax invoices have the registration's own prefix."""
    return _PREFIXES.get(document_type, invoice_prefix)


def is_registered_buyer(gstin: str) -> bool:
    """
    Test if a buyer is a registered person, which embassies and UN bodies with a UIN are not.

    A number that was accepted with the order counts, also where it would be refused today.
    """
    kind = check_gstin(gstin).kind if gstin else None
    return bool(gstin) and kind not in {GstinKind.UIN, GstinKind.OIDAR}


def split_by_document(draft: Draft, *, is_buyer_registered: bool) -> tuple[tuple[DocumentType, Draft], ...]:
    """
    Return the documents of a sale, each with its part of the draft: its lines, numbered from 1, and their sums.

    The round-off of the order is on the first.
    """
    taxable = [line for line in draft.lines if line.taxability == Taxability.TAXABLE]
    untaxed = [line for line in draft.lines if line.taxability != Taxability.TAXABLE]
    if not untaxed:
        return ((DocumentType.TAX_INVOICE, draft),)
    if not taxable:
        return ((DocumentType.BILL_OF_SUPPLY, draft),)
    if not is_buyer_registered:
        return ((DocumentType.INVOICE_CUM_BILL_OF_SUPPLY, draft),)
    return (
        (DocumentType.TAX_INVOICE, _part_of(draft, taxable, round_off=draft.round_off_amount)),
        (DocumentType.BILL_OF_SUPPLY, _part_of(draft, untaxed, round_off=0)),
    )


def _part_of(draft: Draft, lines: Sequence[DraftLine], *, round_off: int) -> Draft:
    heads = Heads.sum(line.heads for line in lines)
    taxable = sum(line.taxable_amount for line in lines)
    return replace(
        draft,
        lines=tuple(replace(line, position=position) for position, line in enumerate(lines, start=1)),
        taxable_amount=taxable,
        cgst_amount=heads.cgst,
        sgst_amount=heads.sgst,
        utgst_amount=heads.utgst,
        igst_amount=heads.igst,
        round_off_amount=round_off,
        total_amount=taxable + heads.tax + round_off,
    )


def fingerprint_of_parties(buyer: Mapping[str, Any], shipping_address: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) of the persons on a document, of the same text that Postgres makes of them as `jsonb`."""
    return hashlib.sha256(f"{_as_jsonb(buyer)}\n{_as_jsonb(shipping_address)}".encode()).hexdigest()


def _as_jsonb(values: Mapping[str, Any]) -> str:
    # jsonb orders its keys by length, then by bytes.
    ordered = dict(sorted(values.items(), key=lambda item: (len(item[0].encode()), item[0].encode())))
    return json.dumps(ordered, ensure_ascii=False, separators=(", ", ": "))
