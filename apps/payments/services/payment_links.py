"""
Payment links and QR codes at the gateway: they are created once, polled, and closed once their payment is closed.

The row is a payment like any other. Money that is paid through it is applied by `apply_gateway_payment`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from apps.core import clock
from apps.core.events import SYSTEM, change, changes_since, current_values
from apps.core.external_calls import GatewayCall
from apps.orders import selectors as orders
from apps.payments import events
from apps.payments.facts import GatewayError, GatewayLink
from apps.payments.gateways.interface import Gateway, GatewayRejected, Payer
from apps.payments.models import Payment
from apps.payments.selectors import payments as selectors
from apps.payments.services.attempts import apply_polled_payment
from apps.payments.states import LIVE, AttemptStatus, LinkStatus, PaymentChannel

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

#: How far the gateway's clock may differ from ours when links are listed by their creation time.
_CLOCK_SKEW = timedelta(minutes=10)


def find_or_create_link(
    gateway: Gateway, payment: Payment, *, payer: Payer, notes: dict[str, str], look_first: bool
) -> GatewayLink:
    """
    Return the link or QR code of a payment, and create it if the gateway has none. Calls the gateway.

    :raises GatewayRejected: if the gateway rejects it, or holds one with another amount or currency
    :raises GatewayUnavailable: if the gateway did nothing
    :raises GatewayOutcomeUnknown: if the outcome is unknown
    """
    link = _find_link(gateway, payment) if look_first else None
    if link is None:
        link = gateway.create_link(
            channel=payment.channel,
            receipt=payment.public_id,
            amount=payment.amount,
            currency=payment.currency,
            description=f"Order {orders.get_order(payment.order_id).number}",
            payer=payer,
            expires_at=payment.live_until,
            notes=notes,
        )
    if not _matches_payment(payment, link):
        raise GatewayRejected(
            GatewayError(code="LINK_DIFFERS", description="the amount or currency is not the one requested")
        )
    return link


def _find_link(gateway: Gateway, payment: Payment) -> GatewayLink | None:
    return gateway.find_link(
        channel=payment.channel,
        receipt=payment.public_id,
        since=payment.created_at - _CLOCK_SKEW,
        until=payment.live_until + _CLOCK_SKEW,
    )


def _matches_payment(payment: Payment, link: GatewayLink) -> bool:
    is_same = (link.amount, link.currency) == (payment.amount, payment.currency)
    if not is_same:
        log.error("gateway_link_differs", payment=payment.public_id, gateway_link=link.id)
    return is_same


def link_action(link: GatewayLink) -> dict[str, str | None]:
    """Return the buyer's next action: to open the page of the link, or to scan the image of the QR code."""
    where = {"image_url": link.url} if link.channel == PaymentChannel.QR_CODE else {"url": link.url}
    expires_at = clock.rfc3339(link.expires_at) if link.expires_at else None
    return {"type": link.channel, **where, "expires_at": expires_at}


def poll_link(gateway: Gateway, payment: Payment, *, now: datetime) -> GatewayLink | None:
    """
    Poll the link or QR code of a payment, apply what was paid through it, and close it if the payment is closed.

    Calls the gateway. Returns the link as it is now, or None if the gateway has none for this payment.

    :raises GatewayFailure: if the gateway does not answer; then nothing is closed
    """
    link = None
    if payment.gateway_link_id is not None:
        link = gateway.get_link(channel=payment.channel, gateway_link_id=payment.gateway_link_id)
    elif payment.gateway_call == GatewayCall.UNKNOWN:
        link = _find_link(gateway, payment)
    if link is None or not _matches_payment(payment, link):
        return None
    _apply_link_payments(gateway, payment, link, now=now)
    if link.status != LinkStatus.OPEN or selectors.get_payment(payment.pk).status in LIVE:
        return link
    try:
        return gateway.close_link(channel=link.channel, gateway_link_id=link.id)
    except GatewayRejected:
        # The usual reason is that it was paid or has expired in the meantime.
        link = gateway.get_link(channel=link.channel, gateway_link_id=link.id)
        _apply_link_payments(gateway, payment, link, now=now)
        return link


def _apply_link_payments(gateway: Gateway, payment: Payment, link: GatewayLink, *, now: datetime) -> None:
    # All is asked before anything is applied: a call that fails must not leave captures behind that nobody asks for again.
    listed = []
    for facts in gateway.list_link_payments(link):
        is_of_other_amount = facts.status == AttemptStatus.CAPTURED and facts.amount != payment.amount
        order = gateway.get_order(gateway_order_id=facts.order_id) if is_of_other_amount and facts.order_id else None
        listed.append(replace(facts, our_payment=payment.public_id, gateway_order=order))
    for facts in listed:
        apply_polled_payment(facts, now=now)


def apply_gateway_link(order: "Order", payment: Payment, link: GatewayLink, *, now: datetime) -> None:
    """Update the id, next action and closing time of a locked payment from its link or QR code at the gateway."""
    before = current_values(payment)
    if payment.gateway_link_id is None:
        payment.gateway_link_id = link.id
        payment.gateway_call = GatewayCall.SUCCEEDED
    if payment.status in LIVE and not payment.next_action and link.status == LinkStatus.OPEN:
        payment.next_action = link_action(link)
    if link.status != LinkStatus.OPEN and payment.link_closed_at is None:
        payment.link_closed_at = now
        # The bank may still answer about an attempt that began before.
        payment.checks = 0

    changed = changes_since(payment, before)
    if not changed:
        return
    event_type = events.PAYMENT_READY if "next_action" in changed else events.PAYMENT_UPDATED
    change(
        payment,
        event_type,
        changed,
        root=order.pk,
        actor=SYSTEM,
        event_values={"channel": payment.channel},
        now=now,
    )
