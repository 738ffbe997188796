"""
Creation of the gateway's order (for Checkout), payment link or QR code for a payment.

Our row and a claim on it are committed before the call. The call is made outside any transaction. Its outcome is
recorded under the locks. If the outcome is unknown, the next attempt first looks it up by receipt, which is our
payment's id.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from apps.accounts import selectors as accounts
from apps.core.events import SYSTEM, change, current_values
from apps.core.external_calls import OPEN_CALLS, GatewayCall
from apps.core.transactions import transactional
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, states
from apps.payments.facts import GatewayError, GatewayOrder, GatewayPayment, UpiIntent
from apps.payments.gateways.interface import (
    Gateway,
    GatewayFailure,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    Payer,
)
from apps.payments.models import Payment
from apps.payments.selectors import payments as selectors
from apps.payments.services.attempts import record_opened_attempt
from apps.payments.services.gateway_access import get_monitored_gateway
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.payment_links import find_or_create_link, link_action
from apps.payments.services.payment_status import PendingChange
from apps.payments.services.payments import schedule_payment_check
from apps.payments.services.upi_intents import open_upi_intent, upi_action, upi_attempt_facts
from apps.payments.states import CLOSED, LINK_CHANNELS, LIVE, PaymentStatus

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Created:
    """What the gateway created: the field for its id, the buyer's next action, and an attempt opened with it."""

    field: str
    id: str
    next_action: Mapping[str, object]
    facts: GatewayPayment | None = None


def create_gateway_order(*, payment_id: UUID, now: datetime) -> None:
    """
    Create the gateway's order, payment link or QR code for a payment. Calls the gateway.

    With an order it also attempts to open a UPI payment. A second call, or a call after a crash, creates no duplicate.
    If the outcome is unknown, the poller continues. If the gateway rejects the call, the payment is cancelled, so that
    the customer can start another.
    """
    payment = _claim(payment_id, now=now)
    if payment is None:
        return

    gateway = get_monitored_gateway(payment.gateway)
    is_repeat = payment.gateway_call == GatewayCall.UNKNOWN
    try:
        made = _create(gateway, payment, look_first=is_repeat)
    except GatewayRejected as failure:
        _record_rejection(payment, failure.error, now=now)
    except GatewayUnavailable as failure:
        call = GatewayCall.UNKNOWN if is_repeat else GatewayCall.PENDING
        release_claim(payment, failure, call=call, now=now)
    except GatewayOutcomeUnknown as failure:
        release_claim(payment, failure, call=GatewayCall.UNKNOWN, now=now)
    else:
        _record_success(payment, made, now=now)


def _claim(payment_id: UUID, *, now: datetime) -> Payment | None:
    """
    Claim the call of a live payment and return the payment as it was, or None if there is nothing to do.

    Until the outcome is recorded the row says `unknown`, which is correct if this process crashes.
    """
    payment = selectors.get_payment(payment_id)
    if payment.gateway_call not in OPEN_CALLS:
        return None
    unmade = Payment.objects.exclude(status__in=CLOSED).filter(
        pk=payment_id, gateway_call=payment.gateway_call, **{f"{_field_of(payment)}__isnull": True}
    )
    return payment if unmade.claim(now=now, gateway_call=GatewayCall.UNKNOWN) else None


def _field_of(payment: Payment) -> str:
    return "gateway_link_id" if payment.channel in LINK_CHANNELS else "gateway_order_id"


def _create(gateway: Gateway, payment: Payment, *, look_first: bool) -> _Created:
    order = orders.get_order(payment.order_id)
    payer, notes = _payer(payment, order), {"payment": payment.public_id, "order": order.public_id}
    if payment.channel in LINK_CHANNELS:
        link = find_or_create_link(gateway, payment, payer=payer, notes=notes, look_first=look_first)
        return _Created("gateway_link_id", link.id, link_action(link))
    gateway_order = _find_or_create_order(gateway, payment, notes=notes, look_first=look_first)
    intent = open_upi_intent(
        gateway, payment, gateway_order, payer=payer, description=f"Order {order.number}", notes=notes
    )
    return _Created(
        "gateway_order_id",
        gateway_order.id,
        _next_action(payment, gateway, gateway_order, intent),
        None if intent is None else upi_attempt_facts(payment, gateway_order, intent),
    )


def _find_or_create_order(
    gateway: Gateway, payment: Payment, *, notes: Mapping[str, str], look_first: bool
) -> GatewayOrder:
    receipt = payment.public_id
    gateway_order = gateway.find_order(receipt=receipt) if look_first else None
    if gateway_order is None:
        gateway_order = gateway.create_order(
            receipt=receipt, amount=payment.amount, currency=payment.currency, notes=notes
        )
    check_gateway_order(payment, gateway_order)
    return gateway_order


def check_gateway_order(payment: Payment, gateway_order: GatewayOrder) -> None:
    """
    Make sure that a gateway's order has the amount and currency of our payment.

    :raises GatewayRejected: if it does not
    """
    if (gateway_order.amount, gateway_order.currency) != (payment.amount, payment.currency):
        log.error("gateway_order_differs", payment=payment.public_id, gateway_order=gateway_order.id)
        raise GatewayRejected(
            GatewayError(code="ORDER_DIFFERS", description="the amount or currency is not the one requested")
        )


def _payer(payment: Payment, order: "Order") -> Payer:
    customer = accounts.get_user(payment.customer_id)
    return Payer(
        email=customer.email or "",
        phone=customer.phone or order.shipping_address.phone,
        ip=payment.payer_ip or "",
        user_agent=payment.payer_user_agent,
    )


@transactional
def _record_success(claimed: Payment, made: _Created, *, now: datetime) -> None:
    order = lock_order(claimed.order_id)
    payment = locks.lock_payment(claimed.pk)

    if payment.gateway_reference not in (None, made.id):
        log.error("duplicate_gateway_order", payment=payment.public_id, second=made.id)
        return

    is_live = payment.status in LIVE
    event_type = events.PAYMENT_READY if is_live else events.PAYMENT_UPDATED
    event_values = {"channel": payment.channel}
    before = current_values(payment)
    payment.checks = 0
    values = {
        made.field: made.id,
        "gateway_call": GatewayCall.SUCCEEDED,
        "next_action": made.next_action if is_live else payment.next_action,
        "claimed_until": None,
        "checks": payment.checks,
        "next_check_at": schedule_payment_check(payment, is_known_to_gateway=True, now=now),
    }

    if made.facts is None:
        change(payment, event_type, values, root=order.pk, actor=SYSTEM, event_values=event_values, now=now)
        return
    for name, value in values.items():
        setattr(payment, name, value)
    pending = PendingChange(before, event_type, event_values)
    record_opened_attempt(order=order, payment=payment, facts=made.facts, pending=pending, actor=SYSTEM, now=now)


def _next_action(
    payment: Payment, gateway: Gateway, gateway_order: GatewayOrder, intent: UpiIntent | None
) -> dict[str, object]:
    """Return the buyer's next action: to open the gateway's Checkout or, if there is one, the UPI link."""
    action: dict[str, object] = {
        "type": f"{gateway.name}_checkout",
        **gateway.checkout_options(gateway_order_id=gateway_order.id),
        "amount": payment.amount,
        "currency": payment.currency,
    }
    if intent is not None:
        action["upi"] = upi_action(payment, intent)
    return action


@transactional
def _record_rejection(claimed: Payment, error: GatewayError, *, now: datetime) -> None:
    order = lock_order(claimed.order_id)
    payment = locks.lock_payment(claimed.pk)

    if payment.gateway_reference is not None:
        return

    is_live = payment.status in LIVE
    change(
        payment,
        events.PAYMENT_REJECTED,
        {
            "status": states.transition(payment.status, to=PaymentStatus.CANCELLED) if is_live else payment.status,
            "error": error.as_dict(),
            "gateway_call": GatewayCall.REJECTED,
            "claimed_until": None,
            "next_check_at": None,
        },
        root=order.pk,
        actor=SYSTEM,
        now=now,
    )
    log.error("gateway_rejected_order", payment=payment.public_id, error=payment.error)
    sync_order_totals(order=order, actor=SYSTEM, now=now)


def release_claim(payment: Payment, failure: GatewayFailure, *, call: GatewayCall | None, now: datetime) -> None:
    """Release the claim after a call without a usable answer, and schedule the next poll."""
    log.warning(
        "gateway_call_failed", payment=payment.public_id, kind=type(failure).__name__, error=failure.error.as_dict()
    )
    next_check_at = schedule_payment_check(payment, is_known_to_gateway=True, now=now)
    # A closed payment is polled a limited number of times: a poll without an answer does not count.
    checks = payment.checks + 1 if payment.status in LIVE else payment.checks
    held = Payment.objects.filter(pk=payment.pk)
    held.release(checks=checks, next_check_at=next_check_at)
    if call is not None:
        held.filter(**{f"{_field_of(payment)}__isnull": True}).update(gateway_call=call)
