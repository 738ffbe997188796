"""What the later parts of the gateway keep: refunds, adjustments, settlements, disputes, links and QR codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Notes = dict[str, Any]

EVIDENCE_KINDS = (
    "shipping_proof",
    "billing_proof",
    "cancellation_proof",
    "customer_communication",
    "proof_of_service",
    "explanation_letter",
    "refund_confirmation",
    "access_activity_log",
    "refund_cancellation_policy",
    "term_and_conditions",
)


def notes_on_the_wire(notes: Notes) -> Notes | list[Any]:
    """Return notes as Razorpay sends them: an empty object comes as an empty list."""
    return dict(notes) if notes else []


@dataclass(kw_only=True)
class Refund:
    """
    A refund to a payer; amounts in paise, times in Unix seconds.

    `automatic` marks a refund that the gateway made by itself because nobody captured the payment; it changes no
    balance. A payment in the payer's own currency is refunded by `payer_amount`, which counts as `amount` for the
    merchant; the wire has the payer's amount alone.
    """

    id: str
    payment_id: str
    amount: int
    currency: str
    created_at: int
    notes: Notes = field(default_factory=dict)
    receipt: str | None = None
    speed_requested: Literal["normal", "optimum"] = "normal"
    speed_processed: Literal["normal", "instant"] = "normal"
    status: Literal["pending", "processed", "failed"] = "pending"
    arn: str | None = None
    automatic: bool = False
    settlement_id: str | None = None
    payer_amount: int | None = None
    payer_currency: str | None = None

    def wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "entity": "refund",
            "amount": self.amount if self.payer_amount is None else self.payer_amount,
            "currency": self.payer_currency or self.currency,
            "payment_id": self.payment_id,
            "notes": notes_on_the_wire(self.notes),
            "receipt": self.receipt,
            "acquirer_data": {"arn": self.arn},
            "created_at": self.created_at,
            "batch_id": None,
            "status": self.status,
            "speed_requested": self.speed_requested,
            "speed_processed": self.speed_processed,
        }


@dataclass(kw_only=True)
class Adjustment:
    """
    A correction of the merchant's balance in paise: below zero it was taken, above zero it was returned.

    `kind` is what its line says, for transfers to linked accounts and for kinds that the API's documents do not name; `fee` and
    the `tax` in it are part of what was taken. It may be about no payment, and about what is in no table.
    """

    id: str
    amount: int
    currency: str
    created_at: int
    description: str
    payment_id: str | None = None
    dispute_id: str | None = None
    settlement_id: str | None = None
    kind: str = "adjustment"
    credit_type: str = "default"
    fee: int = 0
    tax: int = 0


@dataclass(kw_only=True)
class Settlement:
    """
    One transfer to the merchant's bank; amounts in paise.

    `rows` are the lines of its report as the API returns them, `planted` the errors in them. A synthetic settlement has
    no rows of its own: `recipe` says how to make them again, and `lines` how many there are.
    """

    id: str
    amount: int
    fees: int
    tax: int
    utr: str
    created_at: int
    lines: int
    status: Literal["created", "processed", "failed"] = "processed"
    rows: list[dict[str, Any]] = field(default_factory=list)
    planted: list[dict[str, Any]] = field(default_factory=list)
    recipe: dict[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "entity": "settlement",
            "amount": self.amount,
            "status": self.status,
            "fees": self.fees,
            "tax": self.tax,
            "utr": self.utr,
            "created_at": self.created_at,
        }


@dataclass(kw_only=True)
class Dispute:
    """A dispute of a payment by the payer's bank; amounts in paise, times in Unix seconds."""

    id: str
    payment_id: str
    amount: int
    currency: str
    created_at: int
    respond_by: int
    reason_code: str
    phase: str
    status: Literal["open", "under_review", "won", "lost", "closed"] = "open"
    amount_deducted: int = 0
    evidence: dict[str, Any] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        evidence = {
            name: self.evidence.get(name) for name in ("amount", "summary", *EVIDENCE_KINDS, "others", "submitted_at")
        }
        evidence["amount"] = evidence["amount"] or self.amount
        return {
            "id": self.id,
            "entity": "dispute",
            "payment_id": self.payment_id,
            "amount": self.amount,
            "currency": self.currency,
            "amount_deducted": self.amount_deducted,
            "reason_code": self.reason_code,
            "respond_by": self.respond_by,
            "status": self.status,
            "phase": self.phase,
            "created_at": self.created_at,
            "evidence": evidence,
        }


@dataclass(kw_only=True)
class Document:
    """A file that a merchant uploaded; only its outside is kept."""

    id: str
    purpose: str
    name: str
    mime_type: str
    size: int
    created_at: int

    def wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "entity": "document",
            "purpose": self.purpose,
            "name": self.name,
            "mime_type": self.mime_type,
            "size": self.size,
            "created_at": self.created_at,
        }


@dataclass(kw_only=True)
class PaymentLink:
    """A page on which anybody can pay; amounts in paise, times in Unix seconds, 0 for never."""

    id: str
    amount: int
    currency: str
    created_at: int
    short_url: str
    accept_partial: bool = False
    first_min_partial_amount: int = 0
    reference_id: str = ""
    description: str = ""
    customer: dict[str, Any] = field(default_factory=dict)
    notify: dict[str, Any] = field(default_factory=dict)
    reminder_enable: bool = False
    notes: Notes = field(default_factory=dict)
    callback_url: str = ""
    callback_method: str = ""
    expire_by: int = 0
    expired_at: int = 0
    cancelled_at: int = 0
    updated_at: int = 0
    amount_paid: int = 0
    status: Literal["created", "partially_paid", "paid", "expired", "cancelled"] = "created"
    order_id: str | None = None
    payments: list[dict[str, Any]] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)

    def wire(self) -> dict[str, Any]:
        return {
            "accept_partial": self.accept_partial,
            "amount": self.amount,
            "amount_paid": self.amount_paid,
            "callback_method": self.callback_method,
            "callback_url": self.callback_url,
            "cancelled_at": self.cancelled_at,
            "created_at": self.created_at,
            "currency": self.currency,
            "customer": dict(self.customer),
            "description": self.description,
            "expire_by": self.expire_by,
            "expired_at": self.expired_at,
            "first_min_partial_amount": self.first_min_partial_amount,
            "id": self.id,
            "notes": dict(self.notes) if self.notes else None,
            "notify": dict(self.notify),
            "order_id": self.order_id,
            "payments": [dict(row) for row in self.payments] or None,
            "reference_id": self.reference_id,
            "reminder_enable": self.reminder_enable,
            "reminders": [],
            "short_url": self.short_url,
            "status": self.status,
            "updated_at": self.updated_at,
            "upi_link": False,
            "user_id": "",
            "whatsapp_link": False,
        }


@dataclass(kw_only=True)
class QrCode:
    """A UPI QR code, for one payment or for many; amounts in paise, times in Unix seconds."""

    id: str
    name: str | None
    usage: Literal["single_use", "multiple_use"]
    type: str
    created_at: int
    image_url: str
    fixed_amount: bool = False
    payment_amount: int | None = None
    description: str | None = None
    customer_id: str | None = None
    notes: Notes = field(default_factory=dict)
    close_by: int | None = None
    closed_at: int | None = None
    close_reason: Literal["on_demand", "paid"] | None = None
    status: Literal["active", "closed"] = "active"
    tax_invoice: dict[str, Any] | None = None
    payment_ids: list[str] = field(default_factory=list)
    payments_amount_received: int = 0

    def wire(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self.id,
            "entity": "qr_code",
            "created_at": self.created_at,
            "name": self.name,
            "usage": self.usage,
            "type": self.type,
            "image_url": self.image_url,
            "payment_amount": self.payment_amount,
            "status": self.status,
            "description": self.description,
            "fixed_amount": self.fixed_amount,
            "payments_amount_received": self.payments_amount_received,
            "payments_count_received": len(self.payment_ids),
            "notes": notes_on_the_wire(self.notes),
            "customer_id": self.customer_id,
            "close_by": self.close_by,
            "closed_at": self.closed_at,
            "close_reason": self.close_reason,
        }
        if self.tax_invoice is not None:
            body["tax_invoice"] = dict(self.tax_invoice)
        return body
