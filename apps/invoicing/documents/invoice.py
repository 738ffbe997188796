"""The data of a GST document for its template, which has all words and the layout: `invoice.typ`."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from apps.core import pdf
from apps.core.money import half_up
from apps.invoicing import rules
from apps.invoicing.models import Invoice, InvoiceLine
from apps.invoicing.states import DocumentType
from apps.tax.rules import known_taxability, state_name

TEMPLATE = "invoicing/documents/invoice.typ"

_PARTY = ("name", "company", "phone", "email", "line1", "line2", "city", "state", "pin", "gstin")
_LINE = (
    "position", "sku", "name", "hsn", "uqc", "quantity", "unit_price", "price_includes_tax", "gross_amount", "discount_amount",
    "shipping_amount", "taxable_amount", "tax_rate", "cgst_amount", "sgst_amount", "utgst_amount", "igst_amount", "total_amount",
)  # fmt: skip
_TAXES = ("cgst", "sgst", "utgst", "igst")


def render_invoice_pdf(invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
    """Return the PDF of an invoice, a bill of supply or a credit note; the same rows and settings always give the same bytes."""
    return pdf.render(TEMPLATE, invoice_data(invoice, lines), logo=settings.SELLER_LOGO_PATH)


def invoice_data(invoice: Invoice, lines: Sequence[InvoiceLine]) -> dict[str, Any]:
    """
    Return what a document says, as JSON: amounts in paise, rates in basis points, dates as ISO.

    It is laid out by the template, and attached to the PDF for programs.
    """
    wording = _wording_of(invoice)
    return {
        "type": str(invoice.type),
        "title": wording.title,
        "declaration": wording.declaration,
        "signature_note": wording.signature_note,
        "number": invoice.number,
        "date": invoice.invoice_date.isoformat(),
        "order_number": invoice.order_number,
        "refers_to": _reference(invoice.refers_to),
        "reason": invoice.reason,
        "seller": _seller(invoice.seller),
        "buyer": _party(invoice.buyer),
        "shipping_address": _party(invoice.shipping_address),
        "place_of_supply": {"code": invoice.place_of_supply, "name": state_name(invoice.place_of_supply)},
        "is_reverse_charge": invoice.is_reverse_charge,
        "payment_reference": invoice.payment_reference,
        "currency": invoice.currency,
        "lines": [_line(line, wording) for line in lines],
        "hsn_summary": _hsn_summary(lines),
        "taxes": list(wording.tax_heads) if wording.has_tax_columns else [],
        "taxable_amount": invoice.taxable_amount,
        **{f"{tax}_amount": getattr(invoice, f"{tax}_amount") for tax in _TAXES},
        "round_off_amount": invoice.round_off_amount,
        "total_amount": invoice.total_amount,
        "amount_in_words": rules.amount_in_words(invoice.total_amount),
        "bank": settings.SELLER_BANK_DETAILS,
        "terms": settings.SELLER_TERMS,
    }


def _wording_of(invoice: Invoice) -> rules.Wording:
    return rules.wording_of(
        DocumentType(invoice.type), supplier_state=invoice.seller["state"], place_of_supply=invoice.place_of_supply
    )


def _reference(invoice: Invoice | None) -> dict[str, str] | None:
    return None if invoice is None else {"number": invoice.number, "date": invoice.invoice_date.isoformat()}


def _seller(seller: Mapping[str, Any]) -> dict[str, str]:
    trade_name = seller.get("trade_name") or seller["legal_name"]
    return {**_party(seller), "legal_name": seller["legal_name"], "trade_name": trade_name}


def _party(party: Mapping[str, Any]) -> dict[str, str]:
    return {**{name: party.get(name) or "" for name in _PARTY}, "state_name": state_name(party["state"])}


def _line(line: InvoiceLine, wording: rules.Wording) -> dict[str, Any]:
    per_unit = half_up(line.gross_amount, line.quantity) if line.quantity else 0
    taxability = known_taxability(line.taxability, line.tax_rate)
    return {
        **{name: getattr(line, name) for name in _LINE},
        "taxability": taxability,
        "tax_note": rules.tax_note(taxability, wording.tax_heads),
        "unit_price_without_tax": per_unit,
    }


def _hsn_summary(lines: Sequence[InvoiceLine]) -> list[dict[str, Any]]:
    return [
        {
            "hsn": row.hsn,
            "tax_rate": row.tax_rate,
            "taxable_amount": row.taxable,
            **{f"{tax}_amount": getattr(row, tax) for tax in _TAXES},
            "tax_amount": row.tax,
        }
        for row in rules.hsn_summary(lines)
    ]
