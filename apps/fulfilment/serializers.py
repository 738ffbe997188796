"""Request and response shapes of shipments."""

from typing import Any

from rest_framework import serializers

from apps.core.api import IdField, RequestSerializer, ResponseSerializer, StrictCharField, StrictIntegerField
from apps.fulfilment.models import CARRIER_NAME_LENGTH, REASON_LENGTH, TRACKING_NUMBER_LENGTH, Shipment
from apps.fulfilment.states import ShipmentStatus

_OVERRIDE_HELP = "Why units are sent although they were refunded, or their money was lost in a dispute."
_MAX_LINES, _MAX_QUANTITY = 100, 1_000_000

# Requests -----------------------------------------------------------------------------------------------------------


class ShipmentLineRequest(RequestSerializer):
    """A number of units of an order line."""

    order_line_id = IdField("line")
    quantity = StrictIntegerField(min_value=1, max_value=_MAX_QUANTITY)


class CreateShipmentRequest(RequestSerializer):
    """The units to send: those of `lines`, or without `lines` all of the order that are in no shipment yet."""

    order_id = IdField("ord")
    lines = ShipmentLineRequest(many=True, allow_empty=False, max_length=_MAX_LINES, required=False)  # type: ignore[call-arg]
    refund_override_reason = StrictCharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, default="", help_text=_OVERRIDE_HELP
    )


class UpdateShipmentRequest(RequestSerializer):
    """Who carries the parcel; a field that is not sent stays as it is."""

    carrier_name = StrictCharField(max_length=CARRIER_NAME_LENGTH, required=False, allow_blank=True)
    tracking_number = StrictCharField(max_length=TRACKING_NUMBER_LENGTH, required=False, allow_blank=True)


class ShipmentStepRequest(UpdateShipmentRequest):
    """Who carries the parcel, if that is known, and why refunded units are sent, if they are."""

    refund_override_reason = StrictCharField(
        max_length=REASON_LENGTH, required=False, allow_blank=True, default="", help_text=_OVERRIDE_HELP
    )


class ShipmentReasonRequest(RequestSerializer):
    """What happened, in the words of staff; it is kept in the order's events."""

    reason = StrictCharField(max_length=REASON_LENGTH, required=False, allow_blank=True, default="")


class EmptyShipmentRequest(RequestSerializer):
    """An empty body."""


# Responses ----------------------------------------------------------------------------------------------------------


class ShipmentLineResponse(ResponseSerializer):
    """The units of an order line that are in a shipment."""

    id = IdField("shpl")
    object = serializers.CharField(default="shipment_line")
    order_line_id = IdField("line")
    sku = serializers.CharField(source="order_line.sku")
    name = serializers.CharField(source="order_line.name")
    quantity = serializers.IntegerField()


class ShipmentResponse(ResponseSerializer):
    """A parcel of an order."""

    id = IdField("shp")
    object = serializers.CharField(default="shipment")
    number = serializers.CharField()
    order_id = IdField("ord")
    order_number = serializers.CharField(source="order.number")
    status = serializers.ChoiceField(choices=ShipmentStatus.choices)
    carrier_name = serializers.CharField(help_text="Empty until it is known.")
    tracking_number = serializers.CharField(help_text="Empty until it is known.")
    refund_override_reason = serializers.CharField(
        required=False, help_text=f"{_OVERRIDE_HELP} For staff who may view shipments."
    )
    lines = ShipmentLineResponse(many=True)
    packed_at = serializers.DateTimeField(allow_null=True)
    dispatched_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    lost_at = serializers.DateTimeField(allow_null=True)
    damaged_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def to_representation(self, instance: Shipment) -> Any:
        data = super().to_representation(instance)
        if not self.context.get("shows_staff_fields"):
            data.pop("refund_override_reason")
        return data


class PackingSlipResponse(ResponseSerializer):
    """The state of the packing slip of a shipment."""

    object = serializers.CharField(default="packing_slip")
    shipment_id = serializers.CharField()
    status = serializers.ChoiceField(choices=("pending", "ready"))
