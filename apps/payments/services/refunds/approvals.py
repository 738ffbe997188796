"""Decisions about refunds: approval, rejection, cancellation, and the bank transfer of a refund that failed."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction

from apps.core.errors import Conflict
from apps.core.events import Actor, change, stored_fields
from apps.core.external_calls import GatewayCall
from apps.core.models import subject_type_of
from apps.ledger.services import post_to_ledger
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, selectors, states
from apps.payments.models import Refund
from apps.payments.services.decision_rights import check_decision
from apps.payments.services.ledger_accounts import BANK, REFUNDS_PAYABLE
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.refunds.amounts import (
    check_refundable,
    check_still_refundable,
    reallocate_lines,
    refund_line_inputs,
    value_lines,
)
from apps.payments.services.refunds.requests import (
    REFUND_DUE,
    REFUND_REINSTATED,
    REVERSAL,
    check_failed,
    post_refund_due,
)
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import MoneyOperation, RefundStatus

if TYPE_CHECKING:
    from apps.orders.models import Order

REFUND_TRANSFERRED = "refund_transferred"
_TRANSFER_FIELDS = (
    "status", "line_amounts", "approved_by", "approved_at", "transferred_by", "transfer_reference", "processed_at",
)  # fmt: skip


class RefundNotAwaitingApproval(Conflict):
    """The refund's state takes no approval or rejection. Read the refund."""

    message = "Refund {0} is {1}; it does not await approval."


class RefundNotCancellable(Conflict):
    """The refund was submitted or has ended, and cannot be withdrawn. Read the refund."""

    message = "Refund {0} is {1} and can no longer be withdrawn."


class RefundNotTransferable(Conflict):
    """Only a failed refund can be paid by bank transfer. Read the refund."""

    message = "Refund {0} is {1}; only a failed refund can be paid by bank transfer."


@transaction.atomic
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


@transaction.atomic
def reject_refund(*, refund_id: UUID, actor: Actor, reason: str, now: datetime) -> Refund:
    """
    Reject a refund that awaits approval, or cancel one that awaits a bank transfer. Its amount is released.

    :raises RefundNotFound: if there is none
    :raises RefundNotAwaitingApproval: if it awaits neither approval nor a transfer
    """
    order, refund = _lock(refund_id)

    if refund.status not in (RefundStatus.REQUIRES_APPROVAL, RefundStatus.AWAITING_TRANSFER):
        raise RefundNotAwaitingApproval(refund.number, _words(refund))

    return cancel_locked_refund(order, refund, actor=actor, reason=reason, now=now)


@transaction.atomic
def cancel_refund(*, refund_id: UUID, actor: Actor, reason: str = "", now: datetime) -> Refund:
    """
    Cancel a refund that has not been submitted to the gateway. Its amount is released.

    :raises RefundNotFound: if there is none
    :raises RefundNotCancellable: if it may have been submitted, or is final
    """
    order, refund = _lock(refund_id)

    is_unsent = refund.status == RefundStatus.PENDING and refund.gateway_call == GatewayCall.PENDING
    if refund.status != RefundStatus.REQUIRES_APPROVAL and not is_unsent:
        raise RefundNotCancellable(refund.number, _words(refund))

    return cancel_locked_refund(order, refund, actor=actor, reason=reason, now=now)


def supersede_pending_refunds(*, order: "Order", actor: Actor, now: datetime) -> None:
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
        post_refund_due(order, refund, kind=REVERSAL, now=now)
    cancelled: dict[str, Any] = {
        "status": states.transition_refund(RefundStatus(refund.status), to=RefundStatus.CANCELLED),
        "next_check_at": None,
    }
    event_reason = orders.text_for_event(order, reason, actor=actor)
    if reason and not event_reason:
        note = f"{refund.note}; {reason}" if refund.note else reason
        cancelled["note"] = orders.text_for_row(order, note)[:200]
    change(refund, event_type, cancelled, root=order.pk, actor=actor, event_reason=event_reason, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return refund


@transaction.atomic
def confirm_refund_transfer(*, refund_id: UUID, reference: str = "", actor: Actor, now: datetime) -> Refund:
    """
    Hold a failed refund for a bank transfer of our own, or record that the transfer was made.

    Without a reference the amount is held for a transfer that is still to be made. With one the refund is processed. A
    manual transfer can go to any account, so the person who requested the refund cannot make it. Above
    REFUND_APPROVAL_THRESHOLD_PAISE, which counts earlier decisions of single persons about the order, two people are
    needed: the one who holds the amount approves the refund, unless it is approved already, and another enters the
    reference.

    :raises RefundNotFound: if there is none
    :raises SecondPersonRequired: if the actor requested it, or may not decide about the amount alone
    :raises SelfApprovalForbidden: if the order is the actor's own
    :raises RefundNotTransferable: if it has not failed
    :raises RefundAlreadyRetried: if a retry has replaced it
    :raises RefundExceedsPayment: if its money has been refunded otherwise in the meantime
    :raises PaymentDisputed: if its money is disputed, or was lost in a dispute, in the meantime
    :raises RefundQuantityExceedsLine: if its units have been refunded otherwise in the meantime
    :raises RefundLeavesRemainder: if it would leave less than a rupee
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    refund = locks.lock_refund(refund_id)

    if refund.status not in (RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER):
        raise RefundNotTransferable(refund.number, _words(refund))
    operation = MoneyOperation.CONFIRM_TRANSFER if reference else MoneyOperation.HOLD_FOR_TRANSFER
    check_decision(order=order, operation=operation, amount=refund.amount, actor=actor, refund=refund)
    if refund.status == RefundStatus.FAILED:
        check_failed(refund)
        check_refundable(order, attempts[refund.attempt_id], refund.amount)
        value_lines(order, refund_line_inputs(refund))
        reallocate_lines(order, refund, now=now)
        post_refund_due(order, refund, kind=REFUND_REINSTATED, now=now)
        refund.status = states.transition_refund(RefundStatus.FAILED, to=RefundStatus.AWAITING_TRANSFER)
    elif reference:
        # The gateway may have refunded or deducted the money since the transfer was approved.
        check_still_refundable(order, refund)
    if not refund.approved_by:
        refund.approved_by, refund.approved_at = str(actor), now

    if reference:
        _record_transfer(order, refund, reference=reference, actor=actor, now=now)
    event_type = events.REFUND_PROCESSED if reference else events.REFUND_UPDATED
    change(refund, event_type, stored_fields(refund, *_TRANSFER_FIELDS), root=order.pk, actor=actor, now=now)
    sync_review_status(order=order, attempt=attempts[refund.attempt_id], actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return refund


def _record_transfer(order: "Order", refund: Refund, *, reference: str, actor: Actor, now: datetime) -> None:
    refund.status = states.transition_refund(RefundStatus.AWAITING_TRANSFER, to=RefundStatus.PROCESSED)
    refund.transferred_by = str(actor)
    refund.transfer_reference = reference[:80]
    refund.processed_at = now
    post_to_ledger(
        source_type=subject_type_of(refund),
        source_id=refund.pk,
        kind=REFUND_TRANSFERRED,
        order_id=order.pk,
        entries={REFUNDS_PAYABLE: refund.amount, BANK: -refund.amount},
        currency=refund.currency,
        description=f"refund {refund.number} by bank transfer {refund.transfer_reference}",
        occurred_at=now,
    )


def _lock(refund_id: UUID) -> "tuple[Order, Refund]":
    order = lock_order(selectors.get_refund(refund_id).order_id)
    return order, locks.lock_refund(refund_id)


def _words(refund: Refund) -> str:
    return RefundStatus(refund.status).label.lower()
