"""The reason of a review, and its end: derived from the refunds and disputes of its money whenever one of them changes."""

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.events import SYSTEM, Actor, change
from apps.orders.states import CANCELLED_OR_EXPIRED
from apps.payments import events, locks, rules
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.selectors import payments, refund_sums
from apps.payments.services.payments import cancel_locked_payment
from apps.payments.states import LIVE, ReviewReason

if TYPE_CHECKING:
    from apps.orders.models import Order


def find_review_reason(order: "Order", payment: Payment, *, amount: int, currency: str) -> str:
    """Return why staff must decide about captured money (in minor units of its currency) of a payment, or an empty string."""
    return rules.review_reason(
        amount=amount,
        currency=currency,
        asked=payment.amount,
        asked_currency=payment.currency,
        is_order_closed=order.status in CANCELLED_OR_EXPIRED,
        paid_before=payments.sum_captured(order.pk, currency=order.currency),
        total=order.total_amount,
    )


def sync_review_status(*, order: "Order", attempt: PaymentAttempt, actor: Actor, now: datetime) -> None:
    """
    Close the review of an attempt, and its payment, once its money is refunded or lost, or open it again.

    It opens again where another refund, requested or made, or a lost dispute has left less than a failed refund needs to be retried.
    The payment is closed once all of its money under review is reserved for refunds or lost, and the review once all of it is
    refunded or lost; less than a gateway can refund is ignored. The caller has locked order and attempt, and notifies the order.
    """
    if not attempt.review_reason:
        return
    is_of_other_amount = attempt.review_reason == ReviewReason.AMOUNT_MISMATCH
    if is_of_other_amount and not refund_sums.has_unresolved_amount_mismatch(attempt.payment_id):
        close_payment_under_review(attempt=attempt, actor=actor, now=now)
    is_gone = attempt.amount - refund_sums.attempt_refunded_or_lost_amount(attempt.pk) < attempt.min_refund_amount
    if is_gone and attempt.review_closed_at is None:
        close_locked_review(order=order, attempt=attempt, note="all of it is refunded or lost", actor=SYSTEM, now=now)
    reopen_review(order=order, attempt=attempt, actor=actor, now=now)


def reopen_review(*, order: "Order", attempt: PaymentAttempt, actor: Actor, now: datetime) -> None:
    """
    Open a closed review again if refunds and disputes do not return all of its money any more.

    So staff decide about the money again, instead of nobody. The caller has locked the order.
    """
    if not attempt.review_reason or attempt.review_closed_at is None:
        return
    if attempt.amount - refund_sums.attempt_requested_or_lost_amount(attempt) < attempt.min_refund_amount:
        return
    opened = {"review_reason": attempt.review_reason, "review_opened_at": now, "review_closed_at": None}
    change(
        attempt,
        events.ATTEMPT_REVIEW_OPENED,
        opened,
        root=order.pk,
        actor=actor,
        event_reason="its refunds do not return all of it any more",
        now=now,
    )


def close_payment_under_review(*, attempt: PaymentAttempt, actor: Actor, now: datetime) -> None:
    """
    Close the live payment of money that came in another amount and does not count for the order.

    So the buyer can start another: the gateway's order takes no more payments. The caller has locked order and attempt,
    and notifies the order.
    """
    if attempt.review_reason != ReviewReason.AMOUNT_MISMATCH:
        return
    payment = locks.lock_payment(attempt.payment_id)
    if payment.status not in LIVE:
        return
    cancel_locked_payment(payment, actor=actor, reason="its money is refunded or was lost", now=now)


def close_locked_review(
    *, order: "Order", attempt: PaymentAttempt, note: str, actor: Actor, now: datetime
) -> PaymentAttempt:
    """Close an open review. The caller has locked order and attempt, and notifies the order."""
    closed = {"review_closed_at": now}
    change(attempt, events.ATTEMPT_REVIEW_CLOSED, closed, root=order.pk, actor=actor, event_reason=note, now=now)

    return attempt
