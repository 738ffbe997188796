"""Packing: the parcel is ready, and its order is in fulfilment."""

from datetime import datetime
from uuid import UUID

from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.fulfilment import events, locks, selectors, states
from apps.fulfilment.models import Shipment
from apps.fulfilment.services.checks import check_order_shippable, check_units_not_refunded
from apps.fulfilment.states import ShipmentStatus
from apps.orders import services as orders
from apps.orders.locks import lock_order


@transactional
def pack_shipment(
    *,
    shipment_id: UUID,
    carrier_name: str | None = None,
    tracking_number: str | None = None,
    refund_override_reason: str = "",
    actor: Actor,
    now: datetime,
) -> Shipment:
    """
    Record that a shipment is packed; its order is in fulfilment from the first one. The carrier is stored if it is known.

    :raises ShipmentNotFound: if there is none
    :raises InvalidTransition: if it is not pending
    :raises OrderNotShippable, OrderDisputed, OrderRefunded, OrderMoneyLost: if nothing of its order may be sent
    :raises UnitsRefunded: if units of it were refunded and no reason says why they are sent
    """
    order = lock_order(selectors.get_shipment(shipment_id).order_id)
    shipment = locks.lock_shipment(shipment_id)

    reason = refund_override_reason or shipment.refund_override_reason
    packed = states.transition(ShipmentStatus(shipment.status), to=ShipmentStatus.PACKED)
    check_order_shippable(order, override_reason=reason)
    check_units_not_refunded(selectors.list_lines(shipment_id), order=order, override_reason=reason)

    change(
        shipment,
        events.SHIPMENT_PACKED,
        {"status": packed, "packed_at": now, **step_changes(shipment, carrier_name, tracking_number, reason)},
        root=order.pk,
        actor=actor,
        event_reason=refund_override_reason,
        now=now,
    )
    orders.update_fulfilment_totals(order=order, lines={}, actor=actor, now=now)

    return shipment


def step_changes(
    shipment: Shipment, carrier_name: str | None, tracking_number: str | None, reason: str
) -> dict[str, str]:
    """Return the carrier, tracking number and override reason that a step changes; None leaves a value as it is."""
    given = {"carrier_name": carrier_name, "tracking_number": tracking_number, "refund_override_reason": reason}
    return {name: value for name, value in given.items() if value is not None and value != getattr(shipment, name)}
