"""Decisions of staff about payments under review: to refund the money, and to close the review once none is left."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import locks
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import payments, refund_sums
from apps.payments.services.decision_rights import get_approval_requirement
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.refunds.amounts import NothingToRefund
from apps.payments.services.refunds.requests import refund_attempt
from apps.payments.services.review_status import close_locked_review, sync_review_status
from apps.payments.states import (
    ApprovalRequirement,
    AttemptStatus,
    MoneyOperation,
    RefundReason,
    ReviewReason,
)

if TYPE_CHECKING:
    from apps.orders.models import Order


class AttemptNotUnderReview(Conflict):
    """The payment does not await a decision. Read the payment."""

    message = "Payment {0} does not await a decision."


class ReviewHasUnrefundedAmount(Conflict):
    """Money of the payment is neither refunded nor on its way. Refund it before the review is closed."""

    message = "{1} of payment {0} is neither refunded nor on its way. Refund it first."


class ReviewNoteRequired(Invalid):
    """The review cannot be closed without a note. Enter a note with the reason."""

    message = "Enter a note with the reason why the review is closed."


_REASONS = {
    ReviewReason.ORDER_CLOSED: RefundReason.LATE_PAYMENT,
    ReviewReason.PAID_TWICE: RefundReason.PAID_TWICE,
    ReviewReason.AMOUNT_MISMATCH: RefundReason.AMOUNT_MISMATCH,
}


@transactional
def refund_reviewed_attempt(*, attempt_id: UUID, note: str = "", actor: Actor, now: datetime) -> Refund:
    """
    Refund all that is left of a captured attempt under review, and no other money of its order.

    The refund waits for a second person's approval unless the actor may decide about the amount alone.

    :raises PaymentNotFound: if there is no such attempt
    :raises AttemptNotUnderReview: if it is not under review, or the money has not been captured
    :raises NothingToRefund: if a refund of all of it was requested already
    """
    order, attempt = _lock(attempt_id)

    if not _is_open(attempt) or attempt.status != AttemptStatus.CAPTURED:
        raise AttemptNotUnderReview(attempt.gateway_payment_id)
    amount = refund_sums.attempt_refundable_amount(attempt)
    decision = get_approval_requirement(
        order=order, operation=MoneyOperation.REFUND_REVIEWED, amount=amount, actor=actor
    )
    refund = refund_attempt(
        order=order,
        attempt=attempt,
        reason=_REASONS[ReviewReason(attempt.review_reason)],
        note=note,
        is_approved=decision == ApprovalRequirement.NOT_REQUIRED,
        actor=actor,
        now=now,
    )
    if refund is None:
        raise NothingToRefund(order.number)

    return refund


@transactional
def close_review(*, attempt_id: UUID, note: str, actor: Actor, now: datetime) -> PaymentAttempt:
    """
    Close the review of an attempt manually, once all of its money is refunded, being refunded, disputed or lost.

    :raises PaymentNotFound: if there is no such attempt
    :raises AttemptNotUnderReview: if it is not under review
    :raises ReviewNoteRequired: if the note is empty
    :raises ReviewHasUnrefundedAmount: if at least the gateway's minimum refund is still undecided
    """
    order, attempt = _lock(attempt_id)

    if not _is_open(attempt):
        raise AttemptNotUnderReview(attempt.gateway_payment_id)
    if not note.strip():
        raise ReviewNoteRequired(param="note")
    left = refund_sums.unallocated_amount(attempt)
    if left >= attempt.min_refund_amount:
        raise ReviewHasUnrefundedAmount(attempt.gateway_payment_id, rupees(left))

    close_locked_review(order=order, attempt=attempt, note=note.strip(), actor=actor, now=now)
    sync_review_status(order=order, attempt=attempt, actor=actor, now=now)

    sync_order_totals(order=order, actor=actor, now=now)

    return attempt


def _lock(attempt_id: UUID) -> "tuple[Order, PaymentAttempt]":
    known = payments.get_attempt(attempt_id)
    order = lock_order(known.payment.order_id)
    locks.lock_payment(known.payment_id)
    return order, locks.lock_attempt(gateway=known.gateway, gateway_payment_id=known.gateway_payment_id) or known


def _is_open(attempt: PaymentAttempt) -> bool:
    return bool(attempt.review_reason) and attempt.review_closed_at is None
