"""Pages and codes to pay on: payment links and QR codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.json_types import JsonObject
from sandbox.razorpay.entities.notes import Notes, format_notes


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
    customer: JsonObject = field(default_factory=dict)
    notify: JsonObject = field(default_factory=dict)
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
    payments: list[JsonObject] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)

    def to_wire(self) -> JsonObject:
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
    tax_invoice: JsonObject | None = None
    payment_ids: list[str] = field(default_factory=list)
    payments_amount_received: int = 0

    def to_wire(self) -> JsonObject:
        body: JsonObject = {
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
            "notes": format_notes(self.notes),
            "customer_id": self.customer_id,
            "close_by": self.close_by,
            "closed_at": self.closed_at,
            "close_reason": self.close_reason,
        }
        if self.tax_invoice is not None:
            body["tax_invoice"] = dict(self.tax_invoice)
        return body
