"""
The one place where money arrives: webhook, browser callback, poll, settlement import and operator all end here.

Whatever the order in which news comes, and however often, the rows end in one state and the books have one posting.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction

from apps.core.errors import NotFound
from apps.core.events import SYSTEM, Actor, changes_since, record, stored_fields
from apps.core.models import subject_type_of
from apps.orders.locks import lock_order
from apps.orders.states import OrderStatus
from apps.payments import events, locks, rules, selectors, states
from apps.payments.gateways import GatewayPayment
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.services.ledger import CUSTOMER_ADVANCES, gateway_receivable, post_to_ledger
from apps.payments.services.starting import close_unpaid, may_be_at_gateway, next_check_of
from apps.payments.services.surplus import decide_about_surplus
from apps.payments.services.telling import tell_order
from apps.payments.states import (
    LIVE,
    SUCCESSFUL,
    AttemptStatus,
    GatewayCall,
    PaymentChannel,
    PaymentStatus,
    ReviewReason,
    Source,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

CAPTURE = "capture"
#: Orders that no longer want money.
_CLOSED_ORDERS = (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
_NEWS_OF_ATTEMPT = {
    AttemptStatus.CREATED: events.ATTEMPT_CREATED,
    AttemptStatus.FAILED: events.ATTEMPT_FAILED,
    AttemptStatus.AUTHORIZED: events.ATTEMPT_AUTHORIZED,
    AttemptStatus.AUTO_REFUNDED: events.ATTEMPT_AUTO_REFUNDED,
    AttemptStatus.CAPTURED: events.ATTEMPT_CAPTURED,
}
_NEWS_OF_PAYMENT = {
    PaymentStatus.SUCCEEDED: events.PAYMENT_SUCCEEDED,
    PaymentStatus.SUCCEEDED_LATE: events.PAYMENT_SUCCEEDED_LATE,
}


class NotOurPayment(NotFound):
    message = "The gateway's payment {0} belongs to none of ours."


@transaction.atomic
def apply_gateway_payment(*, facts: GatewayPayment, source: Source, actor: Actor, now: datetime) -> PaymentAttempt:
    """
    Take in what a gateway says of one try to pay.

    1. Find our payment unlocked, then lock order, payment and attempt.
    2. Merge the attempt by rank; what we know already changes nothing.
    3. Post captured money to the ledger, once, as the customer's advance.
    4. Derive the payment's status, close its rivals, tell the order, which confirms itself.
    5. Money that the order does not want revives it or goes back; money that is not what was asked waits for staff.

    :raises NotOurPayment: if no payment of ours has that gateway order
    """
    found = selectors.find_payment_for(facts)
    if found is None:
        raise NotOurPayment(facts.id)
    order = lock_order(found.order_id)
    payment = locks.lock_payment(found.pk)
    attempt = locks.lock_attempt(gateway=facts.gateway, gateway_payment_id=facts.id)

    if attempt is not None and attempt.payment_id != payment.pk:
        raise NotOurPayment(facts.id)
    is_by_order = payment.channel == PaymentChannel.CHECKOUT
    if is_by_order and payment.gateway_order_id not in (None, facts.order_id):
        raise NotOurPayment(facts.id)

    _adopt_gateway_ids(order, payment, facts, actor=actor, now=now)
    attempt, has_risen = _merge(order, payment, attempt, facts, source=source, actor=actor, now=now)
    if has_risen and attempt.status == AttemptStatus.CAPTURED:
        _post_capture(order, attempt)
    _settle(order, payment, attempt, has_risen=has_risen, actor=actor, now=now)

    tell_order(order=order, actor=actor, now=now)
    if has_risen and attempt.status == AttemptStatus.CAPTURED:
        decide_about_surplus(order=order, attempt=attempt, actor=actor, now=now)

    return attempt


def apply_polled_payment(facts: GatewayPayment, *, now: datetime) -> None:
    """Take in what a gateway answered about one try to pay; one that is not ours is left to staff, with a line in the log."""
    try:
        apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=now)
    except NotOurPayment:
        log.error("gateway_payment_of_another_order", gateway_payment=facts.id)


def _adopt_gateway_ids(order: "Order", payment: Payment, facts: GatewayPayment, *, actor: Actor, now: datetime) -> None:
    """
    Keep the gateway's ids where the answer to our call was lost and its news came first.

    Of a link also the order that the gateway made for it, if the news came with the link itself: notes alone prove too little.
    """
    adopted = _ids_to_adopt(payment, facts)
    if not adopted:
        return
    for name, value in adopted.items():
        setattr(payment, name, value)
    if payment.gateway_reference is not None:
        payment.gateway_call = GatewayCall.DONE
    payment.save(update_fields=[*adopted, "gateway_call", "updated_at"])
    changed = stored_fields(payment, *adopted)
    record(events.PAYMENT_CHANGED, subject=payment, root_id=order.pk, actor=actor, changed=changed, now=now)


def _ids_to_adopt(payment: Payment, facts: GatewayPayment) -> dict[str, str]:
    if payment.channel == PaymentChannel.CHECKOUT:
        return {"gateway_order_id": facts.order_id} if payment.gateway_order_id is None else {}
    if not facts.link_id:
        return {}
    if payment.gateway_link_id not in (None, facts.link_id):
        log.error("second_gateway_link", payment=payment.public_id, gateway_link=facts.link_id)
        return {}
    adopted = {} if payment.gateway_link_id else {"gateway_link_id": facts.link_id}
    if facts.order_id and payment.gateway_order_id is None:
        adopted["gateway_order_id"] = facts.order_id
    return adopted


def _merge(
    order: "Order",
    payment: Payment,
    attempt: PaymentAttempt | None,
    facts: GatewayPayment,
    *,
    source: Source,
    actor: Actor,
    now: datetime,
) -> tuple[PaymentAttempt, bool]:
    """Bring the attempt up to the facts, record what changed, and return it and whether its rank rose."""
    is_new = attempt is None
    if attempt is None:
        attempt = PaymentAttempt(
            payment=payment, gateway=facts.gateway, gateway_payment_id=facts.id, status=facts.status, learnt_by=source
        )
    before = stored_fields(attempt)
    has_risen = is_new or rules.rises(attempt.status, facts.status)
    if has_risen:
        _rise(order, payment, attempt, facts, now=now)
    _fill_blanks(attempt, facts)

    changed = stored_fields(attempt) if is_new else changes_since(attempt, before)
    if changed:
        if is_new:
            attempt.save(force_insert=True)
        else:
            attempt.save(update_fields=[*changed, "updated_at"])
        event_type = _NEWS_OF_ATTEMPT[AttemptStatus(attempt.status)] if has_risen else events.ATTEMPT_CHANGED
        record(event_type, subject=attempt, root_id=order.pk, actor=actor, changed=changed, now=now)
        if attempt.review_reason and before["review_reason"] != attempt.review_reason:
            _flag(order, attempt, actor=actor, now=now)
    return attempt, has_risen


def _rise(order: "Order", payment: Payment, attempt: PaymentAttempt, facts: GatewayPayment, *, now: datetime) -> None:
    attempt.status = facts.status
    attempt.amount = facts.amount
    attempt.currency = facts.currency
    attempt.error = facts.error.as_dict() if facts.status == AttemptStatus.FAILED else {}
    if facts.status == AttemptStatus.FAILED:
        attempt.failed_at = now
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.AUTO_REFUNDED, AttemptStatus.CAPTURED):
        attempt.authorized_at = attempt.authorized_at or now
    if facts.status == AttemptStatus.CAPTURED:
        # Two workers may read the clock in one order and get the lock in the other.
        attempt.captured_at = max(now, attempt.authorized_at or now)
    if facts.status in (AttemptStatus.AUTHORIZED, AttemptStatus.CAPTURED):
        reason = _reason_to_review(order, payment, facts)
        attempt.review_reason = reason
        attempt.review_opened_at = attempt.review_opened_at or (now if reason else None)


def _reason_to_review(order: "Order", payment: Payment, facts: GatewayPayment) -> str:
    reason = rules.review_reason(
        amount=facts.amount,
        currency=facts.currency,
        asked=payment.amount,
        asked_currency=payment.currency,
        is_order_closed=order.status in _CLOSED_ORDERS,
        paid_before=selectors.sum_captured(order.pk, currency=order.currency),
        total=order.total_amount,
    )
    # Money that is only authorised goes back by itself; staff need to know of it only if it is not what was asked.
    is_captured = facts.status == AttemptStatus.CAPTURED
    return reason if is_captured or reason == ReviewReason.AMOUNT_DIFFERS else ""


def _fill_blanks(attempt: PaymentAttempt, facts: GatewayPayment) -> None:
    """Keep what earlier news left out, whatever the rank of this one: an order's events may come in any order."""
    attempt.method = attempt.method or facts.method
    attempt.payer = attempt.payer or facts.payer
    attempt.rrn = attempt.rrn or facts.rrn
    if attempt.fee_amount is None:
        attempt.fee_amount = facts.fee_amount
        attempt.fee_tax_amount = facts.fee_tax_amount


def _flag(order: "Order", attempt: PaymentAttempt, *, actor: Actor, now: datetime) -> None:
    log.warning("attempt_flagged", attempt=attempt.public_id, order=order.number, reason=attempt.review_reason)
    changed = stored_fields(attempt, "review_reason", "review_opened_at")
    record(events.ATTEMPT_FLAGGED, subject=attempt, root_id=order.pk, actor=actor, changed=changed, now=now)


def _post_capture(order: "Order", attempt: PaymentAttempt) -> None:
    """Book captured money: the gateway owes it to us, and we owe it to the customer until an invoice says otherwise."""
    assert attempt.captured_at is not None  # noqa: S101 - the constraint says so, this tells the type checker
    post_to_ledger(
        source_type=subject_type_of(attempt),
        source_id=attempt.pk,
        kind=CAPTURE,
        order_id=order.pk,
        entries={gateway_receivable(attempt.gateway): attempt.amount, CUSTOMER_ADVANCES: -attempt.amount},
        currency=attempt.currency,
        description=f"{attempt.gateway_payment_id} captured for {order.number}",
        occurred_at=attempt.captured_at,
    )


def _settle(
    order: "Order", payment: Payment, attempt: PaymentAttempt, *, has_risen: bool, actor: Actor, now: datetime
) -> None:
    """Bring the payment in line with its attempts, and close its rivals if it has the money."""
    before = stored_fields(payment, "status", "live_until", "next_action", "succeeded_at")
    to = rules.status_from(
        payment.status, selectors.list_attempt_states(payment.pk), is_order_closed=order.status in _CLOSED_ORDERS
    )
    has_moved = to != payment.status
    if has_moved:
        _move(payment, PaymentStatus(to), now=now)
    if has_risen and payment.status in LIVE:
        payment.live_until = rules.extended(payment.live_until, status=attempt.status, now=now)

    changed = changes_since(payment, before)
    if not changed:
        return
    payment.save(update_fields=[*before, "checks", "next_check_at", "updated_at"])
    event_type = (
        _NEWS_OF_PAYMENT.get(PaymentStatus(to), events.PAYMENT_CHANGED) if has_moved else events.PAYMENT_CHANGED
    )
    record(event_type, subject=payment, root_id=order.pk, actor=actor, changed=changed, now=now)
    if has_moved and to in SUCCESSFUL:
        _close_rivals(order, actor=actor, now=now)


def _move(payment: Payment, to: PaymentStatus, *, now: datetime) -> None:
    payment.status = states.change(payment.status, to=to)
    payment.checks = 0
    payment.next_check_at = next_check_of(payment, is_known_to_gateway=may_be_at_gateway(payment), now=now)
    if to in SUCCESSFUL:
        payment.succeeded_at = now
        payment.next_action = {}
    elif to == PaymentStatus.REQUIRES_PAYMENT:
        # The UPI link belonged to the try that failed; Checkout opens a new one on the same gateway order.
        payment.next_action = without_upi(payment.next_action)


def without_upi(next_action: dict[str, Any]) -> dict[str, Any]:
    """Return a next action without its UPI link."""
    return {name: value for name, value in next_action.items() if name != "upi"}


def _close_rivals(order: "Order", *, actor: Actor, now: datetime) -> None:
    """Cancel the order's other live payments, so that nobody is asked to pay twice."""
    for rival in locks.lock_live_payments(order.pk):
        close_unpaid(rival, to=PaymentStatus.CANCELLED, now=now)
        record(
            events.PAYMENT_CANCELLED,
            subject=rival,
            root_id=order.pk,
            actor=actor,
            changed=stored_fields(rival, "status", "next_action"),
            reason="the order was paid by another payment",
            now=now,
        )
