"""Money that came for an order that was closed, or paid already: the order is revived if it can be, else the money goes back."""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction

from apps.catalog.services import InsufficientStock
from apps.core.events import Actor, record, stored_fields
from apps.orders import services as orders
from apps.orders.states import OrderStatus
from apps.payments import events, selectors
from apps.payments.models import PaymentAttempt
from apps.payments.services.refunding import refund_attempt
from apps.payments.states import RefundReason, ReviewReason

if TYPE_CHECKING:
    from apps.orders.models import Order

log = structlog.get_logger(__name__)

_REASONS = {
    ReviewReason.ORDER_CLOSED: RefundReason.LATE_PAYMENT,
    ReviewReason.PAID_TWICE: RefundReason.PAID_TWICE,
}


def decide_about_surplus(*, order: "Order", attempt: PaymentAttempt, actor: Actor, now: datetime) -> None:
    """
    Decide about captured money that the order does not want, and close its review. The caller has locked order and attempt.

    Money of another amount or currency than asked is left to staff: nobody knows yet what it is.
    """
    reason = _REASONS.get(ReviewReason(attempt.review_reason)) if attempt.review_reason else None
    if reason is None:
        return

    if reason == RefundReason.LATE_PAYMENT and _revived(order, actor=actor, now=now):
        attempt.review_reason = ""
    else:
        refund_attempt(order=order, attempt=attempt, reason=reason, actor=actor, now=now)
    attempt.review_closed_at = now
    attempt.save(update_fields=["review_reason", "review_closed_at", "updated_at"])

    changed = stored_fields(attempt, "review_reason", "review_closed_at")
    record(events.ATTEMPT_RESOLVED, subject=attempt, root_id=order.pk, actor=actor, changed=changed, now=now)


def _revived(order: "Order", *, actor: Actor, now: datetime) -> bool:
    """Confirm an expired order that is paid after all, if the shop wants that and has its stock; return whether it is."""
    has_money = selectors.sum_captured(order.pk, currency=order.currency) - selectors.sum_refunded(order.pk)
    if settings.LATE_PAYMENT != "revive" or order.status != OrderStatus.EXPIRED or has_money < order.total_amount:
        return False
    try:
        with transaction.atomic():
            orders.revive_order(order=order, actor=actor, now=now)
    except InsufficientStock:
        log.info("late_order_not_revived", order=order.number)
        order.refresh_from_db()
        return False
    return True
