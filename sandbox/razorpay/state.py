"""Razorpay's tables in memory, and the knobs with which accounts differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sandbox.json_types import JsonObject
from sandbox.razorpay.entities import (
    Adjustment,
    Dispute,
    Document,
    Event,
    Order,
    Payment,
    PaymentDowntime,
    PaymentLink,
    QrCode,
    Refund,
    Settlement,
    WebhookPolicy,
)
from sandbox.settings import Settings
from sandbox.timers import Timers


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
    "downtimes": PaymentDowntime,
}


class Razorpay:
    """The account's data. Callers hold the world's lock."""

    def __init__(self, *, account_id: str, policy: WebhookPolicy) -> None:
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
        self.downtimes: dict[str, PaymentDowntime] = {}
        self.refund_keys: dict[str, RefundKey] = {}
        self.timers = Timers()
        self.open_payments: set[str] = set()
        self.orders_by_receipt: defaultdict[str, list[str]] = defaultdict(list)
        self.payments_by_order: defaultdict[str, list[str]] = defaultdict(list)
        self.refunds_by_payment: defaultdict[str, list[str]] = defaultdict(list)

    @classmethod
    def fresh(cls, settings: Settings, *, account_id: str) -> Razorpay:
        return cls(
            account_id=account_id, policy=WebhookPolicy(url=settings.webhook_url, secret=settings.webhook_secret)
        )

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

    def list_payments_of(self, order_id: str) -> list[Payment]:
        """Return an order's payments, newest first."""
        return [self.payments[payment_id] for payment_id in reversed(self.payments_by_order.get(order_id, []))]

    def find_order_of(self, payment: Payment) -> Order | None:
        return None if payment.order_id is None else self.orders[payment.order_id]

    def add_refund(self, refund: Refund) -> None:
        self.refunds[refund.id] = refund
        self.refunds_by_payment[refund.payment_id].append(refund.id)

    def list_refunds_of(self, payment_id: str) -> list[Refund]:
        """Return a payment's refunds, newest first."""
        return [self.refunds[refund_id] for refund_id in reversed(self.refunds_by_payment.get(payment_id, []))]

    def dump(self) -> JsonObject:
        tables = {name: [asdict(row) for row in getattr(self, name).values()] for name in _TABLES}
        keys = {key: asdict(row) for key, row in self.refund_keys.items() if row.refund_id is not None}
        return {**tables, "refund_keys": keys, "timers": self.timers.dump()}

    def load(self, data: dict[str, Any]) -> None:
        adders: dict[str, Callable[[Any], None]] = {
            "orders": self.add_order,
            "payments": self.add_payment,
            "refunds": self.add_refund,
        }
        for name, kind in _TABLES.items():
            for row in data.get(name, []):  # a snapshot of an earlier version lacks what came later
                if name in adders:
                    adders[name](kind(**row))
                else:
                    getattr(self, name)[row["id"]] = kind(**row)
        self.refund_keys = {key: RefundKey(**row) for key, row in data["refund_keys"].items()}
        timers = data["timers"] if "timers" in data else data["agenda"]  # as it was called at first
        self.timers.load((due, kind, entity_id) for due, kind, entity_id in timers)
