"""Refunds on their way: requested, sent to the gateway, and updated by it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments.gateways.interface import GatewayRefund
from apps.payments.models import Refund
from apps.payments.services.refunds import amounts, gateway_updates, requests, submission
from tests.support.colleagues import ASHA


def request_refunds(
    *, order_id: UUID, lines: Sequence[amounts.RefundLineInput] = (), amount: int | None = None, **values: Any
) -> list[Refund]:
    """Request a refund by lines, by amount, or of all that is left, as the arguments say; one refund per attempt."""
    if lines:
        return requests.request_refund_by_lines(order_id=order_id, lines=lines, amount=amount, **values)
    if amount is not None:
        return requests.request_refund_by_amount(order_id=order_id, amount=amount, **values)
    return requests.request_full_refund(order_id=order_id, **values)


def request_refund(order: Any, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "customer_request", "actor": ASHA, "now": clock.now()}
    (refund,) = request_refunds(order_id=order.pk, **{**values, **fields})
    return refund


def gateway_refund_of(refund: Refund, status: str = "processed", **fields: Any) -> GatewayRefund:
    values: dict[str, Any] = {
        "gateway": "razorpay", "id": f"rfnd_{refund.pk.hex[:14]}", "gateway_payment_id": refund.attempt.gateway_payment_id,
        "status": status, "amount": refund.amount, "currency": refund.currency, "our_refund": refund.public_id,
    }  # fmt: skip
    return GatewayRefund(**{**values, **fields})


def apply_refund_update(refund: Refund, status: str = "processed", **fields: Any) -> Refund:
    return gateway_updates.apply_gateway_refund(
        facts=gateway_refund_of(refund, status, **fields), actor=SYSTEM, now=clock.now()
    )


def sync_refund(refund: Refund, *, after: int = 0) -> Refund:
    submission.sync_refund(refund_id=refund.pk, now=clock.now() + timedelta(seconds=after))
    refund.refresh_from_db()
    return refund
