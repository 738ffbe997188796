"""Refunds on their way: requested, sent to the gateway, and updated by it."""

from datetime import timedelta
from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments import services
from apps.payments.gateways import GatewayRefund
from apps.payments.models import Refund
from tests.support.colleagues import ASHA


def request_refund(order: Any, **fields: Any) -> Refund:
    values: dict[str, Any] = {"reason": "customer_request", "actor": ASHA, "now": clock.now()}
    (refund,) = services.request_refund(order_id=order.pk, **{**values, **fields})
    return refund


def gateway_refund_of(refund: Refund, status: str = "processed", **fields: Any) -> GatewayRefund:
    values: dict[str, Any] = {
        "gateway": "razorpay", "id": f"rfnd_{refund.pk.hex[:14]}", "gateway_payment_id": refund.attempt.gateway_payment_id,
        "status": status, "amount": refund.amount, "currency": refund.currency, "our_refund": refund.public_id,
    }  # fmt: skip
    return GatewayRefund(**{**values, **fields})


def apply_refund_update(refund: Refund, status: str = "processed", **fields: Any) -> Refund:
    return services.apply_gateway_refund(
        facts=gateway_refund_of(refund, status, **fields), actor=SYSTEM, now=clock.now()
    )


def sync_refund(refund: Refund, *, after: int = 0) -> Refund:
    services.sync_refund(refund_id=refund.pk, now=clock.now() + timedelta(seconds=after))
    refund.refresh_from_db()
    return refund
