"""Keeps the totals of shipments that an order stores up to date."""

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.events import Actor
from apps.fulfilment import selectors
from apps.orders import services as orders

if TYPE_CHECKING:
    from apps.orders.models import Order


def sync_fulfilment_totals(*, order: "Order", actor: Actor, now: datetime) -> None:
    """Store the dispatched and delivered units of a locked order's lines, as its shipments have them."""
    orders.update_fulfilment_totals(
        order=order,
        lines={
            line_id: orders.FulfilledQuantities(dispatched_milli=dispatched, delivered_milli=delivered)
            for line_id, (dispatched, delivered) in selectors.sum_dispatched_and_delivered(order.pk).items()
        },
        actor=actor,
        now=now,
    )
