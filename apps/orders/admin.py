"""The back office's order page: what to do, lines and money first; and the list of orders with one action."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib import messages as notices
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts import selectors as accounts
from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action, staff_actor
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Headline, Panel, add_headline, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, link, tones
from apps.core.dates import format_instant
from apps.core.errors import BahiError
from apps.core.money import rupees
from apps.core.search import MAX_CANDIDATES, SearchTerm
from apps.orders import messages, rules, selectors
from apps.orders.models import Order, OrderLine
from apps.orders.services import cancellation, holds
from apps.orders.states import HOLDS_STOCK, FulfilmentStatus, OrderPaymentStatus, OrderStatus
from apps.tax.rules import rate_label

_MAX_ORDERS_SHOWN = 50
ORDER_TONES = tones(
    OrderStatus,
    success=(OrderStatus.CONFIRMED, OrderStatus.COMPLETED),
    warning=(OrderStatus.PENDING_PAYMENT, OrderStatus.ON_HOLD),
    danger=(OrderStatus.CANCELLED,),
)
_PAYMENT_TONES = tones(
    OrderPaymentStatus,
    success=(OrderPaymentStatus.PAID,),
    danger=(OrderPaymentStatus.OVERPAID, OrderPaymentStatus.DISPUTED),
    warning=(OrderPaymentStatus.PARTIALLY_PAID,),
    info=(OrderPaymentStatus.PROCESSING,),
)
_FULFILMENT_TONES = tones(
    FulfilmentStatus,
    success=(FulfilmentStatus.DELIVERED,),
    info=(FulfilmentStatus.SHIPPED,),
    warning=(FulfilmentStatus.PARTIAL,),
)


class OrderLineInline(ReadOnlyTabularInline):
    """The lines of an order; its page shows them in a table of its own."""

    model = OrderLine


@admin.register(Order)
class OrderAdmin(KeySearch, ReadOnlyAdmin):
    """Orders: searched by number and buyer; cancelled through the service alone."""

    shows_contacts = True
    list_display = ("number", "customer", "status_label", "payment_label", "fulfilment_label", "total", "placed_at")
    list_filter = ("status", "created_at")
    indexed_filters = tuple(f"status__exact={status}" for status in (OrderStatus.PENDING_PAYMENT, *HOLDS_STOCK))
    list_select_related = ("customer",)
    ordering = ("-created_at", "-id")
    search_fields = ("number__exact",)
    search_help_text = (
        "An order number, its beginning or its last digits; a name, a GSTIN, a whole phone number or e-mail address."
    )
    change_form_template = "admin/order_change_form.html"
    fields = ()
    inlines = (OrderLineInline,)
    actions = ("cancel_orders",)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        order = self.get_object(request, object_id)
        shown = {} if order is None else {"page": _page_context(order)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    @display(description="Status", label=ORDER_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @display(description="Payment", label=_PAYMENT_TONES)  # type: ignore[untyped-decorator]
    def payment_label(self, order: Order) -> tuple[str, str]:
        status = selectors.derive_order_payment_status(order)
        return status.value, str(status.label)

    @display(description="Sent", label=_FULFILMENT_TONES)  # type: ignore[untyped-decorator]
    def fulfilment_label(self, order: Order) -> tuple[str, str]:
        return order.fulfilment_status, order.get_fulfilment_status_display()

    @admin.display(description="Total", ordering="total_amount")
    def total(self, order: Order) -> str:
        return rupees(order.total_amount)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> QuerySet[Any]:
        people = accounts.search_visible_people(term, user=request.user).values_list("pk", flat=True)
        return selectors.search_orders(term, customers=list(people[:MAX_CANDIDATES])).order_by().values_list("pk")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Test if the member of staff may cancel orders."""
        return request.user.has_perm("orders.change_order")

    @admin.action(description="Cancel unpaid orders", permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Cancel those of the chosen orders that can be, and say why the others cannot."""
        actor = staff_actor(request)
        for order in queryset:
            try:
                cancellation.cancel_unpaid_order(
                    order_id=order.pk, actor=actor, reason="Cancelled by staff", now=clock.now()
                )
            except BahiError as error:
                self.message_user(request, error.text, notices.ERROR)
            else:
                self.message_user(request, f"Order {order.number} is cancelled.", notices.SUCCESS)


def _page_context(order: Order) -> dict[str, Any]:
    """Return what the page of an order shows next to its panels; contacts are masked where the page leaves."""
    status = selectors.derive_order_payment_status(order)
    ship_to, bill_to = order.shipping_address.snapshot, order.billing_address.snapshot
    return {
        "status": {"text": order.get_status_display(), "tone": ORDER_TONES[order.status]},
        "fulfilment": {
            "text": order.get_fulfilment_status_display(),
            "tone": _FULFILMENT_TONES[order.fulfilment_status],
        },
        "payment": {"text": str(status.label), "tone": _PAYMENT_TONES[status.value]},
        "number": order.number,
        "placed": format_instant(order.placed_at),
        "lines": [_line_row(line) for line in selectors.list_lines(order.pk)],
        "sums": _total_rows(order),
        "customer": _customer_of(order),
        "ship_to": _address_rows(ship_to),
        "bill_to": _address_rows(bill_to) if bill_to != ship_to else [],
        "note": order.note,
        "details": _detail_rows(order),
    }


def _line_row(line: OrderLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "sku": line.sku,
        "hsn": line.hsn,
        "quantity": line.quantity,
        "price": f"{rupees(line.unit_price)}{'' if line.price_includes_tax else ' + GST'}",
        "tax": rate_label(line.taxability, line.tax_rate),
        "total": rupees(line.total_amount),
    }


def _total_rows(order: Order) -> list[dict[str, Any]]:
    """Return the total of an order and what was paid, refunded, disputed and lost; amounts of zero are left out, except the total."""
    parts = (
        ("Value without tax", order.taxable_amount),
        ("Discount, taken off already", order.discount_amount),
        ("Shipping, included", order.shipping_amount),
        ("CGST", order.cgst_amount),
        ("SGST", order.sgst_amount),
        ("UTGST", order.utgst_amount),
        ("IGST", order.igst_amount),
        ("Round-off", order.round_off_amount),
    )
    money = (
        ("Paid", order.paid_amount),
        ("Arrived, awaiting a decision", order.under_review_amount),
        ("Refunded", order.refunded_amount),
        ("Disputed by the payer's bank", order.disputed_amount),
        ("Lost in a dispute", order.lost_amount),
        ("Due", _amount_due(order)),
    )
    return [
        *({"title": title, "amount": rupees(amount)} for title, amount in parts if amount),
        {"title": "Total", "amount": rupees(order.total_amount), "is_strong": True},
        *({"title": title, "amount": rupees(amount)} for title, amount in money if amount),
    ]


def _amount_due(order: Order) -> int:
    is_waiting = order.status == OrderStatus.PENDING_PAYMENT
    return max(0, order.total_amount - order.paid_amount) if is_waiting else 0


def _customer_of(order: Order) -> dict[str, Any]:
    customer = order.customer
    name, *others = [one for one in (customer.name, customer.phone, customer.email) if one] or ["The customer's page"]
    return {
        "name": name,
        "href": reverse("admin:accounts_user_change", args=[customer.pk]),
        "contacts": others,
        "gstin": order.buyer_gstin,
    }


def _address_rows(address: dict[str, Any]) -> list[str]:
    """Return an address as it is written on a parcel, a line each."""
    town = " ".join(str(address[name]) for name in ("city", "pin") if address.get(name))
    state = address.get("state_name") or ""
    phone = str(address.get("phone") or "")
    gstin = f"GSTIN {address['gstin']}" if address.get("gstin") else ""
    own = [str(address.get(name) or "") for name in ("name", "company", "line1", "line2")]
    return [row for row in (*own, ", ".join(part for part in (town, state) if part), phone, gstin) if row]


def _detail_rows(order: Order) -> list[tuple[str, Any]]:
    """Return what only a few readers want: ids, the place of supply, the times; what is empty is left out."""
    place = rules.describe_place(order.place_of_supply, order.place_of_supply_reason)
    times = (
        ("Placed", order.placed_at),
        ("Confirmed", order.confirmed_at),
        ("Payment due by", order.expires_at),
        ("Payment open until", order.payment_live_until),
        ("Closed unpaid", order.expired_at),
        ("Cancelled", order.cancelled_at),
        ("Completed", order.completed_at),
        ("Return window over", order.closed_at),
    )
    return [
        ("ID", order.public_id),
        ("Place of supply", f"{place.state} {place.state_name}"),
        ("Reason for the place of supply", f"{place.explanation} ({place.section})"),
        ("Sold by", str(order.registration)),
        *((title, format_instant(at)) for title, at in times if at),
        *([("Cancel reason", order.cancel_reason)] if order.cancel_reason else []),
    ]


def _headline_of(order: Order) -> Headline | None:
    """Return what an order by itself says is to be done; apps above know more."""
    status = OrderStatus(order.status)
    if status == OrderStatus.PENDING_PAYMENT:
        return Headline(30, messages.awaiting_payment(_amount_due(order), expires_at=order.expires_at), "warning")
    if status == OrderStatus.EXPIRED and order.expired_at:
        return Headline(5, messages.expired(order.expired_at), "info")
    if status == OrderStatus.CANCELLED and order.cancelled_at:
        return Headline(5, messages.cancelled(order.cancelled_at, reason=order.cancel_reason), "info")
    headlines = {
        OrderStatus.CONFIRMED: Headline(10, messages.paid_and_confirmed(order.paid_amount), "success"),
        OrderStatus.ON_HOLD: Headline(61, messages.on_hold(), "warning"),
        OrderStatus.IN_FULFILMENT: Headline(10, messages.in_fulfilment(), "info"),
        OrderStatus.COMPLETED: Headline(5, messages.completed(), "success"),
    }
    return headlines.get(status)


def _orders_of(customer: Any) -> list[tuple[Any, ...]]:
    """Return the latest orders of a customer, for their page."""
    latest = Order.objects.filter(customer_id=customer.pk).order_by("-created_at", "-pk")[:_MAX_ORDERS_SHOWN]
    return [
        (
            link(reverse("admin:orders_order_change", args=[order.pk]), order.number),
            format_instant(order.placed_at),
            order.get_status_display(),
            str(selectors.derive_order_payment_status(order).label),
            rupees(order.total_amount),
        )
        for order in latest
    ]


class HoldForm(forms.Form):
    """Why an order is held or released."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history.",
    )


def _hold(order: Order, *, user: Any, actor: Any, now: Any, reason: str) -> str:
    holds.hold_order(order_id=order.pk, reason=reason, actor=actor, now=now)
    return f"Order {order.number} is on hold. Nothing of it is packed or sent until it is released."


def _release(order: Order, *, user: Any, actor: Any, now: Any, reason: str) -> str:
    holds.release_order(order_id=order.pk, reason=reason, actor=actor, now=now)
    return f"Order {order.number} is released and can be packed."


def _forecast_of_hold(order: Order) -> list[tuple[str, Any]]:
    return [
        ("The order", f"Nothing of {order.number} is packed or sent until it is released. It can be cancelled."),
        ("Stock", "Its goods stay reserved."),
        ("Money", "Nothing is refunded by this."),
    ]


def _forecast_of_release(order: Order) -> list[tuple[str, Any]]:
    return [("The order", f"{order.number} is confirmed again, and can be packed and sent.")]


add_object_action(
    "orders.order",
    ObjectAction(
        name="hold", title="Put on hold", permission="orders.change_order", perform=_hold, icon="pause", form=HoldForm,
        forecast=_forecast_of_hold, is_available=lambda order: order.status == OrderStatus.CONFIRMED,
    ),
)  # fmt: skip
add_object_action(
    "orders.order",
    ObjectAction(
        name="release", title="Release", permission="orders.change_order", perform=_release, icon="play_arrow", form=HoldForm,
        forecast=_forecast_of_release, is_available=lambda order: order.status == OrderStatus.ON_HOLD,
    ),
)  # fmt: skip
add_headline("orders.order", _headline_of)
add_panel(
    "accounts.user",
    Panel(
        title="Orders",
        columns=("Order", "Placed", "Status", "Payment", "Total"),
        rows=_orders_of,
        permission="orders.view_order",
        position=10,
    ),
)
