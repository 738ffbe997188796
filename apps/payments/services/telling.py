"""Telling the order: the copies that it keeps of its money are written from here alone."""

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.events import Actor
from apps.orders import services as orders
from apps.payments import selectors

if TYPE_CHECKING:
    from apps.orders.models import Order


def tell_order(*, order: "Order", actor: Actor, now: datetime) -> None:
    """Tell a locked order what has been paid and until when a payment is under way, both read from the rows that say so."""
    orders.note_payment(
        order=order,
        paid_amount=selectors.sum_captured(order.pk, currency=order.currency),
        refunded_amount=selectors.sum_given_back(order.pk, currency=order.currency),
        disputed_amount=selectors.sum_disputed(order.pk),
        lost_amount=selectors.sum_lost(order.pk, currency=order.currency),
        under_review_amount=selectors.sum_under_review(order.pk, currency=order.currency),
        payment_live_until=selectors.latest_live_until(order.pk),
        actor=actor,
        now=now,
    )
