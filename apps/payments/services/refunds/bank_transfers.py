"""Refunds that failed at the gateway and are paid by a bank transfer of our own: held for it, then confirmed."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.models import subject_type_of
from apps.core.transactions import transactional
from apps.ledger.services import post_to_ledger
from apps.orders.locks import lock_order
from apps.payments import events, locks, states
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import refunds as selectors
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
from apps.payments.services.refunds.requests import REFUND_REINSTATED, check_retryable, post_refund_due
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import MoneyOperation, RefundStatus

if TYPE_CHECKING:
    from apps.orders.models import Order

REFUND_TRANSFERRED = "refund_transferred"


class RefundNotTransferable(Conflict):
    """Only a failed refund can be paid by bank transfer. Read the refund."""

    message = "Refund {0} is {1}; only a failed refund can be paid by bank transfer."


class TransferReferenceInUse(Conflict):
    """The bank reference belongs to a transfer to another customer. Check it in the bank's statement."""

    message = "The bank reference {0} is already recorded for refund {1} of another customer. Check it in the bank's statement."


@transactional
def hold_refund_for_transfer(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Hold the amount of a failed refund for a bank transfer that is still to be made, and approve the refund.

    A manual transfer can go to any account, so the person who requested the refund cannot hold it.

    :raises RefundNotFound: if there is none
    :raises SecondPersonRequired: if the actor requested it
    :raises SelfApprovalForbidden: if the order is the actor's own
    :raises RefundNotTransferable: if it has not failed
    :raises RefundAlreadyRetried: if a retry has replaced it
    :raises RefundExceedsPayment: if its money has been refunded otherwise in the meantime
    :raises PaymentDisputed: if its money is disputed, or was lost in a dispute, in the meantime
    :raises RefundQuantityExceedsLine: if its units have been refunded otherwise in the meantime
    :raises RefundLeavesRemainder: if it would leave less than a rupee
    """
    order, attempt, refund = _lock(refund_id)

    _check_transferable(order, refund, operation=MoneyOperation.HOLD_FOR_TRANSFER, actor=actor)
    if refund.status == RefundStatus.FAILED:
        _check_money_is_left(order, attempt, refund)

    held = {**_reinstate(order, refund, now=now), **_approval(refund, actor=actor, now=now)}
    change(refund, events.REFUND_UPDATED, held, root=order.pk, actor=actor, now=now)
    _sync(order, attempt, actor=actor, now=now)

    return refund


@transactional
def confirm_refund_transfer(*, refund_id: UUID, reference: str, actor: Actor, now: datetime) -> Refund:
    """
    Record that a failed refund was paid by a bank transfer, with the bank's reference: it is processed.

    Above REFUND_APPROVAL_THRESHOLD_PAISE, which counts earlier decisions of single persons about the order, two people
    are needed: one holds the amount (`hold_refund_for_transfer`), and another confirms the transfer.

    One transfer may pay several refunds of one customer, and none of two customers.

    :raises ValueError: if the reference is blank: such a refund would count as one that the gateway made
    :raises TransferReferenceInUse: if another customer's refund was paid by a transfer with this reference
    :raises RefundNotFound: if there is none
    :raises SecondPersonRequired: if the actor requested it, or may not decide about the amount alone
    :raises SelfApprovalForbidden: if the order is the actor's own
    :raises RefundNotTransferable: if it has neither failed nor is held
    :raises RefundAlreadyRetried: if a retry has replaced it
    :raises RefundExceedsPayment: if its money has been refunded otherwise in the meantime
    :raises PaymentDisputed: if its money is disputed, or was lost in a dispute, in the meantime
    :raises RefundQuantityExceedsLine: if its units have been refunded otherwise in the meantime
    :raises RefundLeavesRemainder: if it would leave less than a rupee
    """
    if not reference.strip():
        raise ValueError(f"The bank transfer of refund {refund_id} has no reference.")
    order, attempt, refund = _lock(refund_id)

    _check_transferable(order, refund, operation=MoneyOperation.CONFIRM_TRANSFER, actor=actor)
    _check_reference_is_free(order, reference[:80])
    if refund.status == RefundStatus.FAILED:
        _check_money_is_left(order, attempt, refund)
    else:
        # The gateway may have refunded or deducted the money since the transfer was approved.
        check_still_refundable(order, refund)

    paid = {
        **_reinstate(order, refund, now=now),
        **_approval(refund, actor=actor, now=now),
        "status": states.transition_refund(RefundStatus.AWAITING_TRANSFER, to=RefundStatus.PROCESSED),
        "transferred_by": str(actor),
        "transfer_reference": reference[:80],
        "processed_at": now,
    }
    change(refund, events.REFUND_PROCESSED, paid, root=order.pk, actor=actor, now=now)
    _post_transfer(order, refund, now=now)
    _sync(order, attempt, actor=actor, now=now)

    return refund


def _lock(refund_id: UUID) -> "tuple[Order, PaymentAttempt, Refund]":
    order = lock_order(selectors.get_refund(refund_id).order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    refund = locks.lock_refund(refund_id)
    return order, attempts[refund.attempt_id], refund


def _check_transferable(order: "Order", refund: Refund, *, operation: MoneyOperation, actor: Actor) -> None:
    if refund.status not in (RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER):
        raise RefundNotTransferable(refund.number, RefundStatus(refund.status).label.lower())
    check_decision(order=order, operation=operation, amount=refund.amount, actor=actor, refund=refund)


def _check_reference_is_free(order: "Order", reference: str) -> None:
    """Lock the references of bank transfers, and check that none to another customer has this one."""
    locks.lock_transfer_references()
    other = selectors.find_refund_of_other_customer(reference, customer_id=order.customer_id)
    if other is not None:
        raise TransferReferenceInUse(reference, other.number, param="reference")


def _check_money_is_left(order: "Order", attempt: PaymentAttempt, refund: Refund) -> None:
    """Check that no retry has replaced a failed refund, and that its money and its units are still there."""
    check_retryable(refund)
    check_refundable(order, attempt, refund.amount)
    value_lines(order, refund_line_inputs(refund))


def _reinstate(order: "Order", refund: Refund, *, now: datetime) -> dict[str, object]:
    """Owe a failed refund again, and return its new values; none if it is held already."""
    if refund.status != RefundStatus.FAILED:
        return {}
    reallocate_lines(order, refund, now=now)
    post_refund_due(order, refund, kind=REFUND_REINSTATED, now=now)
    status = states.transition_refund(RefundStatus.FAILED, to=RefundStatus.AWAITING_TRANSFER)
    return {"status": status, "line_amounts": refund.line_amounts}


def _approval(refund: Refund, *, actor: Actor, now: datetime) -> dict[str, object]:
    return {} if refund.approved_by else {"approved_by": str(actor), "approved_at": now}


def _post_transfer(order: "Order", refund: Refund, *, now: datetime) -> None:
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


def _sync(order: "Order", attempt: PaymentAttempt, *, actor: Actor, now: datetime) -> None:
    sync_review_status(order=order, attempt=attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)
