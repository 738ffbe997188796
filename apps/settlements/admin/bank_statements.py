"""Admin pages of bank statements: read-only, except lines in suspense, which are assigned to a settlement."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, Preview, add_object_action
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import link
from apps.core.dates import format_day
from apps.core.money import rupees
from apps.core.search import SearchTerm
from apps.settlements import selectors
from apps.settlements.admin.settlements import ImportAdmin, WithoutInternals
from apps.settlements.models import (
    BankLine,
    BankStatementImport,
)
from apps.settlements.services import bank_lines
from apps.settlements.services.transfers import expected_amount
from apps.settlements.states import BankLineKind

#: The page of an import shows at most this many of its lines.
_MAX_SHOWN = 20
#: How many imports of statements the list of lines offers to choose from.
_MAX_CHOICES = 10


@admin.register(BankStatementImport)
class BankStatementImportAdmin(ImportAdmin):
    """Imports of bank statements, and their results."""

    introduction = (
        "A statement is imported with the command import_bank_statement FILE --account NUMBER: CSV of HDFC, ICICI, SBI or Axis, of any"
        " other bank with a mapping file, MT940 or camt.053. With --dry-run it is only checked."
    )
    introduction_links = (("admin:settlements_bankline_changelist", "Bank lines"),)
    readonly_fields = (*ImportAdmin.readonly_fields, "lines_of_statement")
    list_display = (
        "created_at",
        "layout",
        "account",
        "file_name",
        "status",
        "first_on",
        "last_on",
        "lines_added",
        "exceptions_opened",
        "why_it_failed",
    )
    list_filter = ("status", "created_at")
    ordering = ("-created_at", "-id")

    @admin.display(description="Lines")
    def lines_of_statement(self, report: BankStatementImport) -> SafeString:
        return link(
            f"{reverse('admin:settlements_bankline_changelist')}?statement={report.pk}", "All lines that it added"
        )


def _lines_in_suspense(report: BankStatementImport) -> list[tuple[Any, ...]]:
    lines = selectors.list_bank_lines_in_suspense(report.pk)[: _MAX_SHOWN + 1]
    rows: list[tuple[Any, ...]] = [
        (
            link(reverse("admin:settlements_bankline_change", args=[line.pk]), format_day(line.booked_on)),
            rupees(line.amount),
            line.reference,
            link(reverse("admin:ledger_reconciliationexception_change", args=[line.exception_id]), "Exception"),
        )
        for line in lines[:_MAX_SHOWN]
    ]
    if len(lines) > _MAX_SHOWN:
        more = f"{reverse('admin:settlements_bankline_changelist')}?statement={report.pk}&kind__exact=suspense"
        rows.append((link(more, "All of them"), "", "", ""))
    return rows


add_panel(
    "settlements.bankstatementimport",
    Panel(
        title="Lines with an exception",
        columns=("Day", "Amount", "Reference", "Exception"),
        rows=_lines_in_suspense,
        permission="settlements.view_bankline",
    ),
)


class StatementFilter(admin.SimpleListFilter):
    """The lines that one import added; the latest imports can be chosen, and the page of each leads here."""

    title = "statement"
    parameter_name = "statement"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        latest = BankStatementImport.objects.order_by("-created_at", "-id")[:_MAX_CHOICES]
        return [(str(one.pk), f"{format_day(clock.ist_date(one.created_at))} {one}") for one in latest]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[BankLine]") -> "QuerySet[BankLine]":
        chosen = self.value()
        return queryset.filter(report__id=chosen) if chosen else queryset


@admin.register(BankLine)
class BankLineAdmin(KeySearch, WithoutInternals):
    """The lines of bank statements, as the bank wrote them and as they are booked."""

    list_display = ("booked_on", "moved", "reference", "kind", "settlement", "account")
    list_filter = ("kind", "booked_on", StatementFilter)
    list_select_related = ("settlement",)
    ordering = ("-booked_on", "-id")
    search_fields = ("reference__exact",)
    search_help_text = "The UTR of a settlement, or a gateway's settlement id."

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        settlements = selectors.search_settlements(term).order_by().values("pk")
        return BankLine.objects.filter(settlement_id__in=settlements).values("pk")

    @admin.display(description="Amount")
    def moved(self, line: BankLine) -> str:
        return rupees(line.amount)


class AssignForm(forms.Form):
    """The settlement that the line brought, and why it brought another amount if it did."""

    gateway_settlement_id = forms.CharField(
        max_length=40,
        help_text="The gateway's id of a settlement in transit, such as setl_NQxlPq2WmR8sTz.",
    )
    note = forms.CharField(
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Needed if the settlement has another amount: why this line is its transfer.",
    )
    seen_difference = forms.IntegerField(required=False, widget=forms.HiddenInput)


def _assign(
    line: BankLine,
    *,
    user: Any,
    actor: Any,
    now: Any,
    gateway_settlement_id: str,
    note: str,
    seen_difference: int | None,
) -> str:
    settlement = selectors.get_settlement_by_gateway_id(gateway_settlement_id.strip())
    bank_lines.assign_bank_line(
        line_id=line.pk,
        settlement_id=settlement.pk,
        accepted_difference=seen_difference or 0,
        note=note,
        actor=actor,
        now=now,
    )
    return f"The line is assigned to {settlement.gateway_settlement_id}."


def _preview_assignment(
    line: BankLine, actor: Any, *, gateway_settlement_id: str, note: str, seen_difference: int | None
) -> Preview:
    settlement = selectors.get_settlement_by_gateway_id(gateway_settlement_id.strip())
    expected = expected_amount(settlement)
    difference = line.amount - expected
    rows = [
        ("Line", f"{rupees(line.amount)} of {format_day(line.booked_on)}"),
        ("Settlement", f"{settlement.gateway_settlement_id}, {rupees(expected)}"),
    ]
    if not difference:
        return Preview(rows, "Assign to the settlement", {"seen_difference": 0})
    side = "more" if difference > 0 else "less"
    remains = "It stays in suspense, as an exception of the settlement that has to be resolved."
    rows.append(("Difference", f"The bank received {rupees(abs(difference))} {side}. {remains}"))
    return Preview(rows, "Accept the difference and assign", {"seen_difference": difference})


def _forecast_assignment(line: BankLine) -> list[tuple[str, Any]]:
    candidates = [one.gateway_settlement_id for one in selectors.list_settlements_in_transit(line.amount)[:5]]
    return [
        ("Day", format_day(line.booked_on)),
        ("Amount", f"{rupees(line.amount)}, which leaves suspense for what is in transit"),
        ("Settlements of this amount in transit", ", ".join(candidates) or "none"),
    ]


add_object_action(
    "settlements.bankline",
    ObjectAction(
        name="assign", title="Assign to a settlement", permission=bank_lines.ASSIGN_PERMISSION, perform=_assign,
        icon="link", form=AssignForm, forecast=_forecast_assignment, preview=_preview_assignment,
        is_available=lambda line: line.kind == BankLineKind.SUSPENSE,
    ),
)  # fmt: skip
