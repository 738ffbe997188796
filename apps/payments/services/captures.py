"""Capture of authorised (at Razorpay and Stripe: authorized) payments: a payment is kept for good, or left to lapse."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from apps.orders import selectors as orders
from apps.orders.states import OrderStatus
from apps.payments.gateways.interface import Gateway, GatewayRejected
from apps.payments.selectors import payments as selectors
from apps.payments.services.attempts import apply_polled_payment
from apps.payments.states import PaymentChannel, PaymentStatus


def capture_authorized(gateway: Gateway, payment_id: UUID, *, now: datetime) -> None:
    """
    Capture the authorised attempts of a payment while its order awaits payment. Calls the gateway.

    The bank releases money that is never captured, such as that of an order which has been closed.

    :raises GatewayFailure: if the gateway did not answer
    """
    payment = selectors.get_payment(payment_id)
    for attempt in selectors.list_attempts_to_capture(payment_id):
        is_wanted = orders.get_order(payment.order_id).status == OrderStatus.PENDING_PAYMENT
        if not is_wanted or payment.status not in (PaymentStatus.REQUIRES_CAPTURE, PaymentStatus.EXPIRED):
            return
        try:
            facts = gateway.capture(
                gateway_payment_id=attempt.gateway_payment_id,
                amount=attempt.amount if attempt.payer_amount is None else attempt.payer_amount,
                currency=attempt.payer_currency or attempt.currency,
            )
        except GatewayRejected:
            # The usual reason is that it was captured in the meantime.
            facts = gateway.get_payment(gateway_payment_id=attempt.gateway_payment_id)
        asked = payment.gateway_order_id if payment.channel == PaymentChannel.CHECKOUT else None
        apply_polled_payment(facts if facts.order_id else replace(facts, order_id=asked or ""), now=now)
