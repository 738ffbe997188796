"""Admin pages of payments. All are read-only; actions call services."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.accounts import selectors as accounts
from apps.core.admin_fields import show_json
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, link, tones
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.payments.messages import failure_text, method_text
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.selectors import payments, search
from apps.payments.states import AttemptStatus, PaymentStatus

_TONES = tones(
    PaymentStatus,
    success=(PaymentStatus.SUCCEEDED, PaymentStatus.SUCCEEDED_LATE),
    info=(PaymentStatus.PROCESSING,),
    warning=(PaymentStatus.REQUIRES_CAPTURE,),
    danger=(PaymentStatus.CANCELLED,),
)
_ATTEMPT_TONES = tones(
    AttemptStatus, success=(AttemptStatus.CAPTURED,), info=(AttemptStatus.AUTHORIZED,), danger=(AttemptStatus.FAILED,)
)


class PaymentAttemptInline(ReadOnlyTabularInline):
    """The attempts of a payment."""

    model = PaymentAttempt
    fields = ("gateway_payment_id", "status", "paid", "method", "payer", "rrn", "captured_at", "review_reason")
    readonly_fields = fields
    ordering = ("created_at", "id")

    @admin.display(description="Amount")
    def paid(self, attempt: PaymentAttempt) -> str:
        return rupees(attempt.amount)


@admin.register(Payment)
class PaymentAdmin(KeySearch, ReadOnlyAdmin):
    """Payments: found by the gateway's order or link id, the order's number, or the customer's phone."""

    list_display = ("public_id", "order", "customer", "channel", "status_label", "asked", "created_at")
    list_filter = ("status", "channel", "gateway_call", "created_at")
    list_select_related = ("order", "customer")
    ordering = ("-created_at", "-id")
    search_fields = ("gateway_order_id__exact",)
    search_help_text = "A gateway's order, link or payment id, an order number, or a phone number."
    exclude = ("next_action",)
    readonly_fields = ("where_to_pay", "what_to_do_next")
    inlines = (PaymentAttemptInline,)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        people = accounts.search_visible_people(term, user=request.user).order_by().values("pk")
        of_people = Payment.objects.filter(customer_id__in=people).order_by("-created_at", "-id")
        return any_of(
            search.search_payments(term).values_list("pk"),
            search.search_of_order(Payment.objects.all(), term),
            of_people.values_list("pk"),
        )

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, payment: Payment) -> tuple[str, str]:
        return payment.status, payment.get_status_display()

    @admin.display(description="Amount", ordering="amount")
    def asked(self, payment: Payment) -> str:
        return rupees(payment.amount)

    @admin.display(description="Next action")
    def what_to_do_next(self, payment: Payment) -> SafeString | str:
        return show_json(payment.next_action) if payment.next_action else ""

    @admin.display(description="Link or QR code")
    def where_to_pay(self, payment: Payment) -> str:
        where = payment.next_action.get("url") or payment.next_action.get("image_url")
        return link(where, where) if where else ""


def _payment_rows(order: Any) -> list[tuple[Any, ...]]:
    """Return the payments of an order, each followed by its used attempts; a single one shares its row."""
    rows: list[tuple[Any, ...]] = []
    for payment in payments.list_payments_of_order(order.pk):
        attempts = [attempt for attempt in payment.attempts.all() if not _is_unused(attempt, payment)]
        page = link(reverse("admin:payments_payment_change", args=[payment.pk]), f"Payment {payment.sequence}")
        if len(attempts) != 1:
            asked = (page, payment.get_status_display(), rupees(payment.amount), payment.get_channel_display())
            rows.append((*asked, "", payment.gateway_reference or ""))
        for attempt in attempts:
            first = page if len(attempts) == 1 else ""
            rows.append((first, *_attempt_cells(attempt)))
    return rows


def _is_unused(attempt: PaymentAttempt, payment: Payment) -> bool:
    """Test if nobody used an attempt: the gateway closed it after another one had paid. It is on the payment's page."""
    ended = attempt.failed_at if attempt.status == AttemptStatus.FAILED else None
    return bool(ended and payment.succeeded_at and ended > payment.succeeded_at)


def _attempt_cells(attempt: PaymentAttempt) -> tuple[Any, ...]:
    review = attempt.get_review_reason_display() if attempt.review_reason else ""
    why = failure_text(attempt.error) if attempt.status == AttemptStatus.FAILED else ""
    page = reverse("admin:payments_paymentattempt_change", args=[attempt.pk])
    return (
        attempt.get_status_display(),
        rupees(attempt.amount),
        method_text(attempt.method, attempt.payer),
        " ".join(part for part in (why, f"{review}." if review else "") if part),
        link(page, attempt.gateway_payment_id),
    )


add_panel(
    "orders.order",
    Panel(
        title="Payments",
        columns=("Payment", "Status", "Amount", "By", "Remarks", "At the gateway"),
        rows=_payment_rows,
        permission="payments.view_payment",
        position=10,
    ),
)
