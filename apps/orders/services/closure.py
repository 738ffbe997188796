"""The closure of completed orders after their return window."""

from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings

from apps.core.events import SYSTEM, change
from apps.core.transactions import transactional
from apps.orders import events, locks, rules, selectors, states
from apps.orders.states import OrderStatus

log = structlog.get_logger(__name__)


def close_orders(*, now: datetime, limit: int = 100) -> int:
    """
    Close the completed orders whose return window is over, and return how many.

    Each is closed in a transaction of its own. A locked order is left for the next run, and one that fails is logged and does not
    stop the others.
    """
    closed = 0
    for order_id in selectors.list_closable_order_ids(now=now, limit=limit):
        try:
            closed += _close_order(order_id=order_id, now=now)
        except Exception:
            log.exception("order_closing_failed", order=str(order_id))
    return closed


@transactional
def _close_order(*, order_id: UUID, now: datetime) -> bool:
    order = locks.try_lock_order(order_id)

    if order is None or not rules.can_close(
        status=order.status, completed_at=order.completed_at, window=settings.RETURN_WINDOW, now=now
    ):
        return False

    closed = states.transition(OrderStatus(order.status), to=OrderStatus.CLOSED)
    change(order, events.ORDER_CLOSED, {"status": closed, "closed_at": now}, root=order.pk, actor=SYSTEM, now=now)

    return True
