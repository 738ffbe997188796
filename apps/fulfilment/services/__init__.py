"""Writes of shipments: creation, packing, dispatch, delivery, cancellation, and the completion of their order."""

from apps.fulfilment.services.cancellation import cancel_shipment
from apps.fulfilment.services.checks import (
    OrderDisputed,
    OrderMoneyLost,
    OrderNotShippable,
    OrderRefunded,
    UnitsRefunded,
)
from apps.fulfilment.services.completion import complete_order_if_done
from apps.fulfilment.services.delivery import deliver_shipment, mark_shipment_damaged, mark_shipment_lost
from apps.fulfilment.services.dispatch import ShipmentNotInvoiced, dispatch_shipment
from apps.fulfilment.services.packing import pack_shipment
from apps.fulfilment.services.shipments import (
    EmptyShipment,
    ShipmentLineInput,
    UnitsNotAvailable,
    UnknownOrderLine,
    create_shipment,
    update_tracking,
)

__all__ = [
    "EmptyShipment",
    "OrderDisputed",
    "OrderMoneyLost",
    "OrderNotShippable",
    "OrderRefunded",
    "ShipmentLineInput",
    "ShipmentNotInvoiced",
    "UnitsNotAvailable",
    "UnitsRefunded",
    "UnknownOrderLine",
    "cancel_shipment",
    "complete_order_if_done",
    "create_shipment",
    "deliver_shipment",
    "dispatch_shipment",
    "mark_shipment_damaged",
    "mark_shipment_lost",
    "pack_shipment",
    "update_tracking",
]
