"""Decisions about refunds: approval, rejection, cancellation, and the bank transfer of a refund that failed."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.orders.states import CANCELLED_OR_EXPIRED
from apps.payments import events, locks, rules, states
from apps.payments.models import Refund
from apps.payments.selectors import refunds as selectors
from apps.payments.services.decision_rights import check_decision
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.refunds.amounts import (
    check_still_refundable,
)
from apps.payments.services.refunds.requests import (
    REFUND_DUE,
    REFUND_REVERSAL,
    post_refund_due,
)
from apps.payments.services.review_status import reopen_review, sync_review_status
from apps.payments.states import MoneyOperation, RefundStatus

if TYPE_CHECKING:
    from apps.orders.models import Order


class RefundNotAwaitingApproval(Conflict):
    """The refund's state allows no approval or rejection. Read the refund."""

    message = "Refund {0} is {1}; it does not await approval."


class RefundNotCancellable(Conflict):
    """The refund was submitted or has ended, and cannot be cancelled. Read the refund."""

    message = "Refund {0} is {1} and can no longer be cancelled."


class RefundOfClosedOrder(Conflict):
    """The order is cancelled or expired, so nothing else returns this money. Approve the refund, or transfer it by bank."""

    message = "Order {0} is {1}, so its money must be refunded: refund {2} cannot be given up. Approve it, or transfer it by bank."


@transactional
def approve_refund(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Approve a refund that another person requested. A worker then submits it to the gateway.

    :raises RefundNotFound: if there is none
    :raises RefundNotAwaitingApproval: if it does not await approval
    :raises SelfApprovalForbidden: if the actor requested it, or the order is their own
    :raises SecondPersonRequired: if the actor may not approve refunds
    :raises PaymentDisputed: if its money has been disputed in the meantime
    :raises RefundExceedsPayment: if its money has been refunded at the gateway in the meantime
    """
    order, refund = _lock(refund_id)

    if refund.status != RefundStatus.REQUIRES_APPROVAL:
        raise RefundNotAwaitingApproval(refund.number, _words(refund))
    check_decision(
        order=order, operation=MoneyOperation.APPROVE_REFUND, amount=refund.amount, actor=actor, refund=refund
    )
    check_still_refundable(order, refund)

    change(
        refund,
        events.REFUND_APPROVED,
        {
            "status": states.transition_refund(RefundStatus(refund.status), to=RefundStatus.PENDING),
            "approved_by": str(actor),
            "approved_at": now,
            "next_check_at": rules.next_refund_check(checks=0, now=now),
        },
        root=order.pk,
        actor=actor,
        now=now,
    )
    post_refund_due(order, refund, kind=REFUND_DUE, now=now)
    sync_review_status(order=order, attempt=refund.attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return refund


@transactional
def reject_refund(*, refund_id: UUID, actor: Actor, reason: str, now: datetime) -> Refund:
    """
    Reject a refund that awaits approval, or cancel one that awaits a bank transfer. Its amount is released.

    :raises RefundNotFound: if there is none
    :raises RefundNotAwaitingApproval: if it awaits neither approval nor a transfer
    :raises RefundOfClosedOrder: if nothing else would return the money
    """
    order, refund = _lock(refund_id)

    if refund.status not in (RefundStatus.REQUIRES_APPROVAL, RefundStatus.AWAITING_TRANSFER):
        raise RefundNotAwaitingApproval(refund.number, _words(refund))

    return _give_up(order, refund, actor=actor, reason=reason, now=now)


@transactional
def cancel_refund(*, refund_id: UUID, actor: Actor, reason: str = "", now: datetime) -> Refund:
    """
    Cancel a refund that has not been submitted to the gateway. Its amount is released.

    :raises RefundNotFound: if there is none
    :raises RefundNotCancellable: if it may have been submitted, or is final
    :raises RefundOfClosedOrder: if nothing else would return the money
    """
    order, refund = _lock(refund_id)

    if refund.status != RefundStatus.REQUIRES_APPROVAL and not refund.is_unsubmitted:
        raise RefundNotCancellable(refund.number, _words(refund))

    return _give_up(order, refund, actor=actor, reason=reason, now=now)


def supersede_refunds_awaiting_approval(*, order: "Order", actor: Actor, now: datetime) -> None:
    """
    Cancel the refunds of an order that await approval, because one refund of all of its money replaces them.

    The caller has locked the order. The buyer is notified of the replacing refund only. Refunds of attempts with a
    wrong amount are not touched.
    """
    locks.lock_captured_attempts(order.pk)
    for refund in locks.lock_refunds_awaiting_approval(order.pk):
        reason = "the order is cancelled, and all of its money is refunded at once"
        cancel_locked_refund(order, refund, actor=actor, reason=reason, event_type=events.REFUND_UPDATED, now=now)


def cancel_locked_refund(
    order: "Order",
    refund: Refund,
    *,
    actor: Actor,
    reason: str,
    event_type: str = events.REFUND_CANCELLED,
    now: datetime,
) -> Refund:
    """
    Cancel a locked refund that nobody is paying. The caller has locked its order.

    A reason from the customer is added to the refund's note, where it can be erased. Any other reason is kept in the
    event.
    """
    if refund.status in (RefundStatus.PENDING, RefundStatus.UNKNOWN, RefundStatus.AWAITING_TRANSFER):
        post_refund_due(order, refund, kind=REFUND_REVERSAL, now=now)
    cancelled: dict[str, Any] = {
        "status": states.transition_refund(RefundStatus(refund.status), to=RefundStatus.CANCELLED),
        "next_check_at": None,
    }
    event_reason = orders.text_to_record(order, reason, actor=actor)
    if reason and not event_reason:
        note = f"{refund.note}; {reason}" if refund.note else reason
        cancelled["note"] = orders.text_to_store(order, note)[:200]
    change(refund, event_type, cancelled, root=order.pk, actor=actor, event_reason=event_reason, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return refund


def _lock(refund_id: UUID) -> "tuple[Order, Refund]":
    order = lock_order(selectors.get_refund(refund_id).order_id)
    return order, locks.lock_refund(refund_id)


def _give_up(order: "Order", refund: Refund, *, actor: Actor, reason: str, now: datetime) -> Refund:
    """Cancel a locked refund that nothing replaces, so that its money stays with the order or is for staff to decide again."""
    _check_money_stays_due(order, refund)

    cancelled = cancel_locked_refund(order, refund, actor=actor, reason=reason, now=now)
    reopen_review(order=order, attempt=cancelled.attempt, actor=actor, now=now)

    return cancelled


def _check_money_stays_due(order: "Order", refund: Refund) -> None:
    """
    Refuse to give up a refund of a closed order whose money no review shows to staff: nobody would decide about it again.

    A retry may end: the failed refund that it repeats remains.
    """
    is_retry = refund.retry_of_id is not None
    if order.status in CANCELLED_OR_EXPIRED and not refund.attempt.review_reason and not is_retry:
        raise RefundOfClosedOrder(order.number, order.get_status_display().lower(), refund.number)


def _words(refund: Refund) -> str:
    return RefundStatus(refund.status).label.lower()
