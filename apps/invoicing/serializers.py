"""The shapes of invoices and credit notes that go out."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import IdField, ResponseSerializer
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
    pdf_url = serializers.SerializerMethodField(help_text="Null until the PDF has been rendered.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def get_pdf_url(self, invoice: Any) -> str | None:
        return f"/api/v1/{self.path}/{invoice.public_id}/pdf" if hasattr(invoice, "file") else None


class InvoiceResponse(InvoiceSummaryResponse):
    """An invoice with all of its data."""

    total_in_words = serializers.SerializerMethodField()
    declaration = serializers.SerializerMethodField(help_text="The kind of document by law, if the document states it.")
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
    """A credit note with all of its data. A line of quantity 0 credits money and no goods."""
