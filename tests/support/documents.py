"""Documents that are in no database: one tax invoice of ₹1,179.00 with one line."""

from datetime import date
from typing import Any

from apps.invoicing.documents import invoice_data
from apps.invoicing.models import Invoice, InvoiceLine
from tests.factories.invoicing import make_snapshot

SELLER = {
    "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "trade_name": "Bahi Demo Store", "line1": "4 Laxmi Road",
    "line2": "", "city": "Pune", "pin": "411030", "state": "27", "state_name": "Maharashtra", "phone": "", "email": "",
}  # fmt: skip


def build_line(position: int = 1, **changed: Any) -> InvoiceLine:
    values = {
        "sku": f"KUR-{position}", "name": "Handloom kurta", "hsn": "61091000", "uqc": "PCS", "quantity_milli": 2_000, "unit_price": 49_950,
        "price_includes_tax": False, "gross_amount": 99_900, "discount_amount": 0, "shipping_amount": 0, "taxable_amount": 99_900,
        "tax_rate": 1800, "igst_amount": 17_982, "total_amount": 117_882,
    }  # fmt: skip
    return InvoiceLine(position=position, **{**values, **changed})


def build_invoice(**changed: Any) -> Invoice:
    values = {
        "number": "INV260000123", "financial_year": "2026-27", "invoice_date": date(2026, 11, 21), "order_number": "ORD-2627-000123",
        "seller": SELLER, "buyer": make_snapshot("29"), "shipping_address": make_snapshot("29"), "place_of_supply": "29",
        "taxable_amount": 99_900, "igst_amount": 17_982, "round_off_amount": 18, "total_amount": 117_900,
        "payment_reference": "UPI pay_QxT7bZ1mN4kP2s",
    }  # fmt: skip
    return Invoice(**{**values, **changed})


def build_document_data(number: str = "INV260000001") -> dict[str, Any]:
    """Return the data of an invoice as its template gets them."""
    return invoice_data(build_invoice(number=number), [build_line()])
