"""The status of a payment: derived from its attempts whenever one of them changes, and its rivals closed once it has the money."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from apps.core.events import Actor, change, changes_since, current_values
from apps.orders.states import CANCELLED_OR_EXPIRED
from apps.payments import events, locks, rules, states
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.selectors import payments as selectors
from apps.payments.services.payments import cancel_locked_payment, may_be_at_gateway, schedule_payment_check
from apps.payments.states import LIVE, SUCCESSFUL, AttemptStatus, PaymentStatus

if TYPE_CHECKING:
    from apps.orders.models import Order


@dataclass(frozen=True)
class PendingChange:
    """
    A change of a payment that its instance has and its row does not, to be stored with what its attempts say of it.

    `before` are all values of the row, `event_values` facts that the event keeps and the row does not have.
    """

    before: Mapping[str, Any]
    event_type: str
    event_values: Mapping[str, Any]


_PAYMENT_EVENTS = {
    PaymentStatus.SUCCEEDED: events.PAYMENT_SUCCEEDED,
    PaymentStatus.SUCCEEDED_LATE: events.PAYMENT_SUCCEEDED_LATE,
}


def sync_payment_status(
    order: "Order",
    payment: Payment,
    attempt: PaymentAttempt,
    *,
    has_advanced: bool,
    pending: PendingChange | None = None,
    actor: Actor,
    now: datetime,
) -> None:
    """Bring a locked payment in line with its attempts, and close its rivals if it has the money. The caller has locked the order."""
    before = pending.before if pending else current_values(payment)
    attempts = selectors.summarize_attempts(payment)
    to = rules.derive_payment_status(
        payment.status,
        attempts.states,
        is_order_closed=order.status in CANCELLED_OR_EXPIRED,
        is_under_review=attempts.is_under_review,
    )
    has_moved = to != payment.status
    if has_moved:
        _move(payment, PaymentStatus(to), now=now)
    if has_advanced and payment.status in LIVE:
        payment.live_until = rules.extend_live_until(payment.live_until, status=attempt.status, now=now)
    if payment.status == PaymentStatus.REQUIRES_PAYMENT and payment.opened_upi_id and not attempts.is_upi_link_open:
        # The UPI link belonged to the attempt that failed; Checkout opens a new one on the same gateway order.
        payment.next_action = without_upi(payment.next_action)
    if attempts.is_under_review and attempt.status == AttemptStatus.CAPTURED and attempt.amount > payment.amount:
        # More than was requested has been charged: nobody is asked to pay it again.
        payment.next_action = {}

    changed = changes_since(payment, before)
    if not changed:
        return
    usual = pending.event_type if pending else events.PAYMENT_UPDATED
    event_type = _PAYMENT_EVENTS.get(PaymentStatus(to), usual) if has_moved else usual
    event_values = pending.event_values if pending else None
    change(payment, event_type, changed, root=order.pk, actor=actor, event_values=event_values, now=now)
    if has_moved and to in SUCCESSFUL:
        _close_rivals(order, actor=actor, now=now)


def _move(payment: Payment, to: PaymentStatus, *, now: datetime) -> None:
    payment.status = states.transition(payment.status, to=to)
    payment.checks = 0
    if payment.is_claimed(now=now):
        # The poll that is running may have received more captures than the one that moves the payment. If its process
        # crashes before it has applied them all, the next poll finds them once the claim is over.
        payment.next_check_at = payment.claimed_until
    else:
        payment.next_check_at = schedule_payment_check(payment, is_known_to_gateway=may_be_at_gateway(payment), now=now)
    if to in SUCCESSFUL:
        payment.succeeded_at = now
        payment.next_action = {}


def without_upi(next_action: Mapping[str, object]) -> dict[str, object]:
    """Return a next action without its UPI link."""
    return {name: value for name, value in next_action.items() if name != "upi"}


def _close_rivals(order: "Order", *, actor: Actor, now: datetime) -> None:
    """Cancel the order's other live payments, so that nobody is asked to pay twice."""
    for rival in locks.lock_live_payments(order.pk):
        cancel_locked_payment(rival, actor=actor, reason="the order was paid by another payment", now=now)
