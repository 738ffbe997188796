"""UPI intents: a link that opens the buyer's UPI app with one payment of a gateway's order, and the attempt behind it."""

from collections.abc import Mapping

import structlog

from apps.payments.facts import GatewayOrder, GatewayPayment, UpiIntent
from apps.payments.gateways.interface import Gateway, GatewayFailure, Payer
from apps.payments.models import Payment
from apps.payments.states import AttemptStatus

log = structlog.get_logger(__name__)


def open_upi_intent(
    gateway: Gateway,
    payment: Payment,
    gateway_order: GatewayOrder,
    *,
    payer: Payer,
    description: str,
    notes: Mapping[str, str],
) -> UpiIntent | None:
    """
    Open a UPI payment at the gateway, or return None if that fails. Calls the gateway.

    Without it the buyer can still pay in the gateway's Checkout.
    """
    if not payer.phone:
        return None
    try:
        return gateway.create_upi_intent(
            gateway_order_id=gateway_order.id,
            amount=payment.amount,
            currency=payment.currency,
            payer=payer,
            description=description,
            notes=notes,
        )
    except GatewayFailure as failure:
        log.warning("upi_intent_failed", payment=payment.public_id, error=failure.error.as_dict())
        return None


def upi_action(payment: Payment, intent: UpiIntent) -> dict[str, str]:
    """Return the part of the buyer's next action that opens a UPI app or shows its QR code."""
    return {
        "link": intent.link,
        "qr_url": f"/api/v1/payments/{payment.public_id}/qr.svg",
        "gateway_payment_id": intent.gateway_payment_id,
    }


def upi_attempt_facts(payment: Payment, gateway_order: GatewayOrder, intent: UpiIntent) -> GatewayPayment:
    """Return the attempt that the gateway has opened with an intent, as facts to apply."""
    return GatewayPayment(
        gateway=payment.gateway,
        id=intent.gateway_payment_id,
        order_id=gateway_order.id,
        status=AttemptStatus.CREATED,
        amount=payment.amount,
        currency=payment.currency,
        method="upi",
    )
