"""The shapes of invoices and credit notes that go out."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import IdField, ResponseSerializer, list_response
from apps.invoicing import rules
from apps.invoicing.states import DocumentType, InvoiceStatus
from apps.tax.rules import Taxability, known_taxability, state_name


class StateResponse(ResponseSerializer):
    """A state by its GST code."""

    state = serializers.CharField(help_text="Two-digit GST state code.")
    state_name = serializers.CharField()


class PartyResponse(ResponseSerializer):
    """A buyer's or a delivery address as it stood on the day of issue."""

    name = serializers.CharField(default="")
    company = serializers.CharField(default="")
    phone = serializers.CharField(default="")
    line1 = serializers.CharField(default="")
    line2 = serializers.CharField(default="")
    city = serializers.CharField(default="")
    state = serializers.CharField()
    state_name = serializers.SerializerMethodField()
    pin = serializers.CharField(default="")
    gstin = serializers.CharField(default="")

    def get_state_name(self, party: dict[str, Any]) -> str:
        return state_name(party["state"])


class SellerResponse(ResponseSerializer):
    """The seller's registration as it stood on the day of issue."""

    gstin = serializers.CharField()
    legal_name = serializers.CharField()
    trade_name = serializers.CharField(default="")
    line1 = serializers.CharField(default="")
    line2 = serializers.CharField(default="")
    city = serializers.CharField(default="")
    state = serializers.CharField()
    state_name = serializers.CharField(default="")
    pin = serializers.CharField(default="")


class InvoiceLineResponse(ResponseSerializer):
    """One line; amounts in paise, the rate in basis points."""

    id = IdField("invl")
    object = serializers.CharField(default="invoice_line")
    position = serializers.IntegerField()
    order_line_id = IdField("line")
    sku = serializers.CharField()
    name = serializers.CharField()
    hsn = serializers.CharField()
    uqc = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = serializers.IntegerField()
    price_includes_tax = serializers.BooleanField()
    gross_amount = serializers.IntegerField()
    discount_amount = serializers.IntegerField()
    shipping_amount = serializers.IntegerField()
    taxable_amount = serializers.IntegerField()
    tax_rate = serializers.IntegerField()
    taxability = serializers.SerializerMethodField(help_text="Whether the line bears tax, and if not, why.")
    cgst_amount = serializers.IntegerField()
    sgst_amount = serializers.IntegerField()
    utgst_amount = serializers.IntegerField()
    igst_amount = serializers.IntegerField()
    total_amount = serializers.IntegerField()

    @extend_schema_field(serializers.ChoiceField(choices=[one.value for one in Taxability]))
    def get_taxability(self, line: Any) -> str:
        return known_taxability(line.taxability, line.tax_rate)


class HsnRowResponse(ResponseSerializer):
    """What an invoice has under one HSN code at one rate."""

    hsn = serializers.CharField()
    tax_rate = serializers.IntegerField()
    taxable_amount = serializers.IntegerField(source="taxable")
    cgst_amount = serializers.IntegerField(source="cgst")
    sgst_amount = serializers.IntegerField(source="sgst")
    utgst_amount = serializers.IntegerField(source="utgst")
    igst_amount = serializers.IntegerField(source="igst")
    tax_amount = serializers.IntegerField(source="tax")


class InvoiceSummaryResponse(ResponseSerializer):
    """An invoice in a list; amounts in paise."""

    path = "invoices"

    id = IdField("inv")
    object = serializers.CharField(default="invoice")
    type = serializers.ChoiceField(DocumentType.choices)
    status = serializers.ChoiceField(InvoiceStatus.choices)
    number = serializers.CharField()
    financial_year = serializers.CharField()
    issued_at = serializers.DateTimeField()
    invoice_date = serializers.DateField()
    order_id = IdField("ord")
    order_number = serializers.CharField()
    customer_id = IdField("cus")
    currency = serializers.CharField()
    taxable_amount = serializers.IntegerField()
    cgst_amount = serializers.IntegerField()
    sgst_amount = serializers.IntegerField()
    utgst_amount = serializers.IntegerField()
    igst_amount = serializers.IntegerField()
    round_off_amount = serializers.IntegerField()
    total_amount = serializers.IntegerField()
    pdf_url = serializers.SerializerMethodField(help_text="Null until the PDF has been made.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def get_pdf_url(self, invoice: Any) -> str | None:
        return f"/api/v1/{self.path}/{invoice.public_id}/pdf" if hasattr(invoice, "file") else None


class InvoiceResponse(InvoiceSummaryResponse):
    """An invoice with all that stands on it."""

    total_in_words = serializers.SerializerMethodField()
    declaration = serializers.SerializerMethodField(help_text="What kind of document it is by law, if it says so.")
    tax_heads = serializers.SerializerMethodField(
        help_text="The heads of tax of its supply, charged or not: `cgst` and `sgst`, `cgst` and `utgst`, or `igst`."
    )
    place_of_supply = serializers.SerializerMethodField()
    is_reverse_charge = serializers.BooleanField()
    payment_reference = serializers.CharField()
    seller = SellerResponse()
    buyer = PartyResponse()
    shipping_address = PartyResponse()
    lines = InvoiceLineResponse(many=True, source="lines.all")
    hsn_summary = serializers.SerializerMethodField()

    def get_total_in_words(self, invoice: Any) -> str:
        return rules.amount_in_words(invoice.total_amount)

    def get_declaration(self, invoice: Any) -> str:
        return _wording_of(invoice).declaration

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_tax_heads(self, invoice: Any) -> list[str]:
        return list(_wording_of(invoice).tax_heads)

    @extend_schema_field(StateResponse)
    def get_place_of_supply(self, invoice: Any) -> Any:
        code = invoice.place_of_supply
        return StateResponse({"state": code, "state_name": state_name(code)}).data

    @extend_schema_field(HsnRowResponse(many=True))
    def get_hsn_summary(self, invoice: Any) -> Any:
        return HsnRowResponse(rules.hsn_summary(invoice.lines.all()), many=True).data


def _wording_of(invoice: Any) -> rules.Wording:
    return rules.wording_of(
        DocumentType(invoice.type), supplier_state=invoice.seller["state"], place_of_supply=invoice.place_of_supply
    )


class CreditedInvoiceResponse(ResponseSerializer):
    """The invoice that a credit note takes something back of."""

    id = IdField("inv")
    number = serializers.CharField()
    invoice_date = serializers.DateField()


class CreditNoteSummaryResponse(InvoiceSummaryResponse):
    """A credit note in a list; its amounts, in paise, are what it takes back."""

    path = "credit-notes"

    object = serializers.CharField(default="credit_note")
    invoice_date = serializers.DateField(help_text="The credit note's own date.")
    refers_to = CreditedInvoiceResponse()
    refund_id = IdField("rfnd")
    reason = serializers.CharField()


class CreditNoteResponse(CreditNoteSummaryResponse, InvoiceResponse):
    """A credit note with all that stands on it. A line of quantity 0 takes back money and no goods."""


InvoiceListResponse = list_response(InvoiceSummaryResponse)
CreditNoteListResponse = list_response(CreditNoteSummaryResponse)

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
    "reason": "Goods came back",
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
