"""What became of a dispatched parcel: delivered, lost or damaged."""

from datetime import datetime
from uuid import UUID

from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.fulfilment import events, locks, selectors, states
from apps.fulfilment.models import Shipment
from apps.fulfilment.services.completion import complete_locked_order_if_done
from apps.fulfilment.services.totals import sync_fulfilment_totals
from apps.fulfilment.states import ShipmentStatus
from apps.orders.locks import lock_order


@transactional
def deliver_shipment(*, shipment_id: UUID, actor: Actor, now: datetime) -> Shipment:
    """
    Record that a shipment was delivered; its order is completed if that was all.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is not dispatched
    """
    return _end(shipment_id, ShipmentStatus.DELIVERED, events.SHIPMENT_DELIVERED, actor=actor, reason="", now=now)


@transactional
def mark_shipment_lost(*, shipment_id: UUID, reason: str = "", actor: Actor, now: datetime) -> Shipment:
    """
    Record that the carrier lost a shipment. Its units stay consumed and are refunded; what is sent instead is another order.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is not dispatched
    """
    return _end(shipment_id, ShipmentStatus.LOST, events.SHIPMENT_LOST, actor=actor, reason=reason, now=now)


@transactional
def mark_shipment_damaged(*, shipment_id: UUID, reason: str = "", actor: Actor, now: datetime) -> Shipment:
    """
    Record that a shipment was damaged on its way. Its units stay consumed and are refunded; what is sent instead is another order.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is not dispatched
    """
    return _end(shipment_id, ShipmentStatus.DAMAGED, events.SHIPMENT_DAMAGED, actor=actor, reason=reason, now=now)


def _end(
    shipment_id: UUID, to: ShipmentStatus, event_type: str, *, actor: Actor, reason: str, now: datetime
) -> Shipment:
    order = lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    ended = states.transition(ShipmentStatus(shipment.status), to=to)

    values = {"status": ended, f"{ended.value}_at": now}
    change(shipment, event_type, values, root=order.pk, actor=actor, event_reason=reason, now=now)
    sync_fulfilment_totals(order=order, actor=actor, now=now)
    complete_locked_order_if_done(order=order, actor=actor, now=now)

    return shipment
