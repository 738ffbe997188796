"""
Plans of refunds: the amount, the attempts that it is taken of, the returned units, and whether approval is needed.

A refund is planned by amount, by order lines, or in full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.core.errors import Invalid
from apps.core.events import Actor
from apps.payments.models import PaymentAttempt, RefundLine
from apps.payments.selectors import refund_sums
from apps.payments.services.decision_rights import get_approval_requirement, is_staff_or_system
from apps.payments.services.refunds.amounts import RefundLineInput, amount_of_lines, split_over_attempts, value_lines
from apps.payments.states import ApprovalRequirement, MoneyOperation, ReviewReason

if TYPE_CHECKING:
    from apps.orders.models import Order


class AmountAndLinesConflict(Invalid):
    """The refund names an amount and lines. Send one of the two."""

    message = "Request an amount or lines, not both: only staff may enter an amount for returned lines."


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPlan:
    """
    What a requested refund consists of.

    `amount` is in paise. `parts` are the attempts that it is refunded from, each with its share. `lines` are the
    returned units as unsaved rows. `decision` says whether the actor may decide about it alone.
    """

    amount: int
    parts: list[tuple[PaymentAttempt, int]]
    lines: list[RefundLine]
    decision: ApprovalRequirement


def plan_refund_by_amount(
    order: "Order", attempts: Sequence[PaymentAttempt], *, amount: int, actor: Actor
) -> RefundPlan:
    """
    Plan a refund of an amount (paise) from certain captured attempts of an order. It writes nothing.

    A caller that acts on the plan must hold the locks of the order and the attempts.

    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed: if less is left than the amount
    :raises RefundTooSmall, RefundLeavesRemainder: if no gateway can refund the amount, or what it leaves
    """
    parts = split_over_attempts(order, attempts, amount, is_by_lines=False)
    decision = get_approval_requirement(
        order=order, operation=MoneyOperation.REQUEST_REFUND, amount=amount, actor=actor
    )
    return RefundPlan(amount=amount, parts=parts, lines=[], decision=decision)


def plan_refund_by_lines(
    order: "Order",
    attempts: Sequence[PaymentAttempt],
    *,
    lines: Sequence[RefundLineInput],
    amount: int | None = None,
    actor: Actor,
) -> RefundPlan:
    """
    Plan a refund of units of order lines from one of certain captured attempts. It writes nothing.

    The units are refunded at their refundable value, or at the `amount` (paise) that staff enter for them. A caller
    that acts on the plan must hold the locks of the order and the attempts.

    :raises AmountAndLinesConflict: if a caller who is not staff enters an amount
    :raises LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: if the lines cannot be refunded as requested
    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed: as `plan_refund_by_amount` does
    :raises RefundTooSmall, RefundLeavesRemainder: as `plan_refund_by_amount` does
    """
    if amount is not None and not is_staff_or_system(actor):
        raise AmountAndLinesConflict(param="lines")
    returned = value_lines(order, lines)
    if amount is None:
        amount = amount_of_lines(order, returned, left=_sum_refundable(attempts))
    parts = split_over_attempts(order, attempts, amount, is_by_lines=True)
    decision = get_approval_requirement(
        order=order, operation=MoneyOperation.REQUEST_REFUND, amount=amount, actor=actor
    )
    return RefundPlan(amount=amount, parts=parts, lines=returned, decision=decision)


def plan_full_refund(
    order: "Order",
    attempts: Sequence[PaymentAttempt],
    *,
    operation: MoneyOperation = MoneyOperation.REQUEST_REFUND,
    actor: Actor,
) -> RefundPlan:
    """
    Plan a refund of all that is left of certain captured attempts of an order. It writes nothing.

    A caller that acts on the plan must hold the locks of the order and the attempts.

    :raises NothingToRefund: if nothing is left
    :raises PaymentDisputed: if nothing is left because of a dispute
    :raises RefundTooSmall, RefundLeavesRemainder: if no gateway can refund what is left
    """
    amount = _sum_refundable(attempts)
    parts = split_over_attempts(order, attempts, amount, is_by_lines=False)
    decision = get_approval_requirement(order=order, operation=operation, amount=amount, actor=actor)
    return RefundPlan(amount=amount, parts=parts, lines=[], decision=decision)


def exclude_amount_mismatches(attempts: Sequence[PaymentAttempt]) -> list[PaymentAttempt]:
    """Return the attempts with the requested amount; the others are refunded only if a request names their payment."""
    return [attempt for attempt in attempts if attempt.review_reason != ReviewReason.AMOUNT_MISMATCH]


def _sum_refundable(attempts: Sequence[PaymentAttempt]) -> int:
    return sum(refund_sums.attempt_refundable_amount(attempt) for attempt in attempts)
