"""
Requests for refunds: by amount, by order lines, of all that is left of an order or an attempt, and retries.

Each request reserves its amount under the locks of the order and its attempts, approved or not, so that no money is
refunded twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from apps.core import ids
from apps.core.errors import Conflict
from apps.core.events import Actor, create
from apps.core.models import subject_type_of
from apps.core.transactions import transactional
from apps.ledger import selectors as ledger
from apps.ledger.services import post_to_ledger
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules
from apps.payments.models import PaymentAttempt, Refund, RefundLine
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors
from apps.payments.services.decision_rights import get_approval_requirement
from apps.payments.services.ledger_accounts import CUSTOMER_ADVANCES, REFUNDS_PAYABLE
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.refunds.amounts import (
    RefundLineInput,
    allocate_to_lines,
    check_refundable,
    choose_units,
    refund_line_inputs,
    value_lines,
    value_remaining_lines,
)
from apps.payments.services.refunds.plans import (
    RefundPlan,
    exclude_amount_mismatches,
    plan_full_refund,
    plan_refund_by_amount,
    plan_refund_by_lines,
)
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import (
    ApprovalRequirement,
    MoneyOperation,
    RefundReason,
    RefundSpeed,
    RefundStatus,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

REFUND_DUE = "refund_due"
#: Posting of a refund that had failed or was cancelled, and is paid after all.
REFUND_REINSTATED = "refund_reinstated"
REFUND_REVERSAL = "refund_reversal"


class RefundNotFailed(Conflict):
    """Only a failed refund can be retried. Read the refund."""

    message = "Refund {0} is {1}; only a failed refund can be retried."


class RefundAlreadyRetried(Conflict):
    """The failed refund was retried as another one. Continue with that one."""

    message = "Refund {0} was already retried as {1}. Continue with refund {1}."


@transactional
def request_refund_by_amount(
    *,
    order_id: UUID,
    amount: int,
    payment_id: UUID | None = None,
    reason: str,
    note: str = "",
    speed: str = RefundSpeed.NORMAL,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Request a refund of an amount (paise) of an order, such as a partial refund. Creates one refund per attempt.

    The refund is submitted at once if the actor may decide about the amount alone. Otherwise it waits for approval. An
    attempt with a wrong amount is refunded only if `payment_id` names its payment.

    :raises OrderNotFound: if there is no such order
    :raises NothingToRefund: if nothing is left
    :raises RefundExceedsPayment: if less is left than requested
    :raises PaymentDisputed: if less is left than requested because of a dispute
    :raises RefundTooSmall: if it is less than a rupee
    :raises RefundLeavesRemainder: if it would leave less than a rupee, which could never be refunded
    """
    order, attempts = _lock(order_id, payment_id=payment_id)

    plan = plan_refund_by_amount(order, attempts, amount=amount, actor=actor)

    return create_refunds(order, plan, reason=reason, note=note, speed=speed, actor=actor, now=now)


@transactional
def request_refund_by_lines(
    *,
    order_id: UUID,
    lines: Sequence[RefundLineInput],
    amount: int | None = None,
    payment_id: UUID | None = None,
    reason: str,
    note: str = "",
    speed: str = RefundSpeed.NORMAL,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Request a refund of units of an order's lines. Creates one refund, because one attempt must cover all of them.

    Units are refunded at their refundable value: their total less what earlier refunds took of their lines. Staff may
    enter another `amount` (paise) for them. Approval and `payment_id` are as in `request_refund_by_amount`.

    :raises OrderNotFound: if there is no such order
    :raises AmountAndLinesConflict: if a caller who is not staff enters an amount for lines
    :raises LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: if the lines cannot be refunded as requested
    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed: as `request_refund_by_amount` does
    :raises RefundTooSmall, RefundLeavesRemainder: as `request_refund_by_amount` does
    """
    order, attempts = _lock(order_id, payment_id=payment_id)

    plan = plan_refund_by_lines(order, attempts, lines=lines, amount=amount, actor=actor)

    return create_refunds(order, plan, reason=reason, note=note, speed=speed, actor=actor, now=now)


@transactional
def request_full_refund(
    *,
    order_id: UUID,
    payment_id: UUID | None = None,
    reason: str,
    note: str = "",
    speed: str = RefundSpeed.NORMAL,
    operation: MoneyOperation = MoneyOperation.REQUEST_REFUND,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Request a refund of all that is left of an order, or of one payment of it. Creates one refund per attempt.

    `operation` is what the actor must be allowed to decide about alone, or the refund waits for approval. An attempt
    with a wrong amount is refunded only if `payment_id` names its payment.

    :raises OrderNotFound: if there is no such order
    :raises NothingToRefund: if nothing is left
    :raises PaymentDisputed: if nothing is left because of a dispute
    :raises RefundTooSmall, RefundLeavesRemainder: if no gateway can refund what is left
    """
    order, attempts = _lock(order_id, payment_id=payment_id)

    plan = plan_full_refund(order, attempts, operation=operation, actor=actor)

    return create_refunds(order, plan, reason=reason, note=note, speed=speed, actor=actor, now=now)


def create_refunds(
    order: "Order",
    plan: RefundPlan,
    *,
    reason: str,
    note: str,
    speed: str = RefundSpeed.NORMAL,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """Create the refunds of a plan, one per attempt. The caller has locked the order and the attempts."""
    return [
        _insert(
            order,
            attempt,
            amount=part,
            lines=plan.lines,
            reason=RefundReason(reason),
            note=note,
            speed=RefundSpeed(speed),
            is_approved=plan.decision == ApprovalRequirement.NOT_REQUIRED,
            actor=actor,
            now=now,
        )
        for attempt, part in plan.parts
    ]


@transactional
def refund_attempt(
    *,
    order: "Order",
    attempt: PaymentAttempt,
    reason: RefundReason,
    note: str = "",
    is_approved: bool = True,
    actor: Actor,
    now: datetime,
) -> Refund | None:
    """
    Refund all that is left of a captured attempt.

    By default no approval is needed, because the money was never due to the shop. The caller has locked order and
    attempt. Returns None if nothing is left, or less than the gateway's minimum refund.
    """
    left = refund_sums.attempt_refundable_amount(attempt)
    if left < attempt.min_refund_amount:
        return None
    return _insert(
        order, attempt, amount=left, lines=(), reason=reason, note=note, speed=RefundSpeed.NORMAL, is_approved=is_approved,
        actor=actor, now=now,
    )  # fmt: skip


@transactional
def retry_refund(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Retry a refund that failed, as a new refund with a new idempotency key.

    The retry waits for a second person's approval unless the actor may decide about the amount alone.

    :raises RefundNotFound: if there is none
    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if a retry has replaced it
    :raises RefundExceedsPayment: if its money has been refunded otherwise in the meantime
    :raises RefundQuantityExceedsLine: if its units have been refunded otherwise in the meantime
    :raises RefundLeavesRemainder: if it would leave less than a rupee
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    failed = locks.lock_refund(refund_id)

    check_retryable(failed)
    attempt = attempts[failed.attempt_id]
    check_refundable(order, attempt, failed.amount)
    lines = value_lines(order, refund_line_inputs(failed))
    decision = get_approval_requirement(
        order=order, operation=MoneyOperation.RETRY_REFUND, amount=failed.amount, actor=actor, refund=failed
    )

    return _insert(
        order,
        attempt,
        amount=failed.amount,
        lines=lines,
        reason=RefundReason(failed.reason),
        note=failed.note,
        speed=RefundSpeed(failed.speed_requested),
        is_approved=decision == ApprovalRequirement.NOT_REQUIRED,
        retry_of=failed,
        actor=actor,
        now=now,
    )


def request_remainder(
    *, order: "Order", attempt: PaymentAttempt, cancelled: Refund, amount: int, now: datetime
) -> Refund | None:
    """
    Request the rest (paise) of an approved refund that was cancelled, with the same requester and approver.

    No new approval is needed, because it is a part of what was approved: `remainder_of` is the refund that was decided
    first. It takes the units that other refunds have left of it. The caller has locked order and attempt. Returns None
    if the rest is less than the gateway's minimum refund.
    """
    if amount < attempt.min_refund_amount:
        return None
    kind, _, requester = cancelled.requested_by.partition(":")
    return _insert(
        order,
        attempt,
        amount=amount,
        lines=value_remaining_lines(order, cancelled),
        reason=RefundReason(cancelled.reason),
        note=cancelled.note,
        speed=RefundSpeed(cancelled.speed_requested),
        is_approved=True,
        approved_by=cancelled.approved_by,
        approved_at=cancelled.approved_at,
        remainder_of_id=cancelled.remainder_of_id or cancelled.pk,
        actor=Actor(kind=kind, id=requester),
        now=now,
    )


def check_retryable(refund: Refund) -> None:
    """
    Make sure that a refund has failed and that no retry has replaced it. The caller has locked its order.

    A cancelled retry replaces nothing. A retry that failed is itself the refund to retry.

    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if a retry has replaced it
    """
    if refund.status != RefundStatus.FAILED:
        raise RefundNotFailed(refund.number, RefundStatus(refund.status).label.lower())
    again = selectors.find_retry(refund.pk)
    if again is not None:
        raise RefundAlreadyRetried(refund.number, again.number)


def post_refund_due(order: "Order", refund: Refund, *, kind: str, now: datetime) -> None:
    """
    Post that we owe a refund or, for a reversal, that we no longer owe it.

    The caller has locked the refund and changes its status. A second posting of a kind is numbered:
    `refund_reversal:2`.
    """
    sign = -1 if kind == REFUND_REVERSAL else 1
    source_type = subject_type_of(refund)
    earlier = ledger.count_postings(source_type=source_type, source_id=refund.pk, kind=kind)
    post_to_ledger(
        source_type=source_type,
        source_id=refund.pk,
        kind=f"{kind}:{earlier + 1}" if earlier else kind,
        order_id=order.pk,
        entries={CUSTOMER_ADVANCES: sign * refund.amount, REFUNDS_PAYABLE: -sign * refund.amount},
        currency=refund.currency,
        description=f"refund {refund.number}",
        occurred_at=now,
    )


def _lock(order_id: UUID, *, payment_id: UUID | None) -> "tuple[Order, list[PaymentAttempt]]":
    order = lock_order(order_id)
    attempts = locks.lock_captured_attempts(order.pk, payment_id=payment_id)
    return order, exclude_amount_mismatches(attempts) if payment_id is None else attempts


def _insert(
    order: "Order",
    attempt: PaymentAttempt,
    *,
    amount: int,
    lines: Sequence[RefundLine],
    reason: RefundReason,
    note: str,
    speed: RefundSpeed,
    is_approved: bool,
    retry_of: Refund | None = None,
    approved_by: str = "",
    approved_at: datetime | None = None,
    remainder_of_id: UUID | None = None,
    actor: Actor,
    now: datetime,
) -> Refund:
    sequence, number = selectors.next_refund_number(order)
    refund = Refund(
        number=number,
        order_id=order.pk,
        payment_id=attempt.payment_id,
        attempt=attempt,
        sequence=sequence,
        amount=amount,
        currency=attempt.currency,
        line_amounts=allocate_to_lines(order, attempt, amount, lines=lines, now=now),
        status=RefundStatus.PENDING if is_approved else RefundStatus.REQUIRES_APPROVAL,
        reason=reason,
        note=orders.text_to_store(order, note)[:200],
        speed_requested=speed,
        idempotency_key=str(ids.new()),
        retry_of=retry_of,
        remainder_of_id=remainder_of_id,
        requested_by=str(actor),
        approved_by=approved_by,
        approved_at=approved_at,
        next_check_at=rules.next_refund_check(checks=0, now=now) if is_approved else None,
    )
    why = orders.text_to_record(order, note, actor=actor)
    create(refund, events.REFUND_REQUESTED, root=order.pk, actor=actor, event_reason=why, now=now)
    choose_units(order, lines, reason=reason, excluding=refund.pk)
    for line in lines:
        line.refund, line.created_at = refund, now
        line.save(force_insert=True)
    if is_approved:
        post_refund_due(order, refund, kind=REFUND_DUE, now=now)
    # Approved or not, it reserves money, and may leave too little to retry a refund that failed.
    sync_review_status(order=order, attempt=attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)
    return refund
