"""The data of an evidence pack for its template, which has all words and the layout: `dispute_evidence.typ`."""

from datetime import datetime
from typing import Any

from django.conf import settings

from apps.backoffice.selectors.dispute_evidence import Evidence
from apps.core import clock, pdf

TEMPLATE = "backoffice/documents/dispute_evidence.typ"
_ADDRESS = ("name", "company", "line1", "line2", "city", "state_name", "pin")


def render_evidence_document(evidence: Evidence) -> bytes:
    """Return the PDF of an evidence pack; the same rows and settings always give the same bytes."""
    return pdf.render(TEMPLATE, evidence_data(evidence), logo=settings.SELLER_LOGO_PATH)


def evidence_data(evidence: Evidence) -> dict[str, Any]:
    """
    Return what an evidence pack says, as JSON: amounts in paise, instants of India as ISO.

    It is laid out by the template, and attached to the PDF for programs.
    """
    return {
        "date": evidence.dispute.opened_at.astimezone(clock.IST).date().isoformat(),
        "shop_name": settings.SHOP_NAME,
        "dispute": _dispute(evidence),
        "order": _order(evidence),
        "payment": _payment(evidence),
        "buyer": _buyer(evidence),
        "shipments": _shipments(evidence),
        "documents": _documents(evidence),
        "messages": _messages(evidence),
        "timeline": [{"at": _at(one.at), "text": one.text, "actor": one.actor} for one in evidence.timeline],
        "statements": _statements(evidence),
    }


def _dispute(evidence: Evidence) -> dict[str, Any]:
    dispute = evidence.dispute
    return {
        "id": dispute.gateway_dispute_id,
        "amount": dispute.amount,
        "reason": dispute.reason_code.replace("_", " "),
        "phase": dispute.get_phase_display(),
        "opened_at": _at(dispute.opened_at),
        "summary": dispute.summary,
    }


def _order(evidence: Evidence) -> dict[str, Any]:
    order = evidence.order
    lines = [
        {"name": line.name, "sku": line.sku, "quantity": line.quantity, "total_amount": line.total_amount}
        for line in evidence.lines
    ]
    address = order.shipping_address.snapshot
    return {
        "number": order.number,
        "status": order.get_status_display(),
        "placed_at": _at(order.placed_at),
        "confirmed_at": _at(order.confirmed_at),
        "total_amount": order.total_amount,
        "lines": lines,
        "delivery_address": [str(address[part]) for part in _ADDRESS if address.get(part)],
    }


def _payment(evidence: Evidence) -> dict[str, Any]:
    attempt, payment = evidence.attempt, evidence.payment
    return {
        "id": attempt.gateway_payment_id,
        "amount": attempt.amount,
        "captured_at": _at(attempt.captured_at),
        "method": f"{attempt.method} {attempt.payer}".strip(),
        "bank_reference": attempt.rrn or "",
        "payer_ip": str(payment.payer_ip or ""),
        "payer_user_agent": payment.payer_user_agent or "",
    }


def _buyer(evidence: Evidence) -> dict[str, Any]:
    customer = evidence.customer
    return {
        "name": customer.name or "",
        "phone": evidence.phone,
        "phone_confirmed_at": _at(evidence.phone_confirmed_at),
        "email": evidence.email,
        "email_confirmed_at": _at(customer.email_confirmed_at),
        "customer_since": _at(evidence.signed_up_at or customer.created_at),
        "log_ins": [
            {"at": _at(one.created_at), "ip": str(one.ip or ""), "user_agent": one.user_agent}
            for one in evidence.log_ins
        ],
    }


def _shipments(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        {
            "number": one.number,
            "status": one.get_status_display(),
            "carrier": one.carrier_name,
            "tracking_number": one.tracking_number,
            "dispatched_at": _at(one.dispatched_at),
            "delivered_at": _at(one.delivered_at),
            "lines": [{"name": line.order_line.name, "quantity": line.quantity} for line in one.lines.all()],
        }
        for one in evidence.shipments
    ]


def _documents(evidence: Evidence) -> list[dict[str, Any]]:
    documents = [
        {
            "title": one.get_type_display(),
            "number": one.number,
            "at": _at(one.issued_at),
            "amount": one.total_amount,
            "bank_reference": "",
        }
        for one in evidence.documents
    ]
    refunds = [
        {
            "title": "Refund",
            "number": one.number,
            "at": _at(one.processed_at),
            "amount": one.amount,
            "bank_reference": one.arn or one.transfer_reference,
        }
        for one in evidence.refunds
    ]
    return documents + refunds


def _messages(evidence: Evidence) -> list[dict[str, str]]:
    return [
        {
            "at": _at(one.message.sent_at or one.message.created_at),
            "channel": one.message.get_channel_display(),
            "recipient": one.recipient,
            "subject": one.message.title,
            "status": one.message.get_status_display(),
        }
        for one in evidence.messages
    ]


def _statements(evidence: Evidence) -> list[dict[str, str]]:
    return [
        {
            "kind": str(one.kind),
            "title": one.get_kind_display(),
            "at": _at(one.created_at),
            "carrier": one.carrier,
            "tracking_number": one.tracking_number,
            "text": one.text,
        }
        for one in evidence.statements
    ]


def _at(instant: datetime | None) -> str:
    return f"{instant.astimezone(clock.IST):%Y-%m-%dT%H:%M:%S}" if instant else ""
