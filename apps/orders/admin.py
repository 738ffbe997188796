"""The back office's order page: to look at, with one action."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.accounts import selectors as accounts
from apps.core import clock
from apps.core.admin_search import SHOWN, Finder, add_finder
from apps.core.admin_site import Panel, ReadOnlyAdmin, ReadOnlyTabularInline, add_panel, on_one_line, tones
from apps.core.errors import BahiError
from apps.core.events import Actor, list_events_of_root
from apps.core.money import rupees
from apps.core.search import SearchTerm
from apps.orders import rules, selectors, services
from apps.orders.models import Order, OrderLine
from apps.orders.states import OrderStatus, PaymentStatus
from apps.tax.rules import rate_label

_SHOWN_NEWS = 200
_ADDRESS = ("name", "company", "line1", "line2", "city", "pin", "state_name", "phone", "gstin")
_TONES = tones(
    OrderStatus,
    success=(OrderStatus.CONFIRMED, OrderStatus.COMPLETED),
    warning=(OrderStatus.PENDING_PAYMENT, OrderStatus.ON_HOLD),
    danger=(OrderStatus.CANCELLED,),
)
_PAYMENT_TONES = tones(
    PaymentStatus,
    success=(PaymentStatus.PAID,),
    danger=(PaymentStatus.OVERPAID,),
    warning=(PaymentStatus.PARTIALLY_PAID,),
    info=(PaymentStatus.PROCESSING,),
)


class OrderLineInline(ReadOnlyTabularInline):
    """The lines of an order."""

    model = OrderLine
    fields = ("position", "sku", "name", "hsn", "quantity", "price", "tax", "taxable", "total")
    readonly_fields = fields
    ordering = ("position",)

    @admin.display(description="Unit price")
    def price(self, line: OrderLine) -> str:
        return f"{rupees(line.unit_price)} {'incl.' if line.price_includes_tax else 'excl.'}"

    @admin.display(description="GST")
    def tax(self, line: OrderLine) -> str:
        return rate_label(line.taxability, line.tax_rate)

    @admin.display(description="Taxable")
    def taxable(self, line: OrderLine) -> str:
        return rupees(line.taxable_amount)

    @admin.display(description="Total")
    def total(self, line: OrderLine) -> str:
        return rupees(line.total_amount)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders: searched by number, phone or e-mail; cancelled through the service alone."""

    list_display = ("number", "customer", "status_label", "payment_label", "total", "placed_at")
    list_filter = ("status", "placed_at")
    list_select_related = ("customer",)
    ordering = ("-created_at", "-id")
    search_fields = ("number", "customer__phone", "customer__email")
    search_help_text = "An order number or its beginning, a phone number, or an e-mail address."
    readonly_fields = ("public_id", "paid", "ship_to", "bill_to", "place", "why_there")
    fieldsets = (
        (None, {"fields": (("number", "public_id"), ("status", "paid"), ("customer", "buyer_gstin"), "note")}),
        (
            "Amounts",
            {
                "fields": (
                    ("taxable_amount", "shipping_amount"),
                    ("cgst_amount", "sgst_amount"),
                    ("utgst_amount", "igst_amount"),
                    ("discount_amount", "round_off_amount"),
                    ("total_amount", "paid_amount"),
                )
            },
        ),
        (
            "Supply",
            {
                "fields": (
                    ("ship_to", "bill_to"),
                    ("place", "why_there"),
                    "registration",
                )
            },
        ),
        (
            "Times",
            {
                "fields": (
                    ("placed_at", "confirmed_at"),
                    ("expires_at", "expired_at"),
                    ("payment_live_until", "cancelled_at"),
                    "cancel_reason",
                )
            },
        ),
    )
    inlines = (OrderLineInline,)
    actions = ("cancel_orders",)

    @admin.display(description="ID")
    def public_id(self, order: Order) -> str:
        return order.public_id

    @admin.display(description="Ship to")
    def ship_to(self, order: Order) -> str:
        return on_one_line(order.shipping_address.snapshot, _ADDRESS)

    @admin.display(description="Bill to")
    def bill_to(self, order: Order) -> str:
        return on_one_line(order.billing_address.snapshot, _ADDRESS)

    @admin.display(description="Place of supply")
    def place(self, order: Order) -> str:
        return f"{order.place_of_supply} {_place_of(order).state_name}"

    @admin.display(description="Why there")
    def why_there(self, order: Order) -> str:
        place = _place_of(order)
        return f"{place.explanation} ({place.section})"

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @admin.display(description="Payment")
    def paid(self, order: Order) -> str:
        return str(selectors.payment_status_of(order, clock.now()).label)

    @display(description="Payment", label=_PAYMENT_TONES)  # type: ignore[untyped-decorator]
    def payment_label(self, order: Order) -> tuple[str, str]:
        status = selectors.payment_status_of(order, clock.now())
        return status.value, str(status.label)

    @admin.display(description="Total", ordering="total_amount")
    def total(self, order: Order) -> str:
        return rupees(order.total_amount)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look up what was typed in the one column that it can be of, each of which has an index."""
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        if "@" in term:
            return queryset.filter(customer__email=term.lower()), False
        digits = term.removeprefix("+").replace(" ", "")
        if digits.isascii() and digits.isdigit() and len(digits) >= 10:
            return queryset.filter(customer__phone=f"+{digits}" if len(digits) > 10 else f"+91{digits}"), False
        return queryset.filter(number__startswith=term.upper()), False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Test if the member of staff may cancel orders."""
        return request.user.has_perm("orders.change_order")

    @admin.action(description="Cancel unpaid orders", permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Cancel those of the chosen orders that can be, and say why the others cannot."""
        user: Any = request.user
        actor = Actor(kind="user", id=user.public_id, label=str(user))
        for order in queryset:
            try:
                services.cancel_order(order_id=order.pk, actor=actor, reason="Cancelled by staff", now=clock.now())
            except BahiError as error:
                self.message_user(request, error.text, messages.ERROR)
            else:
                self.message_user(request, f"Order {order.number} is cancelled.", messages.SUCCESS)


def _place_of(order: Order) -> rules.Place:
    return rules.describe_place(order.place_of_supply, order.place_of_supply_reason)


def _who(actor: str, order: Order) -> str:
    """Return who did something; a member of staff by the name that the event keeps."""
    kind = rules.actor_kind(actor, customer=order.customer.public_id)
    return actor if kind == "staff" else kind


def _timeline_rows(order: Order) -> list[tuple[Any, ...]]:
    return [
        (event.created_at, rules.timeline_text(event.type), _who(event.actor, order), event.reason)
        for event in list_events_of_root(order.pk)[:_SHOWN_NEWS]
    ]


add_panel(
    "orders.order",
    Panel(title="Timeline", columns=("When", "What", "Who", "Why"), rows=_timeline_rows),
)


def _find_orders(term: SearchTerm, request: HttpRequest) -> QuerySet[Order]:
    customers = []
    if request.user.has_perm("accounts.view_user"):
        with_addresses = request.user.has_perm("accounts.view_address")
        people = accounts.search_people(term, with_addresses=with_addresses)
        customers = list(people.values_list("pk", flat=True)[:SHOWN])
    return selectors.search_orders(term, customers=customers).select_related("customer")


def _describe_order(order: Order, request: HttpRequest) -> tuple[str, str]:
    is_masked = not request.user.has_perm("accounts.manage_people")
    customer = accounts.display_name(order.customer, is_masked=is_masked)
    placed = f"{order.placed_at.astimezone(clock.IST):%-d %b %Y}"
    return order.number, " · ".join([order.get_status_display(), customer, rupees(order.total_amount), placed])


add_finder(
    Finder(
        "orders.order",
        title="Orders",
        find=_find_orders,
        describe=_describe_order,
        hint="An order number, its beginning or its last digits; or who ordered: name, whole phone number or e-mail address",
        position=10,
    )
)
