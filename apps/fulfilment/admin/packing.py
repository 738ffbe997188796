"""Packing on the order's page: a parcel of the units that are left, and what it will do."""

from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core.admin_actions import ObjectAction, ObjectForm, add_object_action
from apps.core.admin_fields import WholeNumberField
from apps.core.events import Actor
from apps.core.quantities import to_units
from apps.core.transactions import transactional
from apps.fulfilment import selectors
from apps.fulfilment.admin.texts import needs_override, units_text, why_not_sent
from apps.fulfilment.models import CARRIER_NAME_LENGTH, REASON_LENGTH, TRACKING_NUMBER_LENGTH
from apps.fulfilment.services import packing, shipments
from apps.orders import selectors as orders
from apps.orders.states import SHIPPABLE


def carrier_fields(shipment: Any = None) -> dict[str, forms.Field]:
    """Return the fields of a carrier and its tracking number, with what a shipment has of them."""
    return {
        "carrier_name": forms.CharField(
            required=False,
            max_length=CARRIER_NAME_LENGTH,
            initial=shipment.carrier_name if shipment else "",
            label="Carrier",
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "placeholder": "India Post"}),
        ),
        "tracking_number": forms.CharField(
            required=False,
            max_length=TRACKING_NUMBER_LENGTH,
            initial=shipment.tracking_number if shipment else "",
            label="Tracking number",
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
        ),
    }


def override_field(why: str) -> forms.CharField:
    """Return the field for the reason why units are sent although they were refunded, or their money was lost."""
    return forms.CharField(
        required=False,
        max_length=REASON_LENGTH,
        label="Why it is sent all the same",
        help_text=f"{why} It is kept in the order's history.",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )


class PackForm(ObjectForm):
    """
    What goes into a parcel, and who carries it.

    Its cleaned data are what the service takes: `lines`, `carrier_name`, `tracking_number` and `refund_override_reason`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line_ids: dict[str, Any] = {}
        facts = selectors.get_line_facts(self.obj.pk)
        refunded = False
        for line in orders.list_lines(self.obj.pk):
            left = facts[line.pk]
            if left.left > 0:
                name = f"units_{line.position}"
                self._line_ids[name] = line.pk
                self.fields[name] = _units_field(line, left)
                refunded = refunded or left.refunded_unsent > 0
        self.fields.update(carrier_fields())
        why = needs_override(self.obj) or ("Units of this order were refunded." if refunded else "")
        if why:
            self.fields["refund_override_reason"] = override_field(why)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        lines = [
            shipments.ShipmentLineInput(line_id, data[name])
            for name, line_id in self._line_ids.items()
            if data.get(name)
        ]
        if not lines and not self.errors:
            self.add_error(None, "Enter the units of each item that are in the parcel.")
        texts = {name: data.get(name, "") for name in ("carrier_name", "tracking_number", "refund_override_reason")}
        return {"lines": lines, **texts}


def _units_field(line: Any, facts: Any) -> forms.IntegerField:
    left, refunded = to_units(facts.left), to_units(max(0, facts.refunded_unsent))
    note = f"{left} of {line.quantity} {'is' if left == 1 else 'are'} in no parcel yet."
    if refunded:
        note += f" {units_text(refunded)} of these {'was' if refunded == 1 else 'were'} refunded."
    return WholeNumberField(
        required=False,
        min_value=0,
        max_value=left,
        initial=max(0, left - refunded),
        label=f"Units of {line.name}",
        help_text=f"{line.sku}. {note}",
        widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 0, "max": left, "inputmode": "numeric"}),
    )


def _can_be_packed(order: Any) -> bool:
    if order.status not in SHIPPABLE or order.paid_amount < order.total_amount:
        return False
    return any(line.left > 0 for line in selectors.get_line_facts(order.pk).values())


def _forecast(order: Any) -> list[tuple[str, Any]]:
    parcels = [one.number for one in selectors.list_shipments_of_order(order.pk) if one.is_live]
    return [
        ("The parcel", "It is packed and waits to be dispatched. Several parcels are packed one after the other."),
        *([("Packed before", ", ".join(parcels))] if parcels else []),
        *([] if parcels else [("The order", f"{order.number} is in fulfilment and can no longer be put on hold.")]),
        ("Stock", "The units stay reserved until the parcel is dispatched."),
        ("Send to", _address_text(order)),
        *([("The buyer's note", order.note)] if order.note else []),
    ]


def _address_text(order: Any) -> str:
    address = order.shipping_address
    town = f"{address.city} {address.pin}, {address.state_name}"
    return "\n".join(text for text in (address.name, address.company, address.line1, address.line2, town) if text)


@transactional
def _pack(
    order: Any,
    *,
    user: Any,
    actor: Actor,
    now: datetime,
    lines: list[shipments.ShipmentLineInput],
    carrier_name: str,
    tracking_number: str,
    refund_override_reason: str,
) -> str:
    shipment = shipments.create_shipment(
        order_id=order.pk, lines=lines, refund_override_reason=refund_override_reason, actor=actor, now=now
    )
    packing.pack_shipment(
        shipment_id=shipment.pk, carrier_name=carrier_name, tracking_number=tracking_number, actor=actor, now=now
    )
    packed = (
        f"Parcel {shipment.number} of order {order.number} is packed: {units_text(sum(one.quantity for one in lines))}."
    )
    left = sum(line.left_milli for line in selectors.list_lines_to_pack().filter(order_id=order.pk))
    return f"{packed} {units_text(to_units(left))} left to pack." if left else f"{packed} Nothing is left to pack."


add_object_action(
    "orders.order",
    ObjectAction(
        name="pack",
        title="Pack a parcel",
        permission="fulfilment.add_shipment",
        perform=_pack,
        icon="package_2",
        form=PackForm,
        forecast=_forecast,
        blocked_reason=why_not_sent,
        is_available=_can_be_packed,
    ),
)
