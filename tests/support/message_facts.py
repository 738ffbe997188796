"""The facts that every message can be written from, and the templates."""

from typing import Any

from apps.notifications import rules

FACTS: dict[str, Any] = {
    "shop": "Bahi", "name": "Asha <script>alert(1)</script> & Sons", "when": "21 Nov 2026, 11:05 am IST",
    "email": "asha@example.com", "number": "ORD-2627-000123", "total": "₹12,34,567.00", "plain_total": "12,34,567.00",
    "paid": "₹12,34,567.00", "plain_paid": "12,34,567.00", "placed": "21 Nov 2026, 11:05 am IST",
    "expires": "21 Nov 2026, 11:35 am IST", "reason": "Changed <my> mind", "link": "https://rzp.io/i/nxrHnLJ",
    "until": "22 Nov 2026, 11:05 am IST",
    "lines": [{"name": "Kurta <b>blue</b>", "quantity": 2, "total": "₹1,179.00"}], "taxable": "₹999.15", "tax": "₹179.85",
    "round_off": "", "ship_to": "Asha <Owner>, Bengaluru", "invoice_id": "", "invoice_number": "INV270000001",
    "invoice_date": "21 Nov 2026", "invoice_total": "₹1,179.00", "original_number": "INV270000001",
    "original_date": "20 Nov 2026", "amount": "₹12,34,567.00", "plain_amount": "12,34,567.00", "due": "30 Nov 2026",
    "outcome": "lost", "dispute": "disp_NQxlPq2WmR8sTz", "bank_reason": "goods <not> received", "hours": 24,
    "respond_by": "30 Nov 2026, 11:05 am IST", "refusal": "No <b>document</b>.", "page": "http://127.0.0.1:8000/admin/",
    "items": [{"name": "Kurta <b>blue</b>", "quantity": 2}], "carrier": "Blue <Dart>", "tracking": "AWB<1>23",
    "is_damaged": False, "dispatched": "21 Nov 2026, 11:05 am IST",
    "refund_number": "ORD-2627-000123-R1", "is_by_transfer": False, "bank_reference": "<b>ARN1</b>",
}  # fmt: skip


MESSAGE_TEMPLATES = list(rules.MESSAGE_TEMPLATES.values())
