"""The signature that Checkout hands to the buyer's browser: verified, then the gateway is asked; it is never believed by itself."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import Invalid
from apps.core.events import Actor
from apps.core.security_log import log_security_event
from apps.core.transactions import transactional
from apps.payments import locks
from apps.payments.models import Payment, PaymentNotFound
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.services.payments import enqueue_payment_sync


class InvalidCheckoutSignature(Invalid):
    """
    The signature from Checkout does not belong to this payment.

    Send what Checkout returned, unchanged.
    """

    message = "The signature does not belong to this payment."


@transactional
def verify_checkout(
    *,
    payment_id: UUID,
    customer_id: UUID,
    gateway_payment_id: str,
    signature: str,
    gateway_order_id: str = "",
    actor: Actor,
    now: datetime,
) -> Payment:
    """
    Verify the signature that the browser brought back from the gateway's payment page, and request a check of the payment.

    The signature is checked over our own gateway order id. It proves that the customer authorised a payment, not that the
    money was captured: the gateway's answer decides, and nothing that the browser says is believed.

    :raises PaymentNotFound: if there is no such payment of this customer
    :raises InvalidCheckoutSignature: if the gateway did not sign this payment of this order
    """
    payment = locks.lock_payment(payment_id)
    if payment.customer_id != customer_id:
        raise PaymentNotFound

    ours = payment.gateway_order_id
    is_genuine = (
        ours is not None
        and gateway_order_id in ("", ours)
        and get_monitored_gateway(payment.gateway).is_checkout_signed(
            gateway_order_id=ours, gateway_payment_id=gateway_payment_id, signature=signature
        )
    )
    if not is_genuine:
        log_security_event("checkout_signature_invalid", payment=payment.public_id)
        raise InvalidCheckoutSignature(param="signature")

    return enqueue_payment_sync(payment, actor=actor, now=now, reason="Checkout returned")
