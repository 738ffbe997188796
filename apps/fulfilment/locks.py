"""Row locks of shipments: after their order and its money, before stock."""

from uuid import UUID

from apps.core.locks import lock_row
from apps.fulfilment.models import Shipment, ShipmentNotFound
from apps.fulfilment.states import NOT_DISPATCHED

__all__ = ["ShipmentNotFound", "lock_cancellable_shipments", "lock_shipment"]


def lock_shipment(shipment_id: UUID) -> Shipment:
    """
    Lock a shipment; the caller holds its order.

    :raises ShipmentNotFound: if there is none
    """
    return lock_row(Shipment, shipment_id, missing=ShipmentNotFound)


def lock_cancellable_shipments(order_id: UUID) -> list[Shipment]:
    """Lock the shipments of an order, which the caller holds, that were not dispatched; oldest first."""
    rows = Shipment.objects.select_for_update(no_key=True, of=("self",))
    return list(rows.filter(order_id=order_id, status__in=NOT_DISPATCHED).order_by("pk"))
