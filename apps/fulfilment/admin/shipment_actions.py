"""What staff do to a parcel on its page: pack, dispatch, delivered, lost, damaged, cancel, and change its carrier."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core.admin_actions import ObjectAction, ObjectForm, add_object_action
from apps.core.events import Actor
from apps.fulfilment import selectors
from apps.fulfilment.admin.packing import carrier_fields, override_field
from apps.fulfilment.admin.texts import carrier_text, contents_text, needs_override, units_text, why_not_sent
from apps.fulfilment.models import REASON_LENGTH, Shipment
from apps.fulfilment.services import cancellation, delivery, dispatch, packing, shipments
from apps.fulfilment.states import NOT_DISPATCHED, OPEN, ShipmentStatus
from apps.invoicing import selectors as invoicing
from apps.orders import selectors as orders

_CHANGE = "fulfilment.change_shipment"


class CarrierForm(ObjectForm):
    """Who carries the parcel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update(carrier_fields(self.obj))


class StepForm(CarrierForm):
    """Who carries the parcel, and why refunded units are sent, if they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        why = "" if self.obj.refund_override_reason else needs_override(orders.get_order(self.obj.order_id))
        if why:
            self.fields["refund_override_reason"] = override_field(why)


class ReasonForm(forms.Form):
    """What happened, for the order's history."""

    reason = forms.CharField(
        required=False,
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history.",
    )


def _contents(shipment: Shipment) -> list[Any]:
    return selectors.list_lines(shipment.pk)


def _forecast_packing(shipment: Shipment) -> list[tuple[str, Any]]:
    return [
        ("In the parcel", contents_text(_contents(shipment))),
        ("Stock", "The units stay reserved until the parcel is dispatched."),
        ("The order", f"{shipment.order.number} is in fulfilment and can no longer be put on hold."),
    ]


def _forecast_dispatch(shipment: Shipment) -> list[tuple[str, Any]]:
    lines, invoices = _contents(shipment), invoicing.list_invoices_of_order(shipment.order_id)
    numbers = " and ".join(invoice.number for invoice in invoices)
    return [
        ("Leaves the shop", contents_text(lines)),
        ("Invoice", numbers or f"That of order {shipment.order.number} is issued with it."),
        ("Stock", f"{units_text(sum(line.quantity for line in lines))} leave the stock on hand."),
        ("The order", f"{shipment.order.number} can no longer be cancelled; what comes back is refunded."),
        ("The parcel", "It can no longer be cancelled. Its carrier and tracking number can still be changed."),
    ]


def _forecast_delivery(shipment: Shipment) -> list[tuple[str, Any]]:
    others = [one for one in selectors.list_shipments_of_order(shipment.order_id) if one.pk != shipment.pk]
    is_last = all(one.status == ShipmentStatus.DELIVERED for one in others if one.is_live)
    is_all = is_last and not selectors.list_lines_to_pack().filter(order_id=shipment.order_id).exists()
    ends = "It is completed, once its money is settled."
    stays = "It stays in fulfilment: other units of it are still to be sent, delivered or refunded."
    return [
        ("Delivered", contents_text(_contents(shipment))),
        *_carrier_row(shipment),
        ("The order", ends if is_all else stays),
        ("Afterwards", "This cannot be undone."),
    ]


def _forecast_loss(shipment: Shipment) -> list[tuple[str, Any]]:
    return [
        ("In the parcel", contents_text(_contents(shipment))),
        *_carrier_row(shipment),
        ("Stock", "The units have left the stock and do not come back."),
        (
            "Money",
            "Nothing is refunded by this. Refund the units on the order's page; what is sent instead is another order.",
        ),
        ("Afterwards", "This cannot be undone."),
    ]


def _forecast_cancellation(shipment: Shipment) -> list[tuple[str, Any]]:
    return [
        ("Unpacked", contents_text(_contents(shipment))),
        ("Stock", "The units stay reserved for the order and can be packed again."),
        ("Money", "Nothing is refunded by this."),
    ]


def _forecast_carrier(shipment: Shipment) -> list[tuple[str, Any]]:
    return [("So far", carrier_text(shipment) or "No carrier is known.")]


def _carrier_row(shipment: Shipment) -> list[tuple[str, Any]]:
    carrier = carrier_text(shipment)
    return [("Carrier", carrier)] if carrier else []


def _why_not(shipment: Shipment) -> str:
    return why_not_sent(orders.get_order(shipment.order_id))


def _step(service: Callable[..., Shipment], sentence: str) -> Callable[..., str]:
    """Return the function of an action that calls a service with what the form holds; the sentence names the parcel at `{}`."""

    def perform(shipment: Shipment, *, user: Any, actor: Actor, now: datetime, **values: Any) -> str:
        service(shipment_id=shipment.pk, actor=actor, now=now, **values)
        return sentence.format(shipment.number)

    return perform


def _in(*statuses: ShipmentStatus) -> Callable[[Shipment], bool]:
    return lambda shipment: shipment.status in statuses


_WAITING, _PACKED, _SENT = (
    _in(ShipmentStatus.PENDING),
    _in(ShipmentStatus.PACKED),
    _in(ShipmentStatus.DISPATCHED),
)

for _action in (
    ObjectAction(
        name="pack", title="Pack", permission=_CHANGE, icon="package_2", form=StepForm, forecast=_forecast_packing,
        perform=_step(packing.pack_shipment, "Parcel {} is packed and waits to be dispatched."),
        blocked_reason=_why_not, is_available=_WAITING,
    ),
    ObjectAction(
        name="dispatch", title="Dispatch", permission=_CHANGE, icon="local_shipping", form=StepForm, forecast=_forecast_dispatch,
        perform=_step(dispatch.dispatch_shipment, "Parcel {} is dispatched; its units have left the stock."),
        blocked_reason=_why_not, is_available=_PACKED,
    ),
    ObjectAction(
        name="deliver", title="Delivered", permission=_CHANGE, icon="task_alt", forecast=_forecast_delivery,
        perform=_step(delivery.deliver_shipment, "Parcel {} is delivered."), is_available=_SENT,
    ),
    ObjectAction(
        name="carrier", title="Change the carrier", permission=_CHANGE, icon="edit", form=CarrierForm, forecast=_forecast_carrier,
        perform=_step(shipments.update_tracking, "The carrier of parcel {} is changed."), is_available=_in(*OPEN),
    ),
    ObjectAction(
        name="lost", title="Lost", permission=_CHANGE, icon="help", form=ReasonForm, forecast=_forecast_loss, is_destructive=True,
        perform=_step(delivery.mark_shipment_lost, "Parcel {} is lost. Decide on the order's page what to refund."), is_available=_SENT,
    ),
    ObjectAction(
        name="damaged", title="Damaged", permission=_CHANGE, icon="broken_image", form=ReasonForm, forecast=_forecast_loss,
        perform=_step(delivery.mark_shipment_damaged, "Parcel {} is damaged. Decide on the order's page what to refund."),
        is_available=_SENT, is_destructive=True,
    ),
    ObjectAction(
        name="cancel", title="Cancel the parcel", permission=_CHANGE, icon="cancel", form=ReasonForm, forecast=_forecast_cancellation,
        perform=_step(cancellation.cancel_shipment, "Parcel {} is cancelled; its units can be packed again."),
        is_available=_in(*NOT_DISPATCHED), is_destructive=True,
    ),
):  # fmt: skip
    add_object_action("fulfilment.shipment", _action)
