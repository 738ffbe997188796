"""
The poller of payments: each payment is polled at the gateway until its status is final.

A webhook may be lost, late or never sent. A poll finds the same facts and applies them by the same function.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import structlog

from apps.core.events import SYSTEM, Actor, change
from apps.core.external_calls import RETRY_DELAY, GatewayCall, poll_due
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.orders.states import OrderStatus
from apps.payments import events, locks, rules
from apps.payments.facts import GatewayLink
from apps.payments.gateways.interface import Gateway, GatewayFailure
from apps.payments.models import Payment
from apps.payments.selectors import payments as selectors
from apps.payments.services.attempts import apply_polled_payment
from apps.payments.services.captures import capture_authorized
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.services.gateway_orders import check_gateway_order, create_gateway_order, release_claim
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payment_links import apply_gateway_link, poll_link
from apps.payments.services.payments import (
    close_locked_payment,
    enqueue_payment_sync,
    may_be_at_gateway,
    schedule_payment_check,
)
from apps.payments.states import LINK_CHANNELS, LIVE, AttemptStatus, PaymentStatus

log = structlog.get_logger(__name__)

_CLOSING_EVENTS = {PaymentStatus.EXPIRED: events.PAYMENT_EXPIRED, PaymentStatus.CANCELLED: events.PAYMENT_CANCELLED}


# Requests ------------------------------------------------------------------------------------------------------------


@transactional
def request_payment_sync(*, payment_id: UUID, actor: Actor, now: datetime) -> Payment:
    """
    Have a worker poll a payment at the gateway; a second request before that changes nothing.

    :raises PaymentNotFound: if there is none
    """
    payment = locks.lock_payment(payment_id)

    return enqueue_payment_sync(payment, actor=actor, now=now, reason="")


# Polling -------------------------------------------------------------------------------------------------------------


def sync_payment(*, payment_id: UUID, now: datetime) -> bool:
    """
    Poll a payment at the gateway, apply its answer, capture authorised money, and close the payment if it has expired.

    Calls the gateway. Returns False if it did not answer; then nothing is closed.

    :raises PaymentNotFound: if there is none
    """
    payment = selectors.get_payment(payment_id)
    if payment.status in LIVE and payment.gateway_reference is None and now < payment.live_until:
        create_gateway_order(payment_id=payment_id, now=now)
        return True
    # It stays due until the whole answer is applied, even if a webhook has just brought the first of two captures.
    if not Payment.objects.filter(pk=payment_id).claim(now=now, next_check_at=now):
        return True

    gateway = get_monitored_gateway(payment.gateway)
    link = None
    try:
        if payment.channel in LINK_CHANNELS:
            link = poll_link(gateway, payment, now=now)
        else:
            _poll_order(gateway, payment, now=now)
        capture_authorized(gateway, payment_id, now=now)
    except GatewayFailure as failure:
        release_claim(selectors.get_payment(payment_id), failure, call=None, now=now)
        return False
    _record_poll_result(payment_id, payment.order_id, link=link, now=now)
    return True


def close_link(*, payment_id: UUID, now: datetime) -> None:
    """
    Close the link or QR code of a closed payment, if it may still be open at the gateway. Calls the gateway.

    Payments that were made through it are applied first. If the gateway does not answer, the poller retries until the
    link or QR code is closed.

    :raises PaymentNotFound: if there is none
    """
    payment = selectors.get_payment(payment_id)
    is_open = payment.channel in LINK_CHANNELS and payment.link_closed_at is None and may_be_at_gateway(payment)
    if is_open and payment.status not in LIVE:
        sync_payment(payment_id=payment_id, now=now)


def _poll_order(gateway: Gateway, payment: Payment, *, now: datetime) -> None:
    gateway_order_id = payment.gateway_order_id or _find_gateway_order(gateway, payment, now=now)
    if gateway_order_id is None:
        return
    listed = gateway.list_payments(gateway_order_id=gateway_order_id)
    order = None
    if any(facts.status == AttemptStatus.CAPTURED and facts.amount != payment.amount for facts in listed):
        order = gateway.get_order(gateway_order_id=gateway_order_id)
    for facts in listed:
        apply_polled_payment(replace(facts, order_id=facts.order_id or gateway_order_id, gateway_order=order), now=now)


def _find_gateway_order(gateway: Gateway, payment: Payment, *, now: datetime) -> str | None:
    """Return the id of the gateway's order of a payment whose call has an unknown outcome, or None if there is none."""
    if payment.gateway_call != GatewayCall.UNKNOWN:
        return None
    found = gateway.find_order(receipt=payment.public_id)
    if found is None:
        return None
    check_gateway_order(payment, found)
    _backfill_gateway_order_id(payment.pk, payment.order_id, found.id, now=now)
    return found.id


@transactional
def _backfill_gateway_order_id(payment_id: UUID, order_id: UUID, gateway_order_id: str, *, now: datetime) -> None:
    lock_order(order_id)
    payment = locks.lock_payment(payment_id)

    if payment.gateway_order_id is not None:
        return

    change(
        payment,
        events.PAYMENT_UPDATED,
        {"gateway_order_id": gateway_order_id, "gateway_call": GatewayCall.SUCCEEDED},
        root=order_id,
        actor=SYSTEM,
        now=now,
    )


@transactional
def _record_poll_result(payment_id: UUID, order_id: UUID, *, link: GatewayLink | None, now: datetime) -> None:
    """Release the claim after an answer, and close the payment if it is over, or else schedule the next poll."""
    order = lock_order(order_id)
    payment = locks.lock_payment(payment_id)

    payment.claimed_until = None
    payment.checks += 1
    if link is not None:
        apply_gateway_link(order, payment, link, now=now)
    to = rules.derive_unpaid_end(
        status=payment.status,
        live_until=payment.live_until,
        is_order_open=order.status == OrderStatus.PENDING_PAYMENT,
        link_status=link.status if link is not None else "",
        is_under_review=selectors.has_open_amount_review(payment.pk),
        now=now,
    )
    if to is not None:
        payment.save(update_fields=["claimed_until", "updated_at"])
        close_locked_payment(payment, _CLOSING_EVENTS[to], to=to, actor=SYSTEM, now=now)
        sync_order_totals(order=order, actor=SYSTEM, now=now)
        return

    is_known = payment.gateway_reference is not None
    payment.next_check_at = schedule_payment_check(payment, is_known_to_gateway=is_known, now=now)
    payment.save(update_fields=["claimed_until", "checks", "next_check_at"])


def poll_open_payments(*, now: datetime, limit: int = 100) -> int:
    """Poll the payments that are due, for one round, and return how many were polled. Calls the gateway."""
    return poll_due(
        selectors.list_due_payment_ids(now=now, limit=limit),
        lambda payment_id, _: sync_payment(payment_id=payment_id, now=now),
        defer=lambda payment_id: Payment.objects.filter(pk=payment_id).defer_check(until=now + RETRY_DELAY),
        log_event="payment_poll_failed",
    )
