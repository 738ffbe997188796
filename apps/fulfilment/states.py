"""The states of a shipment."""

from django.db import models

from apps.core.states import transition_table


class ShipmentStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    PACKED = "packed", "Packed"
    DISPATCHED = "dispatched", "Dispatched"
    DELIVERED = "delivered", "Delivered"
    LOST = "lost", "Lost"
    DAMAGED = "damaged", "Damaged"
    CANCELLED = "cancelled", "Cancelled"


#: Still in the shop: such a shipment can be cancelled.
NOT_DISPATCHED = (ShipmentStatus.PENDING, ShipmentStatus.PACKED)
#: Its goods have left the stock.
LEFT_STOCK = (ShipmentStatus.DISPATCHED, ShipmentStatus.DELIVERED, ShipmentStatus.LOST, ShipmentStatus.DAMAGED)
#: Its units are in no other shipment.
LIVE = (*NOT_DISPATCHED, *LEFT_STOCK)
#: Something is still to happen to it.
OPEN = (*NOT_DISPATCHED, ShipmentStatus.DISPATCHED)

transition = transition_table(
    {
        ShipmentStatus.PENDING: {ShipmentStatus.PACKED, ShipmentStatus.CANCELLED},
        ShipmentStatus.PACKED: {ShipmentStatus.DISPATCHED, ShipmentStatus.CANCELLED},
        ShipmentStatus.DISPATCHED: {ShipmentStatus.DELIVERED, ShipmentStatus.LOST, ShipmentStatus.DAMAGED},
    }
)
