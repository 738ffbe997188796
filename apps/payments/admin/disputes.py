"""Admin page of disputes, with their deadlines and the actions to respond, each of which calls a service."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Case, F, QuerySet, When
from django.http import HttpRequest
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline, link, tones
from apps.core.dates import format_instant
from apps.core.external_calls import GatewayCall
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.payments.models import Dispute, DisputeEvidence
from apps.payments.selectors import disputes as dispute_selectors
from apps.payments.selectors import search as search_selectors
from apps.payments.services.disputes import evidence, responses
from apps.payments.states import DisputeStatus, EvidenceKind

_DECIDE = "payments.change_dispute"
_TONES = tones(
    DisputeStatus,
    success=(DisputeStatus.WON, DisputeStatus.CLOSED),
    info=(DisputeStatus.UNDER_REVIEW,),
    warning=(DisputeStatus.OPEN,),
    danger=(DisputeStatus.LOST,),
)
_DEADLINES = {"past": "danger", "near": "danger", "soon": "warning", "far": "info", "none": "", "done": ""}

#: The time that is left is shown in hours below this, and in days above.
_SHOWN_IN_HOURS = timedelta(hours=72)


class DisputeEvidenceInline(ReadOnlyTabularInline):
    """The evidence that staff added for the bank."""

    model = DisputeEvidence
    fields = ("kind", "text", "carrier", "tracking_number", "created_at")
    readonly_fields = fields
    ordering = ("created_at", "id")


class AwaitingResponse(admin.SimpleListFilter):
    """A filter for disputes that await a response."""

    title = "to do"
    parameter_name = "todo"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("response", "Needs a response"), ("past", "Past its deadline")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Dispute]") -> "QuerySet[Dispute]":
        if self.value() == "response":
            return queryset.filter(status=DisputeStatus.OPEN, response="")
        if self.value() == "past":
            return queryset.filter(status=DisputeStatus.OPEN, respond_by__lte=clock.now())
        return queryset


@admin.register(Dispute)
class DisputeAdmin(KeySearch, ReadOnlyAdmin):
    """Disputes; those that await a response come first, by deadline."""

    list_display = (
        "gateway_dispute_id",
        "order",
        "status_label",
        "deadline",
        "respond_by",
        "disputed_amount",
        "deducted_amount",
        "response",
    )
    list_filter = (AwaitingResponse, "status", "phase", "response", "created_at")
    list_select_related = ("order",)
    search_fields = ("gateway_dispute_id__exact",)
    search_help_text = "A gateway's dispute or payment id, or an order number."
    inlines = (DisputeEvidenceInline,)
    readonly_fields = ("time_left", "deducted_amount", "banks_reason", "gateways_words")
    fieldsets = (
        (None, {"fields": (("gateway_dispute_id", "order"), ("status", "phase"), ("time_left", "respond_by"))}),
        ("Amounts", {"fields": (("amount", "deducted_amount"), "banks_reason", "attempt")}),
        (
            "Our response",
            {"fields": (("response", "gateway_call"), ("responded_by", "responded_at"), "summary", "gateways_words")},
        ),
        ("Outcome", {"fields": (("opened_at", "decided_at"), ("next_check_at", "last_reminder_hours"))}),
    )

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        attempts = search_selectors.search_attempts(term).order_by().values("pk")
        return any_of(
            search_selectors.search_disputes(term).values_list("pk"),
            search_selectors.search_of_order(Dispute.objects.all(), term),
            Dispute.objects.filter(attempt_id__in=attempts).values_list("pk"),
        )

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        must_answer = Case(When(status=DisputeStatus.OPEN, response="", then=0), default=1)
        return [must_answer, F("respond_by").asc(nulls_last=True), "-created_at", "-id"]

    @display(description="Status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, dispute: Dispute) -> tuple[str, str]:
        return dispute.status, dispute.get_status_display()

    @display(description="Deadline", label=_DEADLINES)  # type: ignore[untyped-decorator]
    def deadline(self, dispute: Dispute) -> tuple[str, str]:
        return _deadline(dispute, now=clock.now())

    @admin.display(description="Deadline")
    def time_left(self, dispute: Dispute) -> str:
        return _deadline(dispute, now=clock.now())[1]

    @admin.display(description="The bank's reason")
    def banks_reason(self, dispute: Dispute) -> str:
        return _reason(dispute)

    @admin.display(description="Amount", ordering="amount")
    def disputed_amount(self, dispute: Dispute) -> str:
        return rupees(dispute.amount)

    @admin.display(description="Deducted", ordering="amount_deducted")
    def deducted_amount(self, dispute: Dispute) -> str:
        return rupees(dispute.amount_deducted)

    @admin.display(description="Reported by the gateway")
    def gateways_words(self, dispute: Dispute) -> str:
        return _words(dispute) or "-"


def _reason(dispute: Dispute) -> str:
    return dispute.reason_code.replace("_", " ") or "none given"


def _words(dispute: Dispute) -> str:
    return str(dispute.error.get("description") or dispute.error.get("reason") or dispute.error.get("code") or "")


def _deadline(dispute: Dispute, *, now: datetime) -> tuple[str, str]:
    """Return how urgent an answer is, and in words how much time is left; DISPUTE_REMINDER_HOURS say what is near."""
    if dispute.status != DisputeStatus.OPEN:
        return "done", "No response needed"
    if dispute.response:
        return "far", "Response being sent"
    if dispute.respond_by is None:
        return "none", "No deadline"
    left = dispute.respond_by - now
    if left <= timedelta():
        return "past", "Past"
    hours = int(left / timedelta(hours=1))
    words = f"{hours} hours left" if left < _SHOWN_IN_HOURS else f"{left.days} days left"
    alarms = sorted(settings.DISPUTE_REMINDER_HOURS)
    if alarms and hours < alarms[0]:
        return "near", words
    return ("soon" if alarms and hours < alarms[-1] else "far"), words


class ContestForm(forms.Form):
    """Our statement to the bank."""

    summary = forms.CharField(
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        label="Our statement to the bank",
        help_text="At most 1,000 characters. The evidence of the sale is sent with it.",
    )


class EvidenceForm(forms.Form):
    """What staff know of the sale."""

    kind = forms.ChoiceField(choices=EvidenceKind.choices, widget=UnfoldAdminSelectWidget())
    text = forms.CharField(
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="The bank receives this text unchanged.",
    )
    carrier = forms.CharField(
        max_length=60, required=False, widget=UnfoldAdminTextInputWidget(), help_text="For evidence of shipping."
    )
    tracking_number = forms.CharField(
        max_length=60, required=False, widget=UnfoldAdminTextInputWidget(), help_text="For evidence of shipping."
    )


def _awaits_response(dispute: Dispute) -> bool:
    is_over = dispute.respond_by is not None and dispute.respond_by <= clock.now()
    return dispute.status == DisputeStatus.OPEN and not dispute.response and not is_over


def _accept(dispute: Dispute, *, user: Any, actor: Any, now: datetime) -> str:
    responses.accept_dispute(dispute_id=dispute.pk, actor=actor, now=now)
    return f"Dispute {dispute.gateway_dispute_id} is accepted; the gateway is being notified."


def _contest(dispute: Dispute, *, user: Any, actor: Any, now: datetime, summary: str) -> str:
    responses.contest_dispute(dispute_id=dispute.pk, summary=summary, actor=actor, now=now)
    return f"Dispute {dispute.gateway_dispute_id} is contested; the evidence is being sent."


def _add_evidence(
    dispute: Dispute, *, user: Any, actor: Any, now: datetime, kind: str, text: str, carrier: str, tracking_number: str
) -> str:
    evidence.add_dispute_evidence(
        dispute_id=dispute.pk,
        kind=kind,
        text=text,
        carrier=carrier.strip(),
        tracking_number=tracking_number.strip(),
        actor=actor,
        now=now,
    )
    return "The statement is saved. It is sent to the bank if the dispute is contested."


def _facts(dispute: Dispute) -> list[tuple[str, Any]]:
    by = dispute.respond_by
    facts = [
        ("Order", dispute.order.number),
        ("Disputed amount", rupees(dispute.amount)),
        ("The bank's reason", _reason(dispute)),
        ("Respond by", format_instant(by) if by else "no deadline"),
    ]
    if dispute.gateway_call == GatewayCall.REJECTED:
        facts.append(("The gateway rejected", _words(dispute)))
    return facts


def _accepting_forecast(dispute: Dispute) -> list[tuple[str, Any]]:
    loss = f"{rupees(dispute.amount)} is lost and posted as a loss. The payer keeps it. This cannot be undone."
    return [*_facts(dispute), ("Then", loss)]


def _contesting_forecast(dispute: Dispute) -> list[tuple[str, Any]]:
    statements = len(dispute_selectors.list_evidence(dispute.pk))
    proof = (
        "One PDF: payment, buyer and log-ins, delivery address, messages, what happened,"
        f" and {statements} statement{'' if statements == 1 else 's'} of staff. With it the invoice and the credit notes."
    )
    return [
        *_facts(dispute),
        ("Sent to the bank", proof),
        ("Then", "The bank decides. A dispute can be contested once."),
    ]


add_object_action(
    "payments.dispute",
    ObjectAction(
        name="contest",
        title="Contest",
        permission=_DECIDE,
        perform=_contest,
        icon="gavel",
        form=ContestForm,
        is_available=_awaits_response,
        forecast=_contesting_forecast,
    ),
)
add_object_action(
    "payments.dispute",
    ObjectAction(
        name="add-evidence",
        title="Add evidence",
        permission=_DECIDE,
        perform=_add_evidence,
        icon="attach_file",
        form=EvidenceForm,
        is_available=_awaits_response,
        forecast=_facts,
    ),
)
add_object_action(
    "payments.dispute",
    ObjectAction(
        name="accept",
        title="Accept: the payer keeps the money",
        permission=_DECIDE,
        perform=_accept,
        icon="undo",
        is_available=_awaits_response,
        forecast=_accepting_forecast,
        is_destructive=True,
    ),
)


def _dispute_rows(order: Any) -> list[tuple[Any, ...]]:
    now = clock.now()
    return [
        (
            link(reverse("admin:payments_dispute_change", args=[dispute.pk]), dispute.gateway_dispute_id),
            dispute.get_status_display(),
            rupees(dispute.amount),
            format_instant(dispute.respond_by) if dispute.respond_by else "",
            _deadline(dispute, now=now)[1],
        )
        for dispute in dispute_selectors.list_disputes(order_id=order.pk)
    ]


add_panel(
    "orders.order",
    Panel(
        title="Disputes",
        columns=("Dispute", "Status", "Amount", "Respond by", "Left"),
        rows=_dispute_rows,
        permission="payments.view_dispute",
        position=15,
    ),
)
