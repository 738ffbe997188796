"""Expiry of orders that were not paid in time."""

from datetime import datetime
from uuid import UUID

import structlog

from apps.catalog import services as stock
from apps.catalog.states import ReservationStatus
from apps.core.events import SYSTEM, change
from apps.core.transactions import transactional
from apps.orders import events, locks, rules, selectors, states
from apps.orders.states import OrderStatus

log = structlog.get_logger(__name__)


def expire_orders(*, now: datetime, limit: int = 100) -> int:
    """
    Close the orders that were not paid in time, give their stock back, and return how many.

    Each is a transaction of its own, so that no stock row is locked for long; one that somebody works on is left for the
    next time, and one that fails is logged and keeps nobody waiting.
    """
    expired = 0
    for order_id in selectors.list_expirable_order_ids(now=now, limit=limit):
        try:
            expired += _expire_order(order_id=order_id, now=now)
        except Exception:
            log.exception("order_expiry_failed", order=str(order_id))
    return expired


@transactional
def _expire_order(*, order_id: UUID, now: datetime) -> bool:
    order = locks.try_lock_order(order_id)

    if order is None or not rules.can_expire(
        status=order.status,
        expires_at=order.expires_at,
        live_until=order.payment_live_until,
        under_review=order.under_review_amount,
        now=now,
    ):
        return False

    expired = states.transition(OrderStatus(order.status), to=OrderStatus.EXPIRED)
    change(order, events.ORDER_EXPIRED, {"status": expired, "expired_at": now}, root=order.pk, actor=SYSTEM, now=now)
    stock.release_reservations(
        references=selectors.list_line_ids(order.pk), to=ReservationStatus.EXPIRED, actor=SYSTEM, now=now
    )

    return True
