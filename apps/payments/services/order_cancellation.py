"""Cancellation of an order and the refund of its money, in one transaction."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.events import Actor
from apps.core.transactions import transactional
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.orders.states import OrderStatus
from apps.payments import locks
from apps.payments.selectors import disputes, refund_sums
from apps.payments.services.decision_rights import get_approval_requirement
from apps.payments.services.order_totals import sync_order_totals
from apps.payments.services.refunds.amounts import MINIMUM_PAISE, PaymentDisputed
from apps.payments.services.refunds.approvals import supersede_refunds_awaiting_approval
from apps.payments.services.refunds.requests import refund_attempt, request_full_refund
from apps.payments.services.review_status import close_payment_under_review
from apps.payments.states import ApprovalRequirement, MoneyOperation, RefundReason

if TYPE_CHECKING:
    from apps.orders.models import Order


@transactional
def cancel_order(*, order_id: UUID, actor: Actor, reason: str, now: datetime) -> "Order":
    """
    Cancel an order, release its stock, and refund what was paid.

    A paid order can be cancelled until something of it is dispatched. The refund waits for a second person's approval
    unless the actor may decide about it alone. The cancellation does not wait. Refunds that await approval are replaced
    by this one. Refunds that are pending or unknown stay, and what they leave is refunded. A wrong amount that is still
    under review is refunded in full.

    :raises OrderNotFound: if there is none
    :raises PaymentDisputed: if a dispute of the order is undecided
    :raises OrderNotCancellable: if a payment is in progress, something was dispatched, or the order is already closed
    """
    order = lock_order(order_id)

    if disputes.is_order_disputed(order_id):
        raise PaymentDisputed(order.number)
    if order.status == OrderStatus.PENDING_PAYMENT and order.under_review_amount:
        return _cancel_with_money_under_review(order, actor=actor, reason=reason, now=now)
    if order.status == OrderStatus.PENDING_PAYMENT:
        return orders.cancel_unpaid_order(order_id=order_id, actor=actor, reason=reason, now=now)

    orders.cancel_paid_order(order=order, actor=actor, reason=reason, now=now)
    supersede_refunds_awaiting_approval(order=order, actor=actor, now=now)
    # Less than the gateway's minimum refund, a rupee or one unit of the payer's currency, is left unrefunded.
    least = max((one.min_refund_amount for one in locks.lock_captured_attempts(order_id)), default=MINIMUM_PAISE)
    if refund_sums.order_refundable_amount(order_id) >= least:
        request_full_refund(
            order_id=order_id,
            reason=RefundReason.ORDER_CANCELLED,
            note=reason,
            operation=MoneyOperation.CANCEL_ORDER,
            actor=actor,
            now=now,
        )

    return lock_order(order_id)


def _cancel_with_money_under_review(order: "Order", *, actor: Actor, reason: str, now: datetime) -> "Order":
    for attempt in locks.lock_captured_attempts(order.pk):
        if not attempt.is_under_review:
            continue
        amount = refund_sums.attempt_refundable_amount(attempt)
        decision = get_approval_requirement(
            order=order, operation=MoneyOperation.CANCEL_ORDER, amount=amount, actor=actor
        )
        refund_attempt(
            order=order,
            attempt=attempt,
            reason=RefundReason.ORDER_CANCELLED,
            note=reason,
            is_approved=decision == ApprovalRequirement.NOT_REQUIRED,
            actor=actor,
            now=now,
        )
        # The order does not need this money, even if a second person must still approve the refund.
        close_payment_under_review(attempt=attempt, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return orders.cancel_unpaid_order(
        order_id=order.pk, is_refunded_by_caller=True, actor=actor, reason=reason, now=now
    )
