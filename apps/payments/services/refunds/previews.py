"""
Refunds that are shown before they are requested.

A preview is what one would come to now, and a request of it holds only if that is still so.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction

from apps.core.errors import Conflict
from apps.core.events import Actor
from apps.orders.locks import lock_order
from apps.payments import selectors
from apps.payments.models import Refund
from apps.payments.services.refunds.amounts import RefundLineInput
from apps.payments.services.refunds.requests import RefundPlan, plan_refund, request_refund
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

    :raises AmountAndLinesConflict, NothingToRefund, RefundExceedsPayment, PaymentDisputed, RefundTooSmall, RefundLeavesRemainder: as
        `request_refund` does
    :raises LineNotInOrder, RefundQuantityExceedsLine, LinesSpanPayments: if the lines cannot be refunded as requested
    """
    attempts = selectors.list_refundable_attempts(order.pk)
    return plan_refund(order, attempts, amount=amount, lines=lines, actor=actor)


@transaction.atomic
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
    :raises RefundExceedsPayment: and whatever else `request_refund` raises
    """
    order = lock_order(order_id)

    if selectors.order_refundable_amount(order.pk) != seen_refundable:
        raise RefundPreviewOutdated(order.number)

    refunds = request_refund(
        order_id=order.pk, amount=amount, lines=lines, reason=reason, note=note, actor=actor, now=now
    )
    if sum(refund.amount for refund in refunds) != seen_amount:
        raise RefundPreviewOutdated(order.number)

    return refunds
