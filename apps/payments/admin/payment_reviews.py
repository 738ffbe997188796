"""
Admin pages of payments that need attention: those under review, and those whose outcome at the gateway is unknown.

One page lists all of them; each row links to its own page with the possible actions.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action
from apps.core.admin_lists import KeySearch
from apps.core.admin_site import ReadOnlyAdmin, age, link, tones
from apps.core.events import Actor
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.orders.states import OrderStatus
from apps.payments.admin.decision_rights import decision_row
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.rules import CUSTOMER_FEE_BEARER
from apps.payments.selectors import payments as payment_selectors
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as refund_selectors
from apps.payments.selectors import search as search_selectors
from apps.payments.services import decision_rights, payment_acceptance, payment_reviews, polling
from apps.payments.states import (
    LIVE,
    ApprovalRequirement,
    AttemptStatus,
    DifferenceReason,
    MoneyOperation,
    RefundStatus,
    ReviewReason,
)

_SHOWN = 50
_TONES = tones(
    AttemptStatus, success=(AttemptStatus.CAPTURED,), info=(AttemptStatus.AUTHORIZED,), danger=(AttemptStatus.FAILED,)
)


class Review(admin.SimpleListFilter):
    """A filter by the state of the review."""

    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Awaiting a decision"), ("closed", "Decided")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[PaymentAttempt]") -> "QuerySet[PaymentAttempt]":
        if self.value() == "open":
            return payment_selectors.list_attempts_to_review(queryset)
        return queryset.filter(review_closed_at__isnull=False) if self.value() == "closed" else queryset


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(KeySearch, ReadOnlyAdmin):
    """Payment attempts; those with a review reason wait for a decision of staff."""

    list_display = (
        "gateway_payment_id",
        "payment",
        "status_label",
        "paid",
        "method",
        "payer",
        "review_reason",
        "captured_at",
    )
    list_filter = (Review, "status", "review_reason", "method", "created_at")
    indexed_filters = ("review=open",)
    list_select_related = ("payment",)
    ordering = ("-id",)
    search_fields = ("gateway_payment_id__exact",)
    search_help_text = "A gateway's payment id, a bank reference number, or an order number."

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        return any_of(
            search_selectors.search_attempts(term).values_list("pk"),
            search_selectors.search_of_order(PaymentAttempt.objects.all(), term, order="payment__order_id"),
        )

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "needs-attention/", self.admin_site.admin_view(self.needs_attention), name="payments_needing_attention"
        )
        return [page, *super().get_urls()]

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, attempt: PaymentAttempt) -> tuple[str, str]:
        return attempt.status, attempt.get_status_display()

    @admin.display(description="Amount", ordering="amount")
    def paid(self, attempt: PaymentAttempt) -> str:
        return rupees(attempt.amount)

    def needs_attention(self, request: HttpRequest) -> HttpResponse:
        """Show all payments and refunds that need attention, longest waiting first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        sections = [
            {
                "title": "Arrived, awaiting a decision",
                "columns": ("Payment", "Order", "Amount", "Why", "Since"),
                "rows": _attempts_to_review(),
                "empty": "No payment awaits a decision.",
            },
            {
                "title": "Refunds whose outcome the gateway has not reported",
                "columns": ("Refund", "Amount", "Why", "Since"),
                "rows": _unknown_refunds(),
                "empty": "The outcome of every refund is known.",
            },
            {
                "title": "Payments that the gateway has not confirmed",
                "columns": ("Payment", "Order", "Amount", "Since"),
                "rows": _unknown_payments(),
                "empty": "The gateway has confirmed every payment.",
            },
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Money that needs attention",
            "sections": sections,
        }
        return TemplateResponse(request, "admin/needs_attention.html", context)


def _attempts_to_review() -> list[tuple[Any, ...]]:
    attempts = (
        payment_selectors.list_attempts_to_review().select_related("payment__order").order_by("review_opened_at", "pk")
    )
    return [
        (
            link(reverse("admin:payments_paymentattempt_change", args=[attempt.pk]), attempt.gateway_payment_id),
            link(reverse("admin:orders_order_change", args=[attempt.payment.order_id]), attempt.payment.order.number),
            rupees(attempt.amount),
            attempt.get_review_reason_display(),
            age(attempt.review_opened_at or attempt.created_at, clock.now()),
        )
        for attempt in attempts[:_SHOWN]
    ]


def _unknown_refunds() -> list[tuple[Any, ...]]:
    return [
        (
            link(reverse("admin:payments_refund_change", args=[refund.pk]), refund.number),
            rupees(refund.amount),
            refund.get_reason_display(),
            age(refund.created_at, clock.now()),
        )
        for refund in refund_selectors.list_unknown_refunds().order_by("created_at", "pk")[:_SHOWN]
    ]


def _unknown_payments() -> list[tuple[Any, ...]]:
    payments = payment_selectors.list_unknown_payments().select_related("order").order_by("created_at", "pk")
    return [
        (
            link(reverse("admin:payments_payment_change", args=[payment.pk]), payment.public_id),
            link(reverse("admin:orders_order_change", args=[payment.order_id]), payment.order.number),
            rupees(payment.amount),
            age(payment.created_at, clock.now()),
        )
        for payment in payments[:_SHOWN]
    ]


class RefundReviewedForm(forms.Form):
    """Why it is refunded."""

    note = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history, and the buyer can read it with the refund.",
    )


class NoteForm(forms.Form):
    """Why."""

    note = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history.",
    )


def _refund_reviewed(attempt: PaymentAttempt, *, user: Any, actor: Any, now: Any, note: str) -> str:
    refund = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, note=note, actor=actor, now=now)
    waits = refund.status == RefundStatus.REQUIRES_APPROVAL
    if waits:
        return f"Refund {refund.number} of {rupees(refund.amount)} waits until another person approves it."
    return f"Refund {refund.number} of {rupees(refund.amount)} is on its way."


class AcceptForm(forms.Form):
    """Why the payer was charged another amount."""

    reason = forms.ChoiceField(
        choices=DifferenceReason.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="It decides to which account the difference is posted.",
    )
    note = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history.",
    )


def _accept(attempt: PaymentAttempt, *, user: Any, actor: Any, now: Any, reason: str, note: str) -> str:
    accepted = payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason=reason, note=note, actor=actor, now=now)
    number = accepted.payment.order.number
    if accepted.accepted_amount is None:
        return f"A second person must accept this payment before order {number} is confirmed."
    return f"{rupees(accepted.amount)} is accepted as the full payment of order {number}, which is confirmed."


def _close(attempt: PaymentAttempt, *, user: Any, actor: Any, now: Any, note: str) -> str:
    payment_reviews.close_review(attempt_id=attempt.pk, note=note, actor=actor, now=now)
    return f"The review of {attempt.gateway_payment_id} is closed."


def _ask(payment: Payment, *, user: Any, actor: Any, now: Any) -> str:
    polling.request_payment_sync(payment_id=payment.pk, actor=actor, now=now)
    return "The status is being requested from the gateway. Reload this page in a moment."


def _facts(attempt: PaymentAttempt) -> list[tuple[str, Any]]:
    asked = attempt.payment
    return [
        ("Arrived", f"{rupees(attempt.amount)} ({attempt.currency}) as {attempt.gateway_payment_id}"),
        ("Requested", f"{rupees(asked.amount)} ({asked.currency}) for order {asked.order.number}"),
        ("Reason for the review", attempt.get_review_reason_display()),
    ]


def _refund_forecast(attempt: PaymentAttempt) -> list[tuple[str, Any]]:
    left = refund_sums.attempt_refundable_amount(attempt)
    return [
        *_facts(attempt),
        ("Money", f"{rupees(left)} is refunded to the original payment method. Nothing else changes for the order."),
        ("Review", "It closes by itself when all of the money is refunded."),
    ]


def _who_refunds(attempt: PaymentAttempt, actor: Actor) -> list[tuple[str, Any]]:
    left = refund_sums.attempt_refundable_amount(attempt)
    return [decision_row(attempt.payment.order, MoneyOperation.REFUND_REVIEWED, left, actor=actor)]


def _acceptance_forecast(attempt: PaymentAttempt) -> list[tuple[str, Any]]:
    asked = attempt.payment
    difference = attempt.amount - asked.amount
    said = f"{rupees(abs(difference))} more than requested was charged. The reason decides the account it is posted to."
    if difference < 0:
        said = f"{rupees(abs(difference))} less than requested was charged. The reason decides the account it is posted to."
    return [
        *_facts(attempt),
        ("Fee", _fee_text(attempt)),
        (
            "The order",
            f"{asked.order.number} is paid and confirmed. Its invoice is for {rupees(asked.order.total_amount)}.",
        ),
        ("Difference", said),
        ("Refunds", f"At most {rupees(min(attempt.amount, asked.amount))} can be refunded later."),
    ]


def _who_accepts(attempt: PaymentAttempt, actor: Actor) -> list[tuple[str, Any]]:
    order, difference = attempt.payment.order, abs(attempt.amount - attempt.payment.amount)
    operation = MoneyOperation.ACCEPT_ATTEMPT
    decision = decision_rights.get_approval_requirement(
        order=order, operation=operation, amount=difference, actor=actor
    )
    if decision != ApprovalRequirement.ABOVE_THRESHOLD:
        return [decision_row(order, operation, difference, actor=actor)]
    if attempt.acceptance_requested_by == str(actor):
        said = "You have accepted it already. Another person must accept it too, with the same reason."
    elif attempt.acceptance_requested_by:
        reason = attempt.get_difference_reason_display()
        said = f"Another person has accepted it already, with the reason “{reason}”. With the same reason, it takes effect at once."
    else:
        limit = rupees(settings.REFUND_APPROVAL_THRESHOLD_PAISE)
        said = f"The difference is above the {limit} that one person may approve for an order. Another person must accept it too."
    return [("Your decision", said)]


def _fee_text(attempt: PaymentAttempt) -> str:
    if attempt.fee_amount is None:
        return "The gateway has not reported its fee."
    tax = rupees(attempt.fee_tax_amount or 0)
    if attempt.fee_bearer == CUSTOMER_FEE_BEARER:
        return f"{rupees(attempt.fee_amount)} with {tax} of GST. The payer bears it."
    return f"{rupees(attempt.fee_amount)} with {tax} of GST."


def _closing_forecast(attempt: PaymentAttempt) -> list[tuple[str, Any]]:
    left = refund_sums.unallocated_amount(attempt)
    kept = f"{rupees(left)} is neither refunded nor on its way. Refund it first." if left > 0 else "None is left."
    return [*_facts(attempt), ("Remaining money", kept)]


def _waits(attempt: PaymentAttempt) -> bool:
    return bool(attempt.review_reason) and attempt.review_closed_at is None


def _has_money_left(attempt: PaymentAttempt) -> bool:
    is_ours = attempt.status == AttemptStatus.CAPTURED
    return _waits(attempt) and is_ours and refund_sums.attempt_refundable_amount(attempt) >= attempt.min_refund_amount


def _can_be_accepted(attempt: PaymentAttempt) -> bool:
    is_of_other_amount = attempt.review_reason == ReviewReason.AMOUNT_MISMATCH
    is_wanted = attempt.payment.order.status in (OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRED)
    is_untouched = refund_sums.attempt_reserved_amount(attempt.pk) == 0
    return is_wanted and is_of_other_amount and is_untouched and _has_money_left(attempt)


add_object_action(
    "payments.paymentattempt",
    ObjectAction(
        name="accept", title="Accept as full payment", permission="payments.change_refund", perform=_accept,
        icon="check_circle", form=AcceptForm, forecast=_acceptance_forecast,
        forecast_for_actor=_who_accepts, is_available=_can_be_accepted,
    ),
)  # fmt: skip
add_object_action(
    "payments.paymentattempt",
    ObjectAction(
        name="refund", title="Refund this payment", permission="payments.add_refund", perform=_refund_reviewed, icon="undo",
        form=RefundReviewedForm, forecast=_refund_forecast, forecast_for_actor=_who_refunds, is_available=_has_money_left,
    ),
)  # fmt: skip
add_object_action(
    "payments.paymentattempt",
    ObjectAction(
        name="close", title="Close the review", permission="payments.change_paymentattempt", perform=_close,
        icon="task_alt", form=NoteForm, forecast=_closing_forecast, is_available=_waits,
    ),
)  # fmt: skip
add_object_action(
    "payments.payment",
    ObjectAction(
        name="ask", title="Check with the gateway", permission="payments.view_payment", perform=_ask, icon="sync",
        is_available=lambda payment: payment.status in LIVE or payment.next_check_at is not None,
    ),
)  # fmt: skip
