"""Razorpay's tables in memory, its entities as they look on the wire, and the knobs that bend its rules."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sandbox.settings import Settings

Notes = dict[str, Any]

AUTOMATIC_CAPTURE_MINUTES = 3 * 24 * 60


def notes_on_the_wire(notes: Notes) -> Notes | list[Any]:
    """Return notes as Razorpay sends them: an empty object comes as an empty list."""
    return dict(notes) if notes else []


@dataclass(kw_only=True)
class Order:
    """A Razorpay order; amounts in paise, times in Unix seconds. `automatic_minutes` bounds automatic capture."""

    id: str
    amount: int
    currency: str
    receipt: str | None
    notes: Notes
    created_at: int
    capture: Literal["automatic", "manual"] = "automatic"
    automatic_minutes: int = AUTOMATIC_CAPTURE_MINUTES
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
    """One try to pay; amounts in paise, times in Unix seconds. `fee` includes `tax`; both are None until captured."""

    id: str
    order_id: str
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

    def wire(self) -> dict[str, Any]:
        error = self.error or {}
        body: dict[str, Any] = {
            "id": self.id,
            "entity": "payment",
            "amount": self.amount,
            "currency": self.currency,
            "base_amount": self.amount,
            "status": self.status,
            "order_id": self.order_id,
            "invoice_id": None,
            "international": False,
            "method": self.method,
            "amount_refunded": self.amount_refunded,
            "amount_transferred": 0,
            "refund_status": self.refund_status,
            "captured": self.status in {"captured", "refunded"},
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
        return body


@dataclass(kw_only=True)
class Event:
    """
    One webhook: the exact text that was signed, its signature, and every attempt to deliver it.

    `status` is pending, delivered, failed (given up), held (until released), dropped, or unaddressed (no URL).
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


@dataclass(kw_only=True)
class Policy:
    """
    How webhooks travel. Milliseconds throughout; `events` empty means all of them.

    `forge` spoils the next `forge_times` attempts: signature, body, missing (no signature) or secret (signed by a
    stranger); attempts after that are genuine.
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


@dataclass(kw_only=True)
class Knobs:
    """
    Where accounts differ.

    `unique_receipt` says what a second order with the same receipt and `unique_receipt: true` gets: the first order
    (return) or an error (refuse). `payer` is who answers UPI requests: manual (the control API), approve or decline.
    """

    unique_receipt: Literal["return", "refuse"] = "return"
    s2s_upi: bool = True
    payer: Literal["manual", "approve", "decline"] = "manual"
    payer_delay_ms: int = 0
    upi_timeout_seconds: int = 600


class Razorpay:
    """The account's data. Callers hold the world's lock."""

    def __init__(self, *, account_id: str, policy: Policy) -> None:
        self.account_id = account_id
        self.policy = policy
        self.knobs = Knobs()
        self.orders: dict[str, Order] = {}
        self.payments: dict[str, Payment] = {}
        self.events: dict[str, Event] = {}
        self.open_payments: set[str] = set()
        self.orders_by_receipt: defaultdict[str, list[str]] = defaultdict(list)
        self.payments_by_order: defaultdict[str, list[str]] = defaultdict(list)

    @classmethod
    def fresh(cls, settings: Settings, *, account_id: str) -> Razorpay:
        return cls(account_id=account_id, policy=Policy(url=settings.webhook_url, secret=settings.webhook_secret))

    def add_order(self, order: Order) -> None:
        self.orders[order.id] = order
        if order.receipt is not None:
            self.orders_by_receipt[order.receipt].append(order.id)

    def add_payment(self, payment: Payment) -> None:
        self.payments[payment.id] = payment
        self.payments_by_order[payment.order_id].append(payment.id)
        if payment.status == "created":
            self.open_payments.add(payment.id)

    def payments_of(self, order_id: str) -> list[Payment]:
        """Return an order's payments, newest first."""
        return [self.payments[payment_id] for payment_id in reversed(self.payments_by_order.get(order_id, []))]

    def dump(self) -> dict[str, Any]:
        return {
            "orders": [asdict(order) for order in self.orders.values()],
            "payments": [asdict(payment) for payment in self.payments.values()],
            "events": [asdict(event) for event in self.events.values()],
        }

    def load(self, data: dict[str, Any]) -> None:
        for row in data["orders"]:
            self.add_order(Order(**row))
        for row in data["payments"]:
            self.add_payment(Payment(**row))
        for row in data["events"]:
            self.events[row["id"]] = Event(**row)
