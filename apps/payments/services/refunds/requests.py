"""
Asking for money back: whose it may be, how much is left, who must agree.

Every request holds its sum under the lock of the order and of its attempts, approved or not: two requests never share a paisa.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from django.db import transaction

from apps.core import ids
from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor, event_payload, record
from apps.core.models import subject_type_of
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, selectors
from apps.payments.models import PaymentAttempt, Refund, RefundLine
from apps.payments.services.decision_rights import assess_decision, is_staff
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.postings import CUSTOMER_ADVANCES, REFUNDS_PAYABLE, post_to_ledger
from apps.payments.services.refunds.amounts import (
    RefundLineInput,
    amount_of_lines,
    check_refundable,
    line_amounts_of,
    refund_line_inputs,
    split_over_attempts,
    value_lines,
)
from apps.payments.services.review_status import sync_review_status
from apps.payments.states import (
    Decision,
    MoneyOperation,
    RefundReason,
    RefundSpeed,
    RefundStatus,
    ReviewReason,
)

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

REFUND_DUE = "refund_due"
#: Of a refund that had failed and is to be paid after all.
REFUND_REINSTATED = "refund_reinstated"
REVERSAL = "refund_reversal"


class AmountAndLinesConflict(Invalid):
    message = "Request an amount or lines, not both: only staff may enter an amount for returned lines."


class RefundNotFailed(Conflict):
    message = "Refund {0} is {1}; only one that failed can be tried again."


class RefundAlreadyRetried(Conflict):
    message = "Refund {0} was attempted again as {1}; continue with that one."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPlan:
    """
    What a requested refund comes to: its amount (paise), the attempts it is taken of with the part of each, the units as
    unsaved rows, and whether the actor decides about it alone.
    """

    amount: int
    parts: list[tuple[PaymentAttempt, int]]
    lines: list[RefundLine]
    decision: Decision


@transaction.atomic
def request_refund(
    *,
    order_id: UUID,
    payment_id: UUID | None = None,
    amount: int | None = None,
    lines: Sequence[RefundLineInput] = (),
    reason: str,
    note: str = "",
    speed: str = RefundSpeed.NORMAL,
    operation: MoneyOperation = MoneyOperation.REQUEST_REFUND,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Request a refund of an order: an amount (paise), certain units, or all that is left; one refund for each attempt it is taken of.

    Units come to what they are worth less what earlier refunds took of their lines. Staff may enter another amount for them.

    The money is on its way at once if the actor may decide about the amount alone; otherwise the refund waits for approval.
    Money that is not what was asked for is given back only by naming its payment.

    :raises OrderNotFound: if there is no such order
    :raises NothingToRefund: if nothing is left
    :raises RefundExceedsPayment: if less is left than asked
    :raises PaymentDisputed: if what is missing is wanted back by a payer's bank
    :raises RefundTooSmall: if it is under a rupee
    :raises RefundLeavesRemainder: if it would leave less than a rupee, which could never be refunded
    :raises AmountAndLinesConflict: if a caller who is not staff enters an amount for lines
    :raises LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: if the lines cannot be refunded as asked
    """
    order = lock_order(order_id)
    attempts = locks.lock_captured_attempts(order.pk, payment_id=payment_id)

    if payment_id is None:
        attempts = exclude_amount_mismatches(attempts)
    plan = plan_refund(order, attempts, amount=amount, lines=lines, operation=operation, actor=actor)

    return [
        _insert(
            order,
            attempt,
            amount=part,
            lines=plan.lines,
            reason=RefundReason(reason),
            note=note,
            speed=RefundSpeed(speed),
            is_decided=plan.decision == Decision.ALONE,
            actor=actor,
            now=now,
        )
        for attempt, part in plan.parts
    ]


def plan_refund(
    order: "Order",
    attempts: Sequence[PaymentAttempt],
    *,
    amount: int | None,
    lines: Sequence[RefundLineInput],
    operation: MoneyOperation = MoneyOperation.REQUEST_REFUND,
    actor: Actor,
) -> RefundPlan:
    """
    Return what a refund of an order out of certain captured attempts comes to. It writes nothing; whoever relies on it holds
    the locks of order and attempts.

    :raises AmountAndLinesConflict: if somebody who is no staff enters an amount for lines
    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed, RefundTooSmall, RefundLeavesRemainder: as `request_refund` does
    :raises LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: if the lines cannot be refunded as requested
    """
    if amount is not None and lines and not is_staff(actor):
        raise AmountAndLinesConflict(param="lines")
    returned = value_lines(order, lines) if lines else []
    if amount is None:
        left = sum(selectors.refundable_amount(attempt) for attempt in attempts)
        amount = amount_of_lines(order, returned, left=left) if lines else left
    parts = split_over_attempts(order, attempts, amount, is_by_lines=bool(lines))
    decision = assess_decision(order=order, operation=operation, amount=amount, actor=actor)
    return RefundPlan(amount=amount, parts=parts, lines=returned, decision=decision)


def exclude_amount_mismatches(attempts: Sequence[PaymentAttempt]) -> list[PaymentAttempt]:
    """Return the attempts whose money is what was requested: the others are refunded only by naming their payment."""
    return [attempt for attempt in attempts if attempt.review_reason != ReviewReason.AMOUNT_MISMATCH]


@transaction.atomic
def refund_attempt(
    *,
    order: "Order",
    attempt: PaymentAttempt,
    reason: RefundReason,
    note: str = "",
    is_decided: bool = True,
    actor: Actor,
    now: datetime,
) -> Refund | None:
    """
    Give all of a captured attempt back that nobody asked back yet; unless told otherwise nobody is asked, for it was never
    the shop's to keep.

    The caller has locked order and attempt. Returns None if nothing is left, or less than a gateway refunds.
    """
    left = selectors.refundable_amount(attempt)
    if left < attempt.min_refund_amount:
        return None
    return _insert(
        order, attempt, amount=left, lines=(), reason=reason, note=note, speed=RefundSpeed.NORMAL, is_decided=is_decided,
        actor=actor, now=now,
    )  # fmt: skip


@transaction.atomic
def retry_refund(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Try a refund that failed for certain again: a new row with a new key.

    It waits for a second person's approval unless the actor may decide about the amount alone.

    :raises RefundNotFound: if there is none
    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if a new row stands for it
    :raises RefundExceedsPayment: if its sum has been given back otherwise meanwhile
    :raises RefundQuantityExceedsLine: if its units have been refunded otherwise meanwhile
    :raises RefundLeavesRemainder: if it would leave less than a rupee
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    failed = locks.lock_refund(refund_id)

    check_failed(failed)
    attempt = attempts[failed.attempt_id]
    check_refundable(order, attempt, failed.amount)
    lines = value_lines(order, refund_line_inputs(failed))
    decision = assess_decision(
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
        is_decided=decision == Decision.ALONE,
        retry_of=failed,
        actor=actor,
        now=now,
    )


def request_remainder(
    *, order: "Order", attempt: PaymentAttempt, withdrawn: Refund, amount: int, now: datetime
) -> Refund | None:
    """
    Request what is left (paise) of a withdrawn refund that was decided, as those who decided about it: a part of what they agreed to.

    The caller has locked order and attempt. Returns None if it is less than can be refunded.
    """
    if amount < attempt.min_refund_amount:
        return None
    kind, _, requester = withdrawn.requested_by.partition(":")
    return _insert(
        order,
        attempt,
        amount=amount,
        lines=value_lines(order, refund_line_inputs(withdrawn)),
        reason=RefundReason(withdrawn.reason),
        note=withdrawn.note,
        speed=RefundSpeed(withdrawn.speed_requested),
        is_decided=True,
        approved_by=withdrawn.approved_by,
        approved_at=withdrawn.approved_at,
        actor=Actor(kind=kind, id=requester),
        now=now,
    )


def check_failed(refund: Refund) -> None:
    """
    Make sure that a refund has failed for certain and that no retry stands for it. The caller has locked its order.

    A retry that was rejected, withdrawn or given up stands for nothing; one that failed is the one to attempt again.

    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if a new row stands for it
    """
    if refund.status != RefundStatus.FAILED:
        raise RefundNotFailed(refund.number, RefundStatus(refund.status).label.lower())
    again = selectors.find_retry(refund.pk)
    if again is not None:
        raise RefundAlreadyRetried(refund.number, again.number)


def post_refund_due(order: "Order", refund: Refund, *, kind: str, now: datetime) -> None:
    """
    Book that we owe a refund; of a reversal, that we owe it no longer. The caller has locked the refund and moves its status.

    What happens to one refund a second time is posted under the next number: `refund_reversal:2`.
    """
    sign = -1 if kind == REVERSAL else 1
    source_type = subject_type_of(refund)
    earlier = selectors.count_postings(source_type=source_type, source_id=refund.pk, kind=kind)
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


def _insert(
    order: "Order",
    attempt: PaymentAttempt,
    *,
    amount: int,
    lines: Sequence[RefundLine],
    reason: RefundReason,
    note: str,
    speed: RefundSpeed,
    is_decided: bool,
    retry_of: Refund | None = None,
    approved_by: str = "",
    approved_at: datetime | None = None,
    actor: Actor,
    now: datetime,
) -> Refund:
    sequence = Refund.objects.filter(order_id=order.pk).count() + 1
    refund = Refund.objects.create(
        number=f"{order.number}-R{sequence}",
        order_id=order.pk,
        payment_id=attempt.payment_id,
        attempt=attempt,
        sequence=sequence,
        amount=amount,
        currency=attempt.currency,
        line_amounts=line_amounts_of(order, attempt, amount, lines=lines, now=now),
        status=RefundStatus.PENDING if is_decided else RefundStatus.REQUIRES_APPROVAL,
        reason=reason,
        note=orders.text_for_row(order, note)[:200],
        speed_requested=speed,
        idempotency_key=str(ids.new()),
        retry_of=retry_of,
        requested_by=str(actor),
        approved_by=approved_by,
        approved_at=approved_at,
        next_check_at=rules.next_refund_check(checks=0, now=now) if is_decided else None,
        created_at=now,
    )
    for line in lines:
        line.refund, line.created_at = refund, now
        line.save(force_insert=True)
    if is_decided:
        post_refund_due(order, refund, kind=REFUND_DUE, now=now)

    payload, why = event_payload(refund), orders.text_for_event(order, note, actor=actor)
    record(events.REFUND_REQUESTED, subject=refund, root_id=order.pk, actor=actor, changes=payload, reason=why, now=now)
    if is_decided:
        sync_review_status(order=order, attempt=attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)
    return refund
