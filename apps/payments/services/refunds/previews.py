"""
Refunds that are shown before they are requested.

A preview is what one would come to now, and a request of it holds only if that is still so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import Actor
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import locks
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import refund_sums
from apps.payments.services.refunds.amounts import RefundLineInput
from apps.payments.services.refunds.plans import (
    RefundPlan,
    exclude_amount_mismatches,
    plan_full_refund,
    plan_refund_by_amount,
    plan_refund_by_lines,
)
from apps.payments.services.refunds.requests import create_refunds
from apps.payments.states import RefundReason

if TYPE_CHECKING:
    from apps.orders.models import Order


class RefundPreviewOutdated(Conflict):
    """The order's money has changed since the preview was shown. Check the new preview and confirm it."""

    message = (
        "The money of order {0} has changed since you opened this page, so nothing was refunded. Check the new"
        " amounts and confirm again."
    )


def preview_refund(
    order: "Order", *, amount: int | None = None, lines: Sequence[RefundLineInput] = (), actor: Actor
) -> RefundPlan:
    """
    Return what a refund of an amount (paise), of certain units, or of all that is left would come to now.

    It locks and writes nothing.

    :raises AmountAndLinesConflict, LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: as
        `request_refund_by_lines` does
    :raises NothingToRefund, RefundExceedsPayment, PaymentDisputed, RefundTooSmall, RefundLeavesRemainder: as
        `request_refund_by_amount` does
    """
    attempts = refund_sums.list_refundable_attempts(order.pk)
    return _plan(order, attempts, amount=amount, lines=lines, actor=actor)


@transactional
def request_previewed_refund(
    *,
    order_id: UUID,
    amount: int | None = None,
    lines: Sequence[RefundLineInput] = (),
    reason: RefundReason,
    note: str = "",
    seen_amount: int,
    seen_refundable: int,
    actor: Actor,
    now: datetime,
) -> list[Refund]:
    """
    Request a refund that somebody has looked at before; one refund for each attempt it is taken of.

    `seen_amount` and `seen_refundable` (paise) are what the refund came to and what could be refunded when they looked. Two
    people who refund the same goods at the same time would otherwise refund them twice.

    :raises RefundPreviewOutdated: if either is another by now
    :raises RefundExceedsPayment: and whatever else `preview_refund` raises
    """
    order = lock_order(order_id)

    if refund_sums.order_refundable_amount(order.pk) != seen_refundable:
        raise RefundPreviewOutdated(order.number)
    attempts = exclude_amount_mismatches(locks.lock_captured_attempts(order.pk))
    plan = _plan(order, attempts, amount=amount, lines=lines, actor=actor)
    if plan.amount != seen_amount:
        raise RefundPreviewOutdated(order.number)

    return create_refunds(order, plan, reason=reason, note=note, actor=actor, now=now)


def _plan(
    order: "Order",
    attempts: Sequence[PaymentAttempt],
    *,
    amount: int | None,
    lines: Sequence[RefundLineInput],
    actor: Actor,
) -> RefundPlan:
    if lines:
        return plan_refund_by_lines(order, attempts, lines=lines, amount=amount, actor=actor)
    if amount is not None:
        return plan_refund_by_amount(order, attempts, amount=amount, actor=actor)
    return plan_full_refund(order, attempts, actor=actor)
