"""The control call that shows all that the gateway holds to be true, with totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Protocol

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import due_actions
from sandbox.razorpay.entities import Payment, Refund, Settlement
from sandbox.razorpay.state import Razorpay
from sandbox.state import World


class _HasStatus(Protocol):
    @property
    def status(self) -> str: ...


def show_truth(world: World, _request: Request) -> JsonObject:
    with world.lock:
        due_actions.run_due(world)
        gateway = world.razorpay
        return {
            "orders": [
                {**order.to_wire(), "payments": [payment.id for payment in gateway.list_payments_of(order.id)]}
                for order in gateway.orders.values()
            ],
            "payments": [_describe_payment(payment) for payment in gateway.payments.values()],
            "refunds": [
                {**refund.to_wire(), "automatic": refund.automatic, "settlement_id": refund.settlement_id}
                for refund in gateway.refunds.values()
            ],
            "adjustments": [asdict(row) for row in gateway.adjustments.values()],
            "settlements": [_describe_settlement(settlement) for settlement in gateway.settlements.values()],
            "disputes": [dispute.to_wire() for dispute in gateway.disputes.values()],
            "payment_links": [{**link.to_wire(), "notified": link.notified} for link in gateway.payment_links.values()],
            "qr_codes": [{**qr.to_wire(), "payments": qr.payment_ids} for qr in gateway.qr_codes.values()],
            "downtimes": [downtime.to_wire() for downtime in gateway.downtimes.values()],
            "totals": {**count_statuses(gateway), **sum_amounts(gateway), "balance": compute_balance(gateway)},
        }


def _describe_payment(payment: Payment) -> JsonObject:
    return {**payment.to_wire(), "captured_at": payment.captured_at, "settlement_id": payment.settlement_id}


def _describe_settlement(settlement: Settlement) -> JsonObject:
    return {
        **settlement.to_wire(),
        "lines": settlement.lines,
        "planted": settlement.planted,
        "synthetic": settlement.recipe is not None,
    }


def count_statuses(gateway: Razorpay) -> dict[str, dict[str, int]]:
    """Return how many orders, payments, refunds and disputes have each status."""
    return {
        "orders": _count(gateway.orders.values()),
        "payments": _count(gateway.payments.values()),
        "refunds": _count(gateway.refunds.values()),
        "disputes": _count(gateway.disputes.values()),
    }


def sum_amounts(gateway: Razorpay) -> dict[str, int]:
    """Return what was captured, with its fees, and what was refunded, adjusted and settled since then, in paise."""
    captured = _list_captured(gateway)
    return {
        "captured_amount": sum(row.amount for row in captured),
        "fee": sum(row.fee or 0 for row in captured),
        "tax": sum(row.tax or 0 for row in captured),
        "refunded_amount": sum(row.amount for row in _list_refunds_by_merchant(gateway)),
        "auto_refunded_amount": sum(row.amount for row in gateway.refunds.values() if row.automatic),
        "adjusted_amount": sum(row.amount for row in gateway.adjustments.values()),
        "settled_amount": sum(row.amount for row in gateway.settlements.values() if row.recipe is None),
    }


def compute_balance(gateway: Razorpay) -> int:
    """Return what the next settlements owe the merchant in paise: captured less fees, refunds and adjustments."""
    credits_open = sum(row.amount - (row.fee or 0) for row in _list_captured(gateway) if row.settlement_id is None)
    refunds_open = sum(row.amount for row in _list_refunds_by_merchant(gateway) if row.settlement_id is None)
    adjustments_open = sum(row.amount for row in gateway.adjustments.values() if row.settlement_id is None)
    return credits_open - refunds_open + adjustments_open


def _count(rows: Iterable[_HasStatus]) -> dict[str, int]:
    return dict(Counter(row.status for row in rows))


def _list_captured(gateway: Razorpay) -> list[Payment]:
    return [row for row in gateway.payments.values() if row.captured_at is not None]


def _list_refunds_by_merchant(gateway: Razorpay) -> list[Refund]:
    """Return the refunds that reduce the merchant's balance: none that failed, and none of what was never captured."""
    return [row for row in gateway.refunds.values() if row.status != "failed" and not row.automatic]
