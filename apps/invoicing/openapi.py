"""How the description of the API presents invoices and credit notes: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_view

from apps.core.api.filters import id_schema
from apps.core.api.pdf import PDF_RESPONSES
from apps.core.api.schema import operation, page_example
from apps.invoicing import selectors
from apps.invoicing.models import Invoice

SUMMARY_EXAMPLE: dict[str, Any] = {
    "id": "inv_06dzxr5m7k3vh9q0t2w4y6b8ca",
    "object": "invoice",
    "type": "tax_invoice",
    "status": "issued",
    "number": "INV260000123",
    "financial_year": "2026-27",
    "issued_at": "2026-11-21T05:30:04.000Z",
    "invoice_date": "2026-11-21",
    "order_id": "ord_06dzxr4f2b6c8d0e2g4h6j8kam",
    "order_number": "ORD-2627-000123",
    "customer_id": "cus_06dzxr10ab2cd4ef6gh8jk0mnp",
    "currency": "INR",
    "taxable_amount": 95048,
    "cgst_amount": 0,
    "sgst_amount": 0,
    "utgst_amount": 0,
    "igst_amount": 4752,
    "round_off_amount": 0,
    "total_amount": 99800,
    "pdf_url": "/api/v1/invoices/inv_06dzxr5m7k3vh9q0t2w4y6b8ca/pdf",
    "created_at": "2026-11-21T05:30:04.000Z",
    "updated_at": "2026-11-21T05:30:04.000Z",
    "version": 2,
    "metadata": {},
}
_BUYER = {
    "name": "Asha Rao", "company": "", "phone": "+919876543210", "line1": "12 MG Road", "line2": "", "city": "Bengaluru",
    "state": "29", "state_name": "Karnataka", "pin": "560001", "gstin": "",
}  # fmt: skip
INVOICE_EXAMPLE: dict[str, Any] = {
    **SUMMARY_EXAMPLE,
    "total_in_words": "Rupees Nine Hundred Ninety-Eight Only",
    "declaration": "",
    "tax_heads": ["igst"],
    "place_of_supply": {"state": "29", "state_name": "Karnataka"},
    "is_reverse_charge": False,
    "payment_reference": "UPI pay_QxT7bZ1mN4kP2s",
    "seller": {
        "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "trade_name": "Bahi Demo Store",
        "line1": "4 Laxmi Road", "line2": "", "city": "Pune", "state": "27", "state_name": "Maharashtra", "pin": "411030",
    },
    "buyer": _BUYER,
    "shipping_address": _BUYER,
    "lines": [
        {
            "id": "invl_06dzxr5m7n3vh9q0t2w4y6b8ca", "object": "invoice_line", "position": 1,
            "order_line_id": "line_06dzxr4f2c6c8d0e2g4h6j8kam", "sku": "KUR-IND-M", "name": "Handloom kurta, indigo, M",
            "hsn": "62114210", "uqc": "PCS", "quantity": 2, "unit_price": 49900, "price_includes_tax": True,
            "gross_amount": 95048, "discount_amount": 0, "shipping_amount": 0, "taxable_amount": 95048, "tax_rate": 500,
            "taxability": "taxable", "cgst_amount": 0, "sgst_amount": 0, "utgst_amount": 0, "igst_amount": 4752, "total_amount": 99800,
        }
    ],
    "hsn_summary": [
        {
            "hsn": "62114210", "tax_rate": 500, "taxable_amount": 95048, "cgst_amount": 0, "sgst_amount": 0,
            "utgst_amount": 0, "igst_amount": 4752, "tax_amount": 4752,
        }
    ],
}  # fmt: skip
_NOTE_AMOUNTS = {"taxable_amount": 47_524, "igst_amount": 2_376, "round_off_amount": 0, "total_amount": 49_900}
_NOTE_FACTS = {
    "id": "inv_06e0n8c2v7m4r1s9d3f5g7h9ja",
    "object": "credit_note",
    "type": "credit_note",
    "number": "CRN260000007",
    "issued_at": "2026-11-25T09:12:40.000Z",
    "invoice_date": "2026-11-25",
    "pdf_url": "/api/v1/credit-notes/inv_06e0n8c2v7m4r1s9d3f5g7h9ja/pdf",
    "created_at": "2026-11-25T09:12:40.000Z",
    "updated_at": "2026-11-25T09:12:40.000Z",
    "refers_to": {"id": SUMMARY_EXAMPLE["id"], "number": "INV260000123", "invoice_date": "2026-11-21"},
    "refund_id": "rfnd_06e0n8a4b6c8d0e2g4h6j8kam0",
    "reason": "Goods were returned",
    **_NOTE_AMOUNTS,
}
_NOTE_LINE = {
    "quantity": 1,
    "gross_amount": 47_524,
    "taxable_amount": 47_524,
    "igst_amount": 2_376,
    "total_amount": 49_900,
}
CREDIT_NOTE_SUMMARY_EXAMPLE = {**SUMMARY_EXAMPLE, **_NOTE_FACTS}
CREDIT_NOTE_EXAMPLE = {
    **INVOICE_EXAMPLE,
    **_NOTE_FACTS,
    "total_in_words": "Rupees Four Hundred Ninety-Nine Only",
    "payment_reference": "Refund rfnd_QxV2cD5nR8tW1z",
    "lines": [{**INVOICE_EXAMPLE["lines"][0], "id": "invl_06e0n8c2v7m4r1s9d3f5g7h9jb", **_NOTE_LINE}],
    "hsn_summary": [
        {**INVOICE_EXAMPLE["hsn_summary"][0], "taxable_amount": 47_524, "igst_amount": 2_376, "tax_amount": 2_376}
    ],
}

_CREDIT_NOTE_ID = OpenApiParameter("credit_note_id", id_schema(Invoice.PREFIX), OpenApiParameter.PATH)

describe_invoices = extend_schema_view(
    list=operation(
        "list_invoices",
        "List invoices",
        description="My invoices, newest first. Staff who may view invoices get those of all customers.",
        examples=[page_example(SUMMARY_EXAMPLE)],
    ),
    retrieve=operation(
        "get_invoice",
        "Read an invoice",
        description="The invoice as it was issued: lines, tax by head and by HSN code, and the URL of its PDF.",
        examples=[OpenApiExample("An invoice", response_only=True, value=INVOICE_EXAMPLE)],
    ),
    pdf=operation(
        "get_invoice_pdf",
        "Download an invoice",
        description="The PDF, always the same bytes. 409 `document_not_ready` with Retry-After while it is being prepared.",
        responses=PDF_RESPONSES,
        raises=[selectors.DocumentNotReady("INV260000123", retry_after=2)],
    ),
)

describe_credit_notes = extend_schema_view(
    list=operation(
        "list_credit_notes",
        "List credit notes",
        description="My credit notes, newest first, one for each refund of an invoice. Staff who may view invoices"
        " get those of all customers.",
        examples=[page_example(CREDIT_NOTE_SUMMARY_EXAMPLE)],
    ),
    retrieve=operation(
        "get_credit_note",
        "Read a credit note",
        parameters=[_CREDIT_NOTE_ID],
        description="The credit note as it was issued: the invoice and the amounts that it corrects, its refund, and the URL of its PDF.",
        examples=[OpenApiExample("A credit note", response_only=True, value=CREDIT_NOTE_EXAMPLE)],
    ),
    pdf=operation(
        "get_credit_note_pdf",
        "Download a credit note",
        description="The PDF, always the same bytes. 409 `document_not_ready` with Retry-After while it is being prepared.",
        parameters=[_CREDIT_NOTE_ID],
        responses=PDF_RESPONSES,
        raises=[selectors.DocumentNotReady("CRN260000007", retry_after=2)],
    ),
)
