"""
Rendering: the context of an order, an invoice or a user, and the templates that hold the sentences.

Amounts are in rupees with Indian grouping, instants in India's time. Only HTML is escaped; the rest is plain text.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template, render_to_string

from apps.core import money
from apps.core.dates import format_day, format_instant
from apps.core.external_calls import GatewayCall
from apps.notifications import rules


def format_plain_amount(paise: int) -> str:
    """Return an amount without the rupee sign, which would make an SMS three times as long."""
    return money.rupees(paise).replace("₹", "")


def user_context(user: Any) -> dict[str, Any]:
    """Return the context that every message has."""
    return {"shop": settings.SHOP_NAME, "name": user.name}


def order_context(order: Any) -> dict[str, Any]:
    """Return the context of an order."""
    return {
        "number": order.number,
        "total": money.rupees(order.total_amount),
        "plain_total": format_plain_amount(order.total_amount),
        "paid": money.rupees(order.paid_amount),
        "plain_paid": format_plain_amount(order.paid_amount),
        "placed": format_instant(order.placed_at),
        # A payment link may last for longer than the order would have waited without it.
        "expires": format_instant(max(order.expires_at, order.payment_live_until or order.expires_at)),
        "reason": order.cancel_reason,
    }


def order_lines_context(order: Any, lines: Any) -> dict[str, Any]:
    """Return the lines and sums of an order."""
    tax = order.cgst_amount + order.sgst_amount + order.utgst_amount + order.igst_amount
    address = order.shipping_address.snapshot
    return {
        "lines": [
            {"name": line.name, "quantity": line.quantity, "total": money.rupees(line.total_amount)} for line in lines
        ],
        "taxable": money.rupees(order.taxable_amount),
        "tax": money.rupees(tax),
        "round_off": money.rupees(order.round_off_amount) if order.round_off_amount else "",
        "ship_to": ", ".join(str(address[part]) for part in ("name", "line1", "city", "pin") if address.get(part)),
    }


def shipment_context(shipment: Any, lines: Any) -> dict[str, Any]:
    """Return the context of a shipment: what is in it, and how it travels; a carrier that staff have not named has a general name."""
    return {
        "items": [{"name": line.order_line.name, "quantity": line.quantity} for line in lines],
        "carrier": shipment.carrier_name or "our delivery partner",
        "tracking": shipment.tracking_number or "not available",
        "is_damaged": shipment.damaged_at is not None,
        "dispatched": format_instant(shipment.dispatched_at),
    }


def invoice_context(invoice: Any) -> dict[str, Any]:
    """Return the context of an invoice or a bill of supply; its id leads the e-mail to the PDF."""
    return {
        "invoice_id": str(invoice.pk),
        "is_taxed": invoice.total_amount - invoice.round_off_amount != invoice.taxable_amount,
        "document": str(invoice.get_type_display()),
        "invoice_number": invoice.number,
        "invoice_date": format_day(invoice.invoice_date),
        "invoice_total": money.rupees(invoice.total_amount),
        "number": invoice.order_number,
    }


def credit_note_context(note: Any, invoice: Any) -> dict[str, Any]:
    """Return the context of a credit note; its id leads the e-mail to the PDF."""
    return {
        "invoice_id": str(note.pk),
        "invoice_number": note.number,
        "invoice_date": format_day(note.invoice_date),
        "invoice_total": money.rupees(note.total_amount),
        "is_taxed": invoice.total_amount - invoice.round_off_amount != invoice.taxable_amount,
        "original_number": invoice.number,
        "original_date": format_day(invoice.invoice_date),
        "number": note.order_number,
    }


def amount_context(row: Any, *, due: date) -> dict[str, Any]:
    """Return the context of a refund: how much, and the day by which the buyer has it."""
    return {"amount": money.rupees(row.amount), "plain_amount": format_plain_amount(row.amount), "due": format_day(due)}


def payment_link_context(payment: Any) -> dict[str, Any]:
    """Return the context of a payment link: where to pay how much, and until when."""
    return {
        "amount": money.rupees(payment.amount),
        "plain_amount": format_plain_amount(payment.amount),
        "link": payment.next_action["url"],
        "until": format_instant(payment.live_until),
    }


def refund_context(refund: Any, *, due: date) -> dict[str, Any]:
    """Return the context of a refund. `due` is the day by which the buyer has the money, or another message."""
    return {
        **amount_context(refund, due=due),
        "refund_number": refund.number,
        "is_by_transfer": bool(refund.transfer_reference),
        "bank_reference": refund.transfer_reference or refund.arn,
    }


def dispute_context(dispute: Any) -> dict[str, Any]:
    """Return the context of a dispute; `outcome` is its state, `respond_by` empty if the bank set no time."""
    return {
        "amount": money.rupees(dispute.amount),
        "outcome": dispute.status,
        "dispute": dispute.gateway_dispute_id,
        "bank_reason": dispute.reason_code.replace("_", " "),
        "respond_by": format_instant(dispute.respond_by) if dispute.respond_by else "",
        "refusal": str(dispute.error.get("description", "")) if dispute.gateway_call == GatewayCall.REJECTED else "",
        "page": f"{settings.PUBLIC_URL}/admin/payments/dispute/{dispute.pk}/change/",
    }


def render_sms(message: rules.MessageTemplate, context: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the variables of a message's SMS and its text as the phone will show it."""
    variables = rules.sms_variables(message, context)
    text = render_to_string(f"sms/notifications/{message.name}.txt").strip()
    return variables, rules.fill(text, variables)


def render_in_app(message: rules.MessageTemplate, context: Mapping[str, Any]) -> tuple[str, str]:
    """Return title and body of an in-app message."""
    return rules.title_and_body(_plain_text(f"in_app/notifications/{message.name}.txt", context))


def render_email(message: rules.MessageTemplate, context: Mapping[str, Any]) -> tuple[str, str]:
    """Return subject and text of an e-mail."""
    subject = _plain_text(f"email/notifications/{message.name}.subject.txt", context)
    text = _plain_text(f"email/notifications/{message.name}.txt", context)
    return rules.one_line(subject, limit=160), text.strip() + "\n"


def render_email_html(name: str, context: Mapping[str, Any], *, title: str) -> str:
    """Return the HTML of an e-mail, with everything that people typed escaped."""
    return render_to_string(f"email/notifications/{name}.html", {**context, "title": title})


def _plain_text(name: str, context: Mapping[str, Any]) -> str:
    # Django escapes for HTML whatever the file is called.
    template: Any = get_template(name)
    return str(template.template.render(Context(dict(context), autoescape=False)))
