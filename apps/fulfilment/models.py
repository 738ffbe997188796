"""Shipments and what is in them."""

from typing import Final

import pgtrigger
from django.db import models

from apps.core.errors import NotFound
from apps.core.models import FROZEN, NOT_DELETED, Record, Subject, whole_units
from apps.core.quantities import to_units
from apps.fulfilment.states import LEFT_STOCK, LIVE, NOT_DISPATCHED, ShipmentStatus

CARRIER_NAME_LENGTH: Final = 80
TRACKING_NUMBER_LENGTH: Final = 80
REASON_LENGTH: Final = 200


class ShipmentNotFound(NotFound):
    """There is no such shipment, or it belongs to somebody else. List the shipments."""

    message = "There is no such shipment."


class Shipment(Subject):
    """
    One parcel of an order, from its creation to its delivery. An order may have several.

    `refund_override_reason` says why staff send units that were refunded, or whose money was lost in a dispute. Without it such
    units are neither packed nor dispatched.
    """

    PREFIX = "shp"

    number = models.CharField(max_length=20, unique=True)
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey("catalog.Location", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=12, choices=ShipmentStatus, default=ShipmentStatus.PENDING)
    carrier_name = models.CharField(max_length=CARRIER_NAME_LENGTH, blank=True)
    tracking_number = models.CharField(max_length=TRACKING_NUMBER_LENGTH, blank=True)
    refund_override_reason = models.CharField(max_length=REASON_LENGTH, blank=True)
    packed_at = models.DateTimeField(null=True, blank=True)
    dispatched_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    damaged_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="shipment_that_left_has_dispatched_at",
                condition=~models.Q(status__in=LEFT_STOCK)
                | models.Q(packed_at__isnull=False, dispatched_at__isnull=False),
            ),
            models.CheckConstraint(
                name="shipment_in_stock_has_no_dispatched_at",
                condition=models.Q(status__in=LEFT_STOCK) | models.Q(dispatched_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["order"], name="shipment_by_order"),
            models.Index(fields=["-created_at", "-id"], name="shipment_by_time"),
            models.Index(
                fields=["created_at"],
                name="shipment_to_dispatch",
                condition=models.Q(status__in=NOT_DISPATCHED),
            ),
            models.Index(
                fields=["tracking_number"], name="shipment_by_tracking_number", condition=~models.Q(tracking_number="")
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(name="shipment_terms_are_frozen", fields=["number", "order", "location"]),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_live(self) -> bool:
        """Test if its units can be in no other shipment, because it is not cancelled."""
        return self.status in LIVE


class ShipmentLine(Record):
    """The units of an order line that are in a shipment, in thousandths; what is in a parcel never changes."""

    PREFIX = "shpl"

    shipment = models.ForeignKey(Shipment, on_delete=models.PROTECT, related_name="lines")
    order_line = models.ForeignKey("orders.OrderLine", on_delete=models.PROTECT, related_name="+")
    quantity_milli = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shipment", "order_line"], name="one_shipment_line_per_order_line"),
            models.CheckConstraint(condition=models.Q(quantity_milli__gt=0), name="shipment_line_has_a_quantity"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="shipment_line_is_whole_units"),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.quantity} units"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)
