"""Admin page of refunds, with their open tasks and actions, each of which calls a service."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action, staff_actor
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, link, tones
from apps.core.dates import format_instant
from apps.core.errors import BahiError
from apps.core.external_calls import GatewayCall
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.payments.admin.refund_forecasts import (
    describe,
    name_of,
    of_approval,
    of_rejection,
    of_retry,
    of_transfer,
    way_back_text,
    who_approves,
    who_retries,
    who_transfers,
)
from apps.payments.messages import failure_text
from apps.payments.models import Refund, RefundLine
from apps.payments.selectors import refunds as refund_selectors
from apps.payments.selectors import search as search_selectors
from apps.payments.services.refunds import approvals, bank_transfers, requests, submission
from apps.payments.states import OPEN_REFUNDS, RefundStatus

_DECIDE = "payments.change_refund"
_UNSUCCESSFUL = (RefundStatus.FAILED, RefundStatus.AWAITING_TRANSFER, RefundStatus.UNKNOWN)
_NOT_SUBMITTED = (RefundStatus.REQUIRES_APPROVAL, RefundStatus.AWAITING_TRANSFER)
_SUBMITTED = {
    GatewayCall.PENDING: "Not yet",
    GatewayCall.UNKNOWN: "Yes, but it has not answered",
    GatewayCall.SUCCEEDED: "Yes",
    GatewayCall.REJECTED: "Yes, and it has rejected it",
}
_TONES = tones(
    RefundStatus,
    success=(RefundStatus.PROCESSED,),
    info=(RefundStatus.PENDING,),
    warning=(RefundStatus.REQUIRES_APPROVAL, RefundStatus.UNKNOWN, RefundStatus.AWAITING_TRANSFER),
    danger=(RefundStatus.FAILED,),
)


class RefundLineInline(ReadOnlyTabularInline):
    """The units that a refund is for."""

    model = RefundLine
    fields = ("order_line", "quantity", "amount")
    readonly_fields = fields
    ordering = ("id",)


class TaskFilter(admin.SimpleListFilter):
    """A filter by open task."""

    title = "to do"
    parameter_name = "todo"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("approve", "To approve"), ("failed", "Failed, or to be transferred"), ("unknown", "Outcome unknown")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Refund]") -> "QuerySet[Refund]":
        wanted = {
            "approve": refund_selectors.list_refunds_to_approve,
            "failed": refund_selectors.list_refunds_to_retry_or_transfer,
            "unknown": refund_selectors.list_unknown_refunds,
        }.get(self.value() or "")
        return queryset if wanted is None else wanted(queryset)


@admin.register(Refund)
class RefundAdmin(KeySearch, ReadOnlyAdmin):
    """Refunds; those that require approval wait for a second person to decide."""

    list_display = (
        "unbroken_number",
        "status_label",
        "amount_label",
        "reason",
        "requested_by_name",
        "approved_by_name",
        "created_at",
    )
    list_filter = (TaskFilter, "status", "reason", "created_at")
    indexed_filters = ("todo",)
    list_select_related = ("order",)
    ordering = ("-created_at", "-id")
    search_fields = ("number__exact",)
    search_help_text = "A refund's or order's number, a gateway's refund id, or a bank reference."
    readonly_fields = (
        "buyer",
        "refund_method",
        "requested_by_name",
        "approved_by_name",
        "transferred_by_name",
        "why_it_failed",
        "payment_page",
        "bank_reference",
        "at_gateway",
        "next_check",
    )
    fieldsets = (
        (None, {"fields": (("number", "order"), ("buyer", "amount"), ("status", "reason"), "note")}),
        (
            "Who",
            {
                "fields": (
                    ("requested_by_name", "approved_by_name", "transferred_by_name"),
                    ("created_at", "approved_at"),
                )
            },
        ),
        (
            "The money",
            {
                "fields": (
                    "refund_method",
                    ("payment_page", "retry_of", "remainder_of"),
                    ("speed_requested", "speed_processed"),
                    ("gateway_refund_id", "arn"),
                    ("bank_reference", "processed_at"),
                    ("at_gateway", "next_check"),
                    "why_it_failed",
                )
            },
        ),
    )
    inlines = (RefundLineInline,)
    actions = ("approve", "retry")

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        of_order = search_selectors.search_of_order(Refund.objects.all(), term)
        return any_of(search_selectors.search_refunds(term).values_list("pk"), of_order)

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, refund: Refund) -> tuple[str, str]:
        return refund.status, refund.get_status_display()

    @admin.display(description="Number")
    def unbroken_number(self, refund: Refund) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span>', refund.number)

    @admin.display(description="Amount", ordering="amount")
    def amount_label(self, refund: Refund) -> str:
        return rupees(refund.amount)

    @admin.display(description="Buyer")
    def buyer(self, refund: Refund) -> str:
        page = reverse("admin:accounts_user_change", args=[refund.order.customer_id])
        return link(page, refund.order.customer.name or "The customer's page")

    @admin.display(description="How the buyer gets it")
    def refund_method(self, refund: Refund) -> str:
        return way_back_text(refund)

    @admin.display(description="Bank reference (UTR)")
    def bank_reference(self, refund: Refund) -> str:
        return refund.transfer_reference

    @admin.display(description="Submitted to the gateway")
    def at_gateway(self, refund: Refund) -> str:
        return "" if refund.status in _NOT_SUBMITTED else _SUBMITTED[GatewayCall(refund.gateway_call)]

    @admin.display(description="Next check with the gateway")
    def next_check(self, refund: Refund) -> str:
        return format_instant(refund.next_check_at) if refund.next_check_at else ""

    @admin.display(description="Requested by")
    def requested_by_name(self, refund: Refund) -> str:
        return name_of(refund, refund.requested_by)

    @admin.display(description="Approved by")
    def approved_by_name(self, refund: Refund) -> str:
        return name_of(refund, refund.approved_by)

    @admin.display(description="Transferred by")
    def transferred_by_name(self, refund: Refund) -> str:
        return name_of(refund, refund.transferred_by)

    @admin.display(description="From payment")
    def payment_page(self, refund: Refund) -> str:
        page = reverse("admin:payments_paymentattempt_change", args=[refund.attempt_id])
        return link(page, refund.attempt.gateway_payment_id)

    @admin.display(description="Why it failed")
    def why_it_failed(self, refund: Refund) -> str:
        return failure_text(refund.error)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Test if the member of staff may decide about refunds."""
        return request.user.has_perm(_DECIDE)

    @admin.action(description="Approve", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: "QuerySet[Refund]") -> None:
        """Approve the selected refunds that the user may approve, and say why the others are not."""
        self._each(request, queryset, approvals.approve_refund, "approved")

    @admin.action(description="Retry failed refunds", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[Refund]") -> None:
        """Retry the selected refunds that have failed."""
        self._each(request, queryset, requests.retry_refund, "retried")

    def _each(
        self, request: HttpRequest, queryset: "QuerySet[Refund]", decide: Callable[..., Refund], done: str
    ) -> None:
        for refund in queryset:
            try:
                decide(refund_id=refund.pk, actor=staff_actor(request), now=clock.now())
            except BahiError as error:
                self.message_user(request, f"{refund.number}: {error.text}", messages.ERROR)
            else:
                self.message_user(request, f"Refund {refund.number} is {done}.", messages.SUCCESS)


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is kept in the order's history.",
    )


class TransferForm(forms.Form):
    """The bank's reference of a transfer."""

    reference = forms.CharField(
        max_length=80,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        label="Bank reference of the transfer (UTR)",
        help_text="Leave it empty to hold the amount until the transfer has been made. Once entered, the money counts as refunded.",
    )


def _approve(refund: Refund, *, user: Any, actor: Any, now: Any) -> str:
    approvals.approve_refund(refund_id=refund.pk, actor=actor, now=now)
    return f"Refund {refund.number} is approved; {rupees(refund.amount)} is on its way."


def _reject(refund: Refund, *, user: Any, actor: Any, now: Any, reason: str) -> str:
    was_held = refund.status == RefundStatus.AWAITING_TRANSFER
    approvals.reject_refund(refund_id=refund.pk, actor=actor, reason=reason, now=now)
    if was_held:
        return f"No transfer is made for refund {refund.number}; {rupees(refund.amount)} can be refunded again."
    return f"Refund {refund.number} is rejected. The buyer is notified that no money will be sent."


def _retry(refund: Refund, *, user: Any, actor: Any, now: Any) -> str:
    again = requests.retry_refund(refund_id=refund.pk, actor=actor, now=now)
    waits = again.status == RefundStatus.REQUIRES_APPROVAL
    if waits:
        return f"Refund {again.number} replaces it and waits until another person approves it."
    return f"Refund {again.number} replaces it."


def _transfer(refund: Refund, *, user: Any, actor: Any, now: Any, reference: str) -> str:
    if reference.strip():
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference=reference.strip(), actor=actor, now=now)
        return f"Refund {refund.number} is paid by bank transfer {reference.strip()}."
    bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=actor, now=now)
    return f"{rupees(refund.amount)} is held for a bank transfer. Another person may enter its reference."


def _ask(refund: Refund, *, user: Any, actor: Any, now: Any) -> str:
    submission.request_refund_sync(refund_id=refund.pk, actor=actor, now=now)
    return f"The gateway is being asked for the status of refund {refund.number}. Reload this page in a moment."


def is_retryable(refund: Refund) -> bool:
    """Return whether a refund has failed and has no active retry."""
    return refund.status == RefundStatus.FAILED and refund_selectors.find_retry(refund.pk) is None


def _is_outcome_unknown(refund: Refund) -> bool:
    return refund.status in OPEN_REFUNDS and refund.gateway_call != GatewayCall.PENDING


for _action in (
    ObjectAction(
        name="approve", title="Approve", permission=_DECIDE, perform=_approve, icon="check", forecast=of_approval,
        forecast_for_actor=who_approves,
        is_available=lambda refund: refund.status == RefundStatus.REQUIRES_APPROVAL,
    ),
    ObjectAction(
        name="reject", title="Reject", permission=_DECIDE, perform=_reject, icon="block", form=ReasonForm, is_destructive=True,
        forecast=of_rejection, is_available=lambda refund: refund.status == RefundStatus.REQUIRES_APPROVAL,
    ),
    ObjectAction(
        name="give-up", title="Cancel the transfer", permission=_DECIDE, perform=_reject, icon="block", form=ReasonForm,
        is_destructive=True, forecast=of_rejection, is_available=lambda refund: refund.status == RefundStatus.AWAITING_TRANSFER,
    ),
    ObjectAction(
        name="retry", title="Retry", permission=_DECIDE, perform=_retry, icon="replay", forecast=of_retry,
        forecast_for_actor=who_retries,
        is_available=is_retryable,
    ),
    ObjectAction(
        name="transfer", title="Pay by bank transfer", permission=_DECIDE, perform=_transfer, icon="account_balance",
        form=TransferForm, forecast=of_transfer, forecast_for_actor=who_transfers,
        is_available=lambda refund: refund.status == RefundStatus.AWAITING_TRANSFER or is_retryable(refund),
    ),
    ObjectAction(
        name="ask", title="Check with the gateway", permission="payments.view_refund", perform=_ask, icon="sync",
        forecast=describe, is_available=_is_outcome_unknown,
    ),
):  # fmt: skip
    add_object_action("payments.refund", _action)


def _rows_of_order(order: Any) -> list[tuple[Any, ...]]:
    return [
        (
            link(reverse("admin:payments_refund_change", args=[refund.pk]), refund.number),
            refund.get_status_display(),
            rupees(refund.amount),
            refund.get_reason_display(),
            failure_text(refund.error) if refund.status in _UNSUCCESSFUL else "",
            refund.gateway_refund_id or refund.transfer_reference,
            format_instant(refund.processed_at) if refund.processed_at else "",
        )
        for refund in refund_selectors.list_refunds_of_order(order.pk)
    ]


add_panel(
    "orders.order",
    Panel(
        title="Refunds",
        columns=("Refund", "Status", "Amount", "Why", "Failure", "Reference", "Refunded"),
        rows=_rows_of_order,
        permission="payments.view_refund",
        position=20,
    ),
)
