"""Razorpay's tables in memory, its entities as they look on the wire, and the knobs that bend its rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sandbox.agenda import Agenda
from sandbox.razorpay.entities import (
    Adjustment,
    Dispute,
    Document,
    Notes,
    PaymentLink,
    QrCode,
    Refund,
    Settlement,
    notes_on_the_wire,
)
from sandbox.settings import Settings

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

    def wire(self) -> dict[str, Any]:
        body: dict[str, Any] = {
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
            "notes": notes_on_the_wire(self.notes),
            "created_at": self.created_at,
        }
        if self.partial_payment:
            body["partial_payment"] = True
            body["first_payment_min_amount"] = self.first_payment_min_amount
        return body


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
    card: dict[str, Any] | None = None
    fee: int | None = None
    tax: int | None = None
    error: dict[str, str] | None = None
    acquirer_data: dict[str, Any] = field(default_factory=dict)
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

    def charged(self, amount: int) -> int:
        """Return an amount of this payment in the currency that the payer was charged in."""
        return amount if self.payer_amount is None else amount * self.payer_amount // self.amount

    def credited(self, charged: int) -> int:
        """Return an amount in the payer's currency in the merchant's; all of it is all of it."""
        if self.payer_amount is None:
            return charged
        return -(-charged * self.amount // self.payer_amount) if charged < self.payer_amount else self.amount

    def wire(self) -> dict[str, Any]:
        error = self.error or {}
        body: dict[str, Any] = {
            "id": self.id,
            "entity": "payment",
            "amount": self.charged(self.amount),
            "currency": self.payer_currency or self.currency,
            "base_amount": self.amount,
            "status": self.status,
            "order_id": self.order_id,
            "invoice_id": None,
            "international": self.payer_currency is not None,
            "method": self.method,
            "amount_refunded": self.charged(self.amount_refunded),
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
            "notes": notes_on_the_wire(self.notes),
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
class Event:
    """
    One webhook: the exact text that was signed, its signature, and every attempt to deliver it.

    `status` is pending, delivered, failed (given up), held (until released), dropped, unaddressed (no URL), or
    disabled (the webhook was switched off). `replays` are the times of its replays from the dashboard.
    """

    id: str
    event: str
    payment_id: str | None
    order_id: str | None
    body: str
    signature: str | None
    created_at: int
    status: str = "pending"
    attempts: list[dict[str, Any]] = field(default_factory=list)
    held_by: str | None = None
    replays: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class Policy:
    """
    How webhooks are delivered. All times are in milliseconds; an empty `events` means all of them.

    `forge` falsifies the next `forge_times` attempts: signature, body, missing (no signature) or secret (signed with
    another secret); attempts after that are genuine.

    `schedule` is fast (seconds apart in real time, `retry_limit` attempts) or razorpay (minutes and hours apart by the
    sandbox's clock, for 24 hours, after which the webhook is disabled until somebody enables it).
    """

    url: str | None
    secret: str
    mode: str = "normal"
    copies: int = 1
    delay_ms: int = 0
    events: list[str] = field(default_factory=list)
    forge: str | None = None
    forge_times: int = 0
    timeout_ms: int = 5_000
    retry_base_ms: int = 500
    retry_cap_ms: int = 8_000
    retry_limit: int = 12
    schedule: Literal["fast", "razorpay"] = "fast"
    enabled: bool = True
    disabled_at: int | None = None


@dataclass(kw_only=True)
class Knobs:
    """
    Where accounts differ.

    `unique_receipt` says what a second order with the same receipt and `unique_receipt: true` gets: the first order
    (return) or an error (refuse). `payer` is who answers UPI requests: manual (the control API), approve or decline.

    `refund_outcome` is what becomes of a refund (manual: the control API says), after `refund_seconds` of the
    sandbox's clock; `refund_busy_ms` keeps its first request, and so its idempotency key, under way that long.
    `refund_balance` is what is left for refunds in paise, None for no bound. `settlement_days` are working days;
    `holidays` are days like 2026-01-26; `settlement_errors` go into every settlement that the clock makes.
    `fee_credits` are prepaid (paise): a settlement takes fees from them while they last, and not from the payments.
    """

    unique_receipt: Literal["return", "refuse"] = "return"
    s2s_upi: bool = True
    payer: Literal["manual", "approve", "decline"] = "manual"
    payer_delay_ms: int = 0
    upi_timeout_seconds: int = 600
    refund_outcome: Literal["processed", "failed", "manual"] = "processed"
    refund_seconds: int = 0
    refund_busy_ms: int = 0
    refund_balance: int | None = None
    auto_settle: bool = True
    settlement_days: int = 2
    holidays: list[str] = field(default_factory=list)
    settlement_errors: dict[str, int] = field(default_factory=dict)
    fee_credits: int = 0


@dataclass(kw_only=True)
class RefundKey:
    """What an idempotency key was first used for; without a refund its request is still under way."""

    fingerprint: str
    refund_id: str | None = None


_TABLES: dict[str, Any] = {
    "orders": Order,
    "payments": Payment,
    "events": Event,
    "refunds": Refund,
    "adjustments": Adjustment,
    "settlements": Settlement,
    "disputes": Dispute,
    "documents": Document,
    "payment_links": PaymentLink,
    "qr_codes": QrCode,
}


class Razorpay:
    """The account's data. Callers hold the world's lock."""

    def __init__(self, *, account_id: str, policy: Policy) -> None:
        self.account_id = account_id
        self.policy = policy
        self.knobs = Knobs()
        self.orders: dict[str, Order] = {}
        self.payments: dict[str, Payment] = {}
        self.events: dict[str, Event] = {}
        self.refunds: dict[str, Refund] = {}
        self.adjustments: dict[str, Adjustment] = {}
        self.settlements: dict[str, Settlement] = {}
        self.disputes: dict[str, Dispute] = {}
        self.documents: dict[str, Document] = {}
        self.payment_links: dict[str, PaymentLink] = {}
        self.qr_codes: dict[str, QrCode] = {}
        self.refund_keys: dict[str, RefundKey] = {}
        self.agenda = Agenda()
        self.open_payments: set[str] = set()
        self.orders_by_receipt: defaultdict[str, list[str]] = defaultdict(list)
        self.payments_by_order: defaultdict[str, list[str]] = defaultdict(list)
        self.refunds_by_payment: defaultdict[str, list[str]] = defaultdict(list)

    @classmethod
    def fresh(cls, settings: Settings, *, account_id: str) -> Razorpay:
        return cls(account_id=account_id, policy=Policy(url=settings.webhook_url, secret=settings.webhook_secret))

    def add_order(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.receipt is not None:
            self.orders_by_receipt[order.receipt].append(order.id)

    def add_payment(self, payment: Payment) -> None:
        self.payments[payment.id] = payment
        if payment.order_id is not None:
            self.payments_by_order[payment.order_id].append(payment.id)
        if payment.status == "created":
            self.open_payments.add(payment.id)

    def payments_of(self, order_id: str) -> list[Payment]:
        """Return an order's payments, newest first."""
        return [self.payments[payment_id] for payment_id in reversed(self.payments_by_order.get(order_id, []))]

    def order_of(self, payment: Payment) -> Order | None:
        return None if payment.order_id is None else self.orders[payment.order_id]

    def add_refund(self, refund: Refund) -> None:
        self.refunds[refund.id] = refund
        self.refunds_by_payment[refund.payment_id].append(refund.id)

    def refunds_of(self, payment_id: str) -> list[Refund]:
        """Return a payment's refunds, newest first."""
        return [self.refunds[refund_id] for refund_id in reversed(self.refunds_by_payment.get(payment_id, []))]

    def dump(self) -> dict[str, Any]:
        tables = {name: [asdict(row) for row in getattr(self, name).values()] for name in _TABLES}
        keys = {key: asdict(row) for key, row in self.refund_keys.items() if row.refund_id is not None}
        return {**tables, "refund_keys": keys, "agenda": self.agenda.dump()}

    def load(self, data: dict[str, Any]) -> None:
        adders: dict[str, Callable[[Any], None]] = {
            "orders": self.add_order,
            "payments": self.add_payment,
            "refunds": self.add_refund,
        }
        for name, kind in _TABLES.items():
            for row in data[name]:
                if name in adders:
                    adders[name](kind(**row))
                else:
                    getattr(self, name)[row["id"]] = kind(**row)
        self.refund_keys = {key: RefundKey(**row) for key, row in data["refund_keys"].items()}
        self.agenda.load((due, kind, entity_id) for due, kind, entity_id in data["agenda"])
