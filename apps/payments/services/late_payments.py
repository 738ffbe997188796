"""
Late and second payments, such as those of a late authorisation (at Stripe and Razorpay: late authorization).

The order is revived if it can be, else the money is refunded.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from django.conf import settings

from apps.catalog.services import InsufficientStock
from apps.core.events import Actor, change
from apps.core.transactions import atomic
from apps.orders import services as orders
from apps.orders.states import OrderStatus
from apps.payments import events
from apps.payments.models import PaymentAttempt
from apps.payments.selectors import payments, refund_sums
from apps.payments.services.refunds.requests import refund_attempt
from apps.payments.states import RefundReason, ReviewReason

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

_REASONS = {
    ReviewReason.ORDER_CLOSED: RefundReason.LATE_PAYMENT,
    ReviewReason.PAID_TWICE: RefundReason.PAID_TWICE,
}


def resolve_late_payment(*, order: "Order", attempt: PaymentAttempt, actor: Actor, now: datetime) -> None:
    """
    Decide about captured money that the order does not want, and close its review. The caller has locked order and attempt.

    Money of another amount than was requested is left to staff: nobody knows yet what it is.
    """
    reason = _REASONS.get(ReviewReason(attempt.review_reason)) if attempt.is_under_review else None
    if reason is None:
        return

    is_late = reason == RefundReason.LATE_PAYMENT
    is_revived = is_late and attempt.amount == attempt.payment.amount and _try_revive(order, actor=actor, now=now)
    if not is_revived:
        refund_attempt(order=order, attempt=attempt, reason=reason, actor=actor, now=now)
    closed = {"review_reason": "" if is_revived else attempt.review_reason, "review_closed_at": now}
    change(attempt, events.ATTEMPT_REVIEW_CLOSED, closed, root=order.pk, actor=actor, now=now)


def _try_revive(order: "Order", *, actor: Actor, now: datetime) -> bool:
    if settings.LATE_PAYMENT_POLICY != "revive":
        return False
    money = payments.sum_captured(order.pk, currency=order.currency) - refund_sums.committed_refund_amount(order.pk)
    return revive_expired_order(order, money=money, actor=actor, now=now)


def revive_expired_order(order: "Order", *, money: int, actor: Actor, now: datetime) -> bool:
    """
    Confirm a locked order that expired and was paid an amount (paise) after all, and return whether it is confirmed now.

    It stays expired if its stock is gone or its customer was erased.
    """
    if order.status != OrderStatus.EXPIRED or money < order.total_amount:
        return False
    try:
        with atomic():
            orders.revive_order(order=order, actor=actor, now=now)
    except (InsufficientStock, orders.CustomerErased) as error:
        log.info("late_order_not_revived", order=order.number, why=error.code)
        order.refresh_from_db()
        return False
    return True
