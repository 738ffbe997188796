"""Admin pages of shipments: the list, one parcel, what is to be packed and sent, and the parcels on the order's page."""

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.core import clock
from apps.core.admin_actions import add_forecast
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Headline, Panel, add_headline, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, ago, link, tones
from apps.core.dates import format_instant
from apps.core.search import SearchTerm
from apps.fulfilment import selectors
from apps.fulfilment.admin import packing_slips
from apps.fulfilment.admin.texts import carrier_text, contents_text, in_lines, left_text
from apps.fulfilment.models import Shipment, ShipmentLine
from apps.fulfilment.states import NOT_DISPATCHED, ShipmentStatus
from apps.orders import selectors as orders
from apps.orders.states import OrderStatus

_SHOWN = 50
_TONES = tones(
    ShipmentStatus,
    success=(ShipmentStatus.DELIVERED,),
    info=(ShipmentStatus.DISPATCHED,),
    warning=(ShipmentStatus.PENDING, ShipmentStatus.PACKED),
    danger=(ShipmentStatus.LOST, ShipmentStatus.DAMAGED),
)


class ShipmentLineInline(ReadOnlyTabularInline):
    """The units in a shipment."""

    model = ShipmentLine
    fields = ("order_line", "quantity")
    readonly_fields = fields
    ordering = ("id",)


@admin.register(Shipment)
class ShipmentAdmin(KeySearch, ReadOnlyAdmin):
    """Shipments; actions pack and dispatch them and record what became of them."""

    list_display = ("number", "order", "status_label", "carrier_name", "tracking_number", "created_at", "dispatched_at")
    list_filter = ("status", "created_at")
    list_select_related = ("order",)
    ordering = ("-created_at", "-id")
    search_fields = ("number__exact",)
    search_help_text = "A shipment's number, its beginning, or a whole tracking number."
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "order"),
                    ("status", "location"),
                    ("carrier_name", "tracking_number"),
                    ("slip", "sent_because"),
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    ("created_at", "packed_at"),
                    ("dispatched_at", "delivered_at"),
                    ("lost_at", "damaged_at", "cancelled_at"),
                )
            },
        ),
    )
    readonly_fields = ("sent_because", "slip")
    inlines = (ShipmentLineInline,)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        return selectors.search_shipments(term).order_by().values_list("pk")

    def get_urls(self) -> list[URLPattern]:
        page = path("to-pack/", self.admin_site.admin_view(self.to_pack), name="fulfilment_to_pack")
        slip = path(
            "<path:object_id>/packing-slip/",
            self.admin_site.admin_view(self.packing_slip),
            name="fulfilment_packing_slip",
        )
        return [page, slip, *super().get_urls()]

    def packing_slip(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Send the packing slip of a parcel."""
        return packing_slips.download(request, self.get_object(request, object_id))

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, shipment: Shipment) -> tuple[str, str]:
        return shipment.status, shipment.get_status_display()

    @admin.display(description="Packing slip")
    def slip(self, shipment: Shipment) -> SafeString | str:
        if not packing_slips.is_rendered(shipment):
            return "not ready"
        return link(reverse("admin:fulfilment_packing_slip", args=[shipment.pk]), "Download")

    @admin.display(description="Sent despite a refund because")
    def sent_because(self, shipment: Shipment) -> str:
        return shipment.refund_override_reason

    def to_pack(self, request: HttpRequest) -> HttpResponse:
        """Show the orders to pack and the parcels to dispatch, each the longest waiting first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now, may_pack = clock.now(), request.user.has_perm("fulfilment.add_shipment")
        context = {
            **self.admin_site.each_context(request),
            "title": "Parcels to send",
            "sections": [
                _section(
                    "To pack",
                    ("Order", "To pack", "Send to", "Paid", "Next step"),
                    _orders_to_pack(now, may_pack=may_pack),
                    empty="Every paid order is packed.",
                ),
                _section(
                    "To dispatch",
                    ("Parcel", "Order", "Status", "In it", "Carrier", "Packed", "Next step"),
                    _parcels_to_dispatch(now, may_send=request.user.has_perm("fulfilment.change_shipment")),
                    empty="No parcel waits for its carrier.",
                ),
            ],
        }
        return TemplateResponse(request, "admin/work_list.html", context)


def _section(title: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]], *, empty: str) -> dict[str, Any]:
    """Return a table of the list as its template takes it: each cell with its heading, for phones."""
    shown = [list(zip(columns, row, strict=True)) for row in rows[:_SHOWN]]
    more = f"The first {_SHOWN} are shown; the others follow as these are done." if len(rows) > _SHOWN else ""
    return {"title": title, "columns": columns, "rows": shown, "empty": empty, "more": more}


def _orders_to_pack(now: datetime, *, may_pack: bool) -> list[tuple[Any, ...]]:
    waiting = list(selectors.list_orders_to_pack().select_related("shipping_address")[: _SHOWN + 1])
    left: dict[UUID, list[Any]] = defaultdict(list)
    for line in selectors.list_lines_to_pack().filter(order_id__in=[order.pk for order in waiting]):
        left[line.order_id].append(line)
    return [
        (
            _number(_order_page(order.pk), order.number),
            in_lines(left_text(left[order.pk])),
            f"{order.shipping_address.city} {order.shipping_address.pin}",
            ago(order.confirmed_at, now),
            _packing_obstacle(order) or (_step(order, "pack") if may_pack else ""),
        )
        for order in waiting
    ]


def _number(href: str, number: str) -> SafeString:
    """Return a number that leads to a page, on one line."""
    return format_html('<span class="whitespace-nowrap">{}</span>', link(href, number))


def _step(row: Any, name: str) -> SafeString:
    """Return a link to the page of an action of an order or a parcel."""
    action = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_action", args=[row.pk, name])
    return link(action, name.capitalize())


def _order_page(order_id: UUID) -> str:
    return reverse("admin:orders_order_change", args=[order_id])


def _packing_obstacle(order: Any) -> str:
    """Return why an order cannot be packed as it is, by the copies that it keeps of its money, or nothing."""
    if order.status == OrderStatus.ON_HOLD:
        return "On hold: release it first."
    if order.disputed_amount:
        return "Disputed: wait for the bank's decision."
    if order.refunded_amount + order.lost_amount >= order.paid_amount:
        return "All of its money is refunded: cancel the order."
    if order.lost_amount:
        return "Money of it was lost in a dispute: open the order to decide."
    return ""


def _parcels_to_dispatch(now: datetime, *, may_send: bool) -> list[tuple[Any, ...]]:
    waiting = selectors.list_shipments_to_dispatch()[: _SHOWN + 1]
    return [
        (
            _number(_page(shipment), shipment.number),
            _number(_order_page(shipment.order_id), shipment.order.number),
            shipment.get_status_display(),
            in_lines(contents_text(shipment.lines.all())),
            carrier_text(shipment),
            ago(shipment.packed_at, now) if shipment.packed_at else "",
            _step(shipment, "dispatch" if shipment.status == ShipmentStatus.PACKED else "pack") if may_send else "",
        )
        for shipment in waiting
    ]


def _page(shipment: Shipment) -> str:
    return reverse("admin:fulfilment_shipment_change", args=[shipment.pk])


def _rows_of_order(order: Any) -> list[tuple[Any, ...]]:
    return [
        (
            _number(_page(shipment), shipment.number),
            shipment.get_status_display(),
            in_lines(contents_text(shipment.lines.all())),
            carrier_text(shipment),
            format_instant(shipment.dispatched_at) if shipment.dispatched_at else "",
            format_instant(shipment.delivered_at) if shipment.delivered_at else "",
            shipment.refund_override_reason,
        )
        for shipment in selectors.list_shipments_of_order(order.pk)
    ]


def _forecast_order_cancellation(order: Any) -> list[tuple[str, Any]]:
    """Return that cancelling an order takes its parcels from the list, if it has any."""
    waiting = [one for one in selectors.list_shipments_of_order(order.pk) if one.status in NOT_DISPATCHED]
    numbers = ", ".join(one.number for one in waiting)
    return [("Parcels", f"{numbers}: cancelled. Take the goods out again.")] if waiting else []


def _headline_of_order(order: Any) -> Headline | None:
    """Return that parcels of an order wait for their carrier, or were lost or damaged, if so."""
    by_status: dict[str, list[str]] = defaultdict(list)
    for shipment in selectors.list_shipments_of_order(order.pk):
        by_status[shipment.status].append(shipment.number)
    gone = [*by_status[ShipmentStatus.LOST], *by_status[ShipmentStatus.DAMAGED]]
    if gone and order.status == OrderStatus.IN_FULFILMENT:
        text = (
            f"Lost or damaged on the way: {', '.join(gone)}. Refund these units; what is sent instead is another order."
        )
        return Headline(62, text, "danger")
    packed = by_status[ShipmentStatus.PACKED]
    return Headline(32, f"Packed and to be dispatched: {', '.join(packed)}.", "warning") if packed else None


def _headline_of_shipment(shipment: Shipment) -> Headline | None:
    order = orders.get_order(shipment.order_id)
    return {
        ShipmentStatus.PENDING: Headline(31, f"The parcel of order {order.number} is to be packed.", "warning"),
        ShipmentStatus.PACKED: Headline(31, "The parcel is packed. Dispatch it when the carrier takes it.", "warning"),
        ShipmentStatus.DISPATCHED: Headline(30, "The parcel is on its way. Record what becomes of it.", "info"),
    }.get(ShipmentStatus(shipment.status))


add_forecast("orders.order", "cancel", _forecast_order_cancellation)
add_headline("orders.order", _headline_of_order)
add_headline("fulfilment.shipment", _headline_of_shipment)
add_panel(
    "orders.order",
    Panel(
        title="Parcels",
        columns=("Parcel", "Status", "In it", "Carrier", "Dispatched", "Delivered", "Sent despite a refund because"),
        rows=_rows_of_order,
        permission="fulfilment.view_shipment",
        position=16,
    ),
)
