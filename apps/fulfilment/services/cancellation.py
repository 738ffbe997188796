"""Cancellation of shipments that were not dispatched."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.fulfilment import events, locks, selectors, states
from apps.fulfilment.models import Shipment
from apps.fulfilment.services.completion import complete_locked_order_if_done
from apps.fulfilment.states import ShipmentStatus
from apps.orders.locks import lock_order

if TYPE_CHECKING:
    from apps.orders.models import Order


@transactional
def cancel_shipment(*, shipment_id: UUID, reason: str = "", actor: Actor, now: datetime) -> Shipment:
    """
    Cancel a shipment that was not dispatched: its units can be sent in another one. Their stock stays reserved.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it was dispatched or cancelled
    """
    order = lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    _cancel(shipment, reason=reason, actor=actor, now=now)
    complete_locked_order_if_done(order=order, actor=actor, now=now)

    return shipment


def cancel_shipments_of_order(order: "Order", actor: Actor, now: datetime) -> None:
    """Cancel the shipments of an order that is being cancelled; the caller has locked it and checked that nothing was dispatched."""
    for shipment in locks.lock_cancellable_shipments(order.pk):
        _cancel(shipment, reason="the order was cancelled", actor=actor, now=now)


def _cancel(shipment: Shipment, *, reason: str, actor: Actor, now: datetime) -> None:
    change(
        shipment,
        events.SHIPMENT_CANCELLED,
        {
            "status": states.transition(ShipmentStatus(shipment.status), to=ShipmentStatus.CANCELLED),
            "cancelled_at": now,
        },
        root=shipment.order_id,
        actor=actor,
        event_reason=reason,
        now=now,
    )
