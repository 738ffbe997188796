"""Orders, the attempts to pay them, and refunds; amounts in paise, times in Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypedDict

from sandbox.json_types import JsonObject
from sandbox.razorpay.entities.notes import Notes, format_notes

AUTOMATIC_CAPTURE_MINUTES = 3 * 24 * 60
MANUAL_CAPTURE_MINUTES = 3 * 24 * 60


@dataclass(kw_only=True)
class Order:
    """
    A Razorpay order; amounts in paise, times in Unix seconds.

    `automatic_minutes` bounds automatic capture; a payment that is authorised and not captured within `manual_minutes`
    is refunded to the payer.
    """

    id: str
    amount: int
    currency: str
    receipt: str | None
    notes: Notes
    created_at: int
    capture: Literal["automatic", "manual"] = "automatic"
    automatic_minutes: int = AUTOMATIC_CAPTURE_MINUTES
    manual_minutes: int = MANUAL_CAPTURE_MINUTES
    partial_payment: bool = False
    first_payment_min_amount: int | None = None
    amount_paid: int = 0
    attempts: int = 0
    status: Literal["created", "attempted", "paid"] = "created"

    def to_wire(self) -> JsonObject:
        body: JsonObject = {
            "id": self.id,
            "entity": "order",
            "amount": self.amount,
            "amount_paid": self.amount_paid,
            "amount_due": self.amount - self.amount_paid,
            "currency": self.currency,
            "receipt": self.receipt,
            "offer_id": None,
            "status": self.status,
            "attempts": self.attempts,
            "notes": format_notes(self.notes),
            "created_at": self.created_at,
        }
        if self.partial_payment:
            body["partial_payment"] = True
            body["first_payment_min_amount"] = self.first_payment_min_amount
        return body


class Card(TypedDict):
    """The card that a payment was made with."""

    id: str
    entity: str
    name: str
    last4: str
    network: str
    type: str
    issuer: str
    international: bool
    emi: bool
    sub_type: str
    token_iin: str | None


@dataclass(kw_only=True)
class Payment:
    """
    One attempt to pay; amounts in paise, times in Unix seconds.

    `fee` includes `tax`; both are None until captured. What is paid by QR code has no order. `amount` is what the merchant is
    credited; a payer who pays in a currency of their own is charged `payer_amount`. `settles` is what it pays of its order where
    that is another amount: the payer bears the fee (`fee_bearer`), or has an offer.
    """

    id: str
    order_id: str | None
    amount: int
    currency: str
    method: str
    email: str
    contact: str
    created_at: int
    notes: Notes = field(default_factory=dict)
    description: str | None = None
    status: Literal["created", "authorized", "captured", "refunded", "failed"] = "created"
    flow: Literal["intent", "collect", "checkout"] = "intent"
    link: str | None = None
    vpa: str | None = None
    bank: str | None = None
    wallet: str | None = None
    card: Card | None = None
    fee: int | None = None
    tax: int | None = None
    error: dict[str, str] | None = None
    acquirer_data: JsonObject = field(default_factory=dict)
    late_authorized: bool = False
    expires_at: int | None = None
    amount_refunded: int = 0
    refund_status: str | None = None
    captured_at: int | None = None
    settlement_id: str | None = None
    settles: int | None = None
    fee_bearer: str | None = None
    offer_id: str | None = None
    payer_amount: int | None = None
    payer_currency: str | None = None

    def to_payer_amount(self, amount: int) -> int:
        """Return an amount of this payment in the currency that the payer was charged in."""
        return amount if self.payer_amount is None else amount * self.payer_amount // self.amount

    def to_merchant_amount(self, charged: int) -> int:
        """Return an amount in the payer's currency in the merchant's; all of it is all of it."""
        if self.payer_amount is None:
            return charged
        return -(-charged * self.amount // self.payer_amount) if charged < self.payer_amount else self.amount

    def to_wire(self) -> JsonObject:
        error = self.error or {}
        body: JsonObject = {
            "id": self.id,
            "entity": "payment",
            "amount": self.to_payer_amount(self.amount),
            "currency": self.payer_currency or self.currency,
            "base_amount": self.amount,
            "status": self.status,
            "order_id": self.order_id,
            "invoice_id": None,
            "international": self.payer_currency is not None,
            "method": self.method,
            "amount_refunded": self.to_payer_amount(self.amount_refunded),
            "amount_transferred": 0,
            "refund_status": self.refund_status,
            "captured": self.captured_at is not None,
            "description": self.description,
            "card_id": self.card["id"] if self.card else None,
            "card": dict(self.card) if self.card else None,
            "bank": self.bank,
            "wallet": self.wallet,
            "vpa": self.vpa,
            "email": self.email,
            "contact": self.contact,
            "customer_id": None,
            "token_id": None,
            "notes": format_notes(self.notes),
            "fee": self.fee,
            "tax": self.tax,
            **{f"error_{key}": error.get(key) for key in ("code", "description", "source", "step", "reason")},
            "acquirer_data": dict(self.acquirer_data),
            "created_at": self.created_at,
        }
        if self.method == "upi":
            flow = "intent" if self.flow == "checkout" else self.flow
            body["upi"] = {"payer_account_type": "bank_account", "vpa": self.vpa, "flow": flow}
        if self.late_authorized:
            body["late_authorized"] = True
        if self.fee_bearer is not None:
            body["fee_bearer"] = self.fee_bearer
        if self.offer_id is not None:
            body["offer_id"] = self.offer_id
        if self.payer_currency is not None:
            body["base_currency"] = self.currency
        return body


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

    def to_wire(self) -> JsonObject:
        return {
            "id": self.id,
            "entity": "refund",
            "amount": self.amount if self.payer_amount is None else self.payer_amount,
            "currency": self.payer_currency or self.currency,
            "payment_id": self.payment_id,
            "notes": format_notes(self.notes),
            "receipt": self.receipt,
            "acquirer_data": {"arn": self.arn},
            "created_at": self.created_at,
            "batch_id": None,
            "status": self.status,
            "speed_requested": self.speed_requested,
            "speed_processed": self.speed_processed,
        }
