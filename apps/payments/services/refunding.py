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
from apps.core.events import Actor, record, told_of
from apps.core.models import subject_type_of
from apps.orders import selectors as orders
from apps.orders.locks import lock_order
from apps.payments import events, locks, rules, selectors
from apps.payments.models import PaymentAttempt, Refund, RefundLine
from apps.payments.services.decision_rights import assess_decision
from apps.payments.services.ledger import CUSTOMER_ADVANCES, REFUNDS_PAYABLE, post_to_ledger
from apps.payments.services.telling import tell_order
from apps.payments.states import (
    Decision,
    MoneyOperation,
    RefundReason,
    RefundSpeed,
    RefundStatus,
    ReviewReason,
)

if TYPE_CHECKING:
    from apps.orders.models import Order, OrderLine

log = structlog.get_logger(__name__)

#: A gateway gives no less than a rupee back.
MINIMUM_PAISE = 100
DUE = "refund_due"
#: Of a refund that had failed and is to be paid after all.
DUE_AGAIN = "refund_due_again"
REVERSAL = "refund_reversal"


class NothingToRefund(Conflict):
    message = "Nothing of order {0} is left to give back."


class RefundExceedsPayment(Conflict):
    message = "Of order {0}, {1} paise can be given back; {2} were asked."


class MoneyIsDisputed(Conflict):
    message = "The payer's bank wants money of order {0} back itself; what it wants cannot be given back twice."


class RefundTooSmall(Invalid):
    message = "A refund comes to at least 1 rupee."


class AmountOrLines(Invalid):
    message = "Ask for an amount or for lines, not for both."


class LineNotOfOrder(Invalid):
    message = "The order has no such line."


class UnitsExceedLine(Conflict):
    message = "Of line {0}, {1} units can be given back; {2} were asked."


class LinesNeedOnePayment(Conflict):
    message = "No single payment of this order covers these lines; ask by amount."


class RefundNotFailed(Conflict):
    message = "Refund {0} is {1}; only one that failed can be tried again."


class RefundAlreadyRetried(Conflict):
    message = "Refund {0} was tried again already."


@dataclass(frozen=True)
class UnitsBack:
    """A wish to give back the money of so many units of an order line."""

    order_line_id: UUID
    quantity: int


@transaction.atomic
def request_refund(
    *,
    order_id: UUID,
    payment_id: UUID | None = None,
    amount: int | None = None,
    lines: Sequence[UnitsBack] = (),
    reason: str,
    note: str = "",
    speed: str = RefundSpeed.NORMAL,
    operation: MoneyOperation = MoneyOperation.REQUEST_REFUND,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Ask for money of an order back: so many paise, certain units, or all that is left; one refund for each attempt it is taken of.

    The money is on its way at once if the actor may decide about so much alone; otherwise the refund waits for approval.
    Money that is not what was asked for is given back only by naming its payment.

    :raises OrderNotFound: if there is no such order
    :raises NothingToRefund: if nothing is left
    :raises RefundExceedsPayment: if less is left than asked
    :raises MoneyIsDisputed: if what is missing is wanted back by a payer's bank
    :raises RefundTooSmall: if it is under a rupee
    :raises AmountOrLines, LineNotOfOrder, UnitsExceedLine, LinesNeedOnePayment: if the lines cannot be given back as asked
    """
    order = lock_order(order_id)
    attempts = locks.lock_captured_attempts(order.pk, payment_id=payment_id)
    if payment_id is None:
        attempts = [attempt for attempt in attempts if attempt.review_reason != ReviewReason.AMOUNT_DIFFERS]

    if amount is not None and lines:
        raise AmountOrLines(param="lines")
    left = {attempt.pk: selectors.left_of_attempt(attempt) for attempt in attempts}
    wanted_lines = _priced(order, lines) if lines else ()
    if amount is None:
        amount = _amount_of(order, wanted_lines) if lines else sum(left.values())
    _check_amount(order, amount, left=sum(left.values()))
    decision = assess_decision(order=order, operation=operation, amount=amount, actor=actor)

    return [
        _insert(
            order,
            attempt,
            amount=part,
            lines=wanted_lines,
            reason=RefundReason(reason),
            note=note,
            speed=RefundSpeed(speed),
            is_decided=decision == Decision.ALONE,
            actor=actor,
            now=now,
        )
        for attempt, part in _parts(attempts, left, amount, is_by_lines=bool(lines))
    ]


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

    The caller has locked order and attempt. Returns None if nothing is left.
    """
    left = selectors.left_of_attempt(attempt)
    if left <= 0:
        return None
    return _insert(
        order, attempt, amount=left, lines=(), reason=reason, note=note, speed=RefundSpeed.NORMAL, is_decided=is_decided,
        actor=actor, now=now,
    )  # fmt: skip


@transaction.atomic
def retry_refund(*, refund_id: UUID, actor: Actor, now: datetime) -> Refund:
    """
    Try a refund that failed for certain again: a new row with a new key.

    It waits for a second person's approval unless the actor may decide about so much alone.

    :raises RefundNotFound: if there is none
    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if there is a new row already
    :raises RefundExceedsPayment: if its sum has been given back otherwise meanwhile
    """
    order = lock_order(selectors.get_refund(refund_id).order_id)
    attempts = {attempt.pk: attempt for attempt in locks.lock_captured_attempts(order.pk)}
    failed = locks.lock_refund(refund_id)

    check_failed(failed)
    attempt = attempts[failed.attempt_id]
    check_left(order, attempt, failed.amount)
    lines = _priced(order, [UnitsBack(line.order_line_id, line.quantity) for line in failed.lines.order_by("pk")])
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


def check_failed(refund: Refund) -> None:
    """
    Make sure that a refund has failed for certain and was not tried again.

    :raises RefundNotFailed: if it has not failed
    :raises RefundAlreadyRetried: if a new row stands for it
    """
    if refund.status != RefundStatus.FAILED:
        raise RefundNotFailed(refund.number, RefundStatus(refund.status).label.lower())
    if Refund.objects.filter(retry_of=refund).exists():
        raise RefundAlreadyRetried(refund.number)


def check_left(order: "Order", attempt: PaymentAttempt, amount: int) -> None:
    """
    Make sure that so much (paise) of a locked attempt can be given back.

    :raises RefundExceedsPayment: if it cannot
    :raises MoneyIsDisputed: if a dispute keeps it
    """
    left = selectors.left_of_attempt(attempt)
    if amount > left and selectors.sum_disputed_of_attempt(attempt.pk):
        raise MoneyIsDisputed(order.number)
    if amount > left:
        raise RefundExceedsPayment(order.number, left, amount)


def check_still_there(order: "Order", refund: Refund) -> None:
    """
    Make sure that neither a dispute nor a refund made at the gateway has come to take what a refund holds.

    :raises MoneyIsDisputed: if refunds and disputes together keep more than was captured
    :raises RefundExceedsPayment: if refunds alone do
    """
    disputed = selectors.sum_disputed_of_attempt(refund.attempt_id)
    held = selectors.sum_held_of_attempt(refund.attempt_id)
    left = refund.attempt.amount - disputed - (held - refund.amount)
    if left < refund.amount and disputed:
        raise MoneyIsDisputed(order.number)
    if left < refund.amount:
        raise RefundExceedsPayment(order.number, max(0, left), refund.amount)


def post_due(order: "Order", refund: Refund, *, kind: str, now: datetime) -> None:
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


def _check_amount(order: "Order", amount: int, *, left: int) -> None:
    if (left <= 0 or amount > left) and selectors.is_order_disputed(order.pk):
        raise MoneyIsDisputed(order.number)
    if left <= 0:
        raise NothingToRefund(order.number)
    if amount > left:
        raise RefundExceedsPayment(order.number, left, amount, param="amount")
    if amount < MINIMUM_PAISE:
        raise RefundTooSmall(param="amount")


def _priced(order: "Order", wanted: Sequence[UnitsBack]) -> list[RefundLine]:
    """Return what the units give back, unsaved; a line's last unit gives what its earlier ones left."""
    known: dict[UUID, OrderLine] = {line.pk: line for line in orders.list_lines(order.pk)}
    held = selectors.list_refunded_units(order.pk)
    units: dict[UUID, int] = {}
    for position, one in enumerate(wanted):
        if one.order_line_id not in known:
            raise LineNotOfOrder(param=f"lines[{position}].order_line_id")
        units[one.order_line_id] = units.get(one.order_line_id, 0) + one.quantity
    priced = []
    for line_id, quantity in units.items():
        line = known[line_id]
        before, given_back = held.get(line_id, (0, 0))
        if not 1 <= quantity <= line.quantity - before:
            raise UnitsExceedLine(line.position, line.quantity - before, quantity, param="lines")
        amount = rules.amount_of_units(
            total=line.total_amount, quantity=line.quantity, before=before, units=quantity, given_back=given_back
        )
        priced.append(RefundLine(order_line_id=line_id, quantity=quantity, amount=amount))
    return priced


def _amount_of(order: "Order", lines: Sequence[RefundLine]) -> int:
    """Return what lines give back; with the order's last unit goes its round-off too."""
    held = selectors.list_refunded_units(order.pk)
    asked = {line.order_line_id: line.quantity for line in lines}
    is_last = all(
        held.get(line.pk, (0, 0))[0] + asked.get(line.pk, 0) == line.quantity for line in orders.list_lines(order.pk)
    )
    return sum(line.amount for line in lines) + (order.round_off_amount if is_last else 0)


def _parts(
    attempts: Sequence[PaymentAttempt], left: dict[UUID, int], amount: int, *, is_by_lines: bool
) -> list[tuple[PaymentAttempt, int]]:
    if is_by_lines:
        # A line's units belong to one refund, or its credit note could not say what came back.
        fitting = [attempt for attempt in attempts if left[attempt.pk] >= amount]
        if not fitting:
            raise LinesNeedOnePayment(param="lines")
        return [(fitting[0], amount)]
    parts = rules.shared_out(amount, [left[attempt.pk] for attempt in attempts])
    return [(attempt, part) for attempt, part in zip(attempts, parts, strict=True) if part]


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
        status=RefundStatus.PENDING if is_decided else RefundStatus.REQUIRES_APPROVAL,
        reason=reason,
        note=note[:200],
        speed_requested=speed,
        idempotency_key=str(ids.new()),
        retry_of=retry_of,
        requested_by=str(actor),
        next_check_at=rules.next_refund_check(checks=0, now=now) if is_decided else None,
    )
    for line in lines:
        line.refund = refund
        line.save(force_insert=True)
    if is_decided:
        post_due(order, refund, kind=DUE, now=now)

    told = told_of(refund)
    record(events.REFUND_REQUESTED, subject=refund, root_id=order.pk, actor=actor, changed=told, reason=note, now=now)
    tell_order(order=order, actor=actor, now=now)
    return refund
