"""Admin pages of settlements, bank statements and the fee audit: read-only, except the rate card and lines in suspense."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, Preview, add_object_action, staff_actor
from apps.core.admin_fields import PercentField
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import without_empty_columns
from apps.core.admin_site import INTRODUCTION, ReadOnlyAdmin, ServiceAdmin, link
from apps.core.dates import format_day
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.settlements import selectors
from apps.settlements.facts import FeeTerms
from apps.settlements.models import (
    BankLine,
    BankStatementImport,
    FeeCheck,
    FeeRate,
    Settlement,
    SettlementImport,
    SettlementLine,
)
from apps.settlements.services import bank_lines, fee_rates
from apps.settlements.services.transfers import expected_amount
from apps.settlements.states import FUNDINGS, NETWORKS, BankLineKind


@admin.register(SettlementImport)
class SettlementImportAdmin(ReadOnlyAdmin):
    """Imports of settlement reports, and their results."""

    list_display = (
        "created_at",
        "source",
        "day",
        "file_name",
        "status",
        "rows_read",
        "lines_added",
        "exceptions_opened",
    )
    list_filter = ("status", "source", "created_at")
    ordering = ("-created_at", "-id")


@admin.register(Settlement)
class SettlementAdmin(KeySearch, ReadOnlyAdmin):
    """The gateway's transfers to our bank."""

    list_display = ("gateway_settlement_id", "utr", "transferred", "of_lines", "transfer_status", "settled_at")
    list_filter = ("transfer_status", "settled_at")
    ordering = ("-settled_at", "-id")
    search_fields = ("gateway_settlement_id__exact",)
    search_help_text = "A gateway's settlement id, or the bank's reference (UTR)."

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        return selectors.search_settlements(term).values("pk")

    @admin.display(description="Transferred")
    def transferred(self, settlement: Settlement) -> str:
        return rupees(settlement.amount) if settlement.amount is not None else "not reported yet"

    @admin.display(description="Sum of lines")
    def of_lines(self, settlement: Settlement) -> str:
        return rupees(settlement.lines_amount)


@admin.register(SettlementLine)
class SettlementLineAdmin(KeySearch, ReadOnlyAdmin):
    """The lines of settlements, as reported and as booked."""

    list_display = ("entity_id", "kind", "settlement", "reported", "problem", "created_at")
    list_filter = ("kind", "problem")
    list_select_related = ("settlement",)
    ordering = ("-id",)
    search_fields = ("entity_id__exact",)
    search_help_text = "A gateway's id of a payment, refund or settlement."

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        settlements = selectors.search_settlements(term).order_by().values("pk")
        return any_of(
            SettlementLine.objects.filter(entity_id=term.reference).exclude(entity_id="").values_list("pk"),
            SettlementLine.objects.filter(settlement_id__in=settlements).values_list("pk"),
        )

    @admin.display(description="Amount")
    def reported(self, line: SettlementLine) -> str:
        return rupees(line.amount)


def _is_true(text: str) -> bool:
    return text == "True"


@admin.register(FeeRate)
class FeeRateAdmin(ServiceAdmin):
    """The rate card. A new row of the same conditions, amounts and first day corrects an older one; a wrong row is withdrawn."""

    list_display = (
        "method", "network", "funding", "is_international", "charge", "valid_from", "valid_to", "contract", "is_withdrawn",
    )  # fmt: skip
    list_filter = ("method", "is_withdrawn")
    ordering = ("method", "-valid_from", "-id")
    fields = (
        "method", "network", "funding", "is_international", "amount_from", "amount_to", "rate_basis_points", "fixed_amount",
        "min_amount", "max_amount", "gst_basis_points", "valid_from", "valid_to", "contract",
    )  # fmt: skip

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "rate_basis_points":
            return PercentField(label="Fee", initial=0, help_text="In percent of the amount, without GST.")
        if db_field.name == "gst_basis_points":
            return PercentField(
                label="GST",
                initial=1_800,
                help_text="In percent of the fee. Enter 0 for card payments up to ₹2,000.00.",
            )
        if db_field.name == "is_international":
            choices = [("", "Any"), ("False", "Domestic"), ("True", "International")]
            return forms.TypedChoiceField(
                label="Country", choices=choices, coerce=_is_true, empty_value=None, required=False,
                widget=UnfoldAdminSelectWidget(),
            )  # fmt: skip
        words = {"network": NETWORKS, "funding": FUNDINGS}.get(db_field.name)
        if words is not None:
            choices = [("", "Any"), *((word, word) for word in words)]
            return forms.ChoiceField(choices=choices, required=False, widget=UnfoldAdminSelectWidget())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields; a row that is there shows its parts in percent, as they are entered."""
        shown = {"rate_basis_points": "fee_percent", "gst_basis_points": "gst_percent"}
        fields = super().get_fields(request, obj)
        return fields if obj is None else tuple(shown.get(str(name), name) for name in fields)

    @admin.display(description="Fee")
    def fee_percent(self, rate: FeeRate) -> str:
        return f"{rate.rate_basis_points / 100:g} %"

    @admin.display(description="GST")
    def gst_percent(self, rate: FeeRate) -> str:
        return f"{rate.gst_basis_points / 100:g} %"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> FeeRate:
        terms = FeeTerms(**{**values, "fixed_amount": values["fixed_amount"] or 0})
        return fee_rates.add_fee_rate(terms=terms, actor=staff_actor(request), now=clock.now())

    @admin.display(description="Fee")
    def charge(self, rate: FeeRate) -> str:
        return fee_rates.describe_charge(rate)


def _withdraw(rate: FeeRate, *, user: Any, actor: Any, now: Any) -> str:
    fee_rates.withdraw_fee_rate(rate_id=rate.pk, actor=actor, now=now)
    return "The rate is withdrawn. Run the command audit_fees to judge the settled fees again."


def _is_in_force(rate: FeeRate) -> bool:
    return any(row.pk == rate.pk for row in selectors.list_fee_rates(gateway=rate.gateway))


def _forecast_withdrawal(rate: FeeRate) -> list[tuple[str, str]]:
    return [
        ("Rate", f"{rate}: {fee_rates.describe_charge(rate)}"),
        (
            "What happens",
            "The rate is treated as if it had never been there. The next run of audit_fees judges by the other rates.",
        ),
    ]


add_object_action(
    "settlements.feerate",
    ObjectAction(
        name="withdraw", title="Withdraw", permission="settlements.add_feerate", perform=_withdraw, icon="block",
        is_available=_is_in_force, forecast=_forecast_withdrawal, is_destructive=True,
    ),
)  # fmt: skip


def _sum_of_lines(amount: int, count: int) -> str:
    return f"{rupees(amount)} ({count:,})" if count else ""


@admin.register(FeeCheck)
class FeeCheckAdmin(ReadOnlyAdmin):
    """What the fee audit found, line by line; the latest revision of a line counts."""

    list_display = ("month", "method", "of_line", "charged", "expected", "outcome", "revision")
    list_filter = ("outcome", "method")
    ordering = ("-id",)
    list_select_related = ("line",)
    list_before_template = INTRODUCTION
    introduction = (
        "The fee of each settled line against the rate card. The command audit_fees judges all of them again."
    )
    introduction_links = (("admin:fees_by_month", "Fees by month and method"),)

    def get_urls(self) -> list[URLPattern]:
        page = path("by-month/", self.admin_site.admin_view(self.by_month), name="fees_by_month")
        return [page, *super().get_urls()]

    def by_month(self, request: HttpRequest) -> HttpResponse:
        """Show what the fee audit found by month and method."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = selectors.list_fees_by_month()
        claims = (
            f"{reverse('admin:ledger_reconciliationexception_changelist')}?state=open&reason__exact=fee_overcharged"
        )
        columns = (
            "Month", "Method", "Lines", "Charged", "Overcharged", "Still claimed", "Undercharged", "No rate", "GST differs",
        )  # fmt: skip
        rows = [
            (
                f"{one.month:%b %Y}", one.method or "-", f"{one.lines:,}", rupees(one.charged_amount),
                _sum_of_lines(one.overcharged_amount, one.overcharged),
                link(claims, rupees(one.open_amount)) if one.open_amount else "",
                _sum_of_lines(one.undercharged_amount, one.undercharged),
                f"{one.no_rate:,}" if one.no_rate else "", f"{one.tax_differs:,}" if one.tax_differs else "",
            )
            for one in found
        ]  # fmt: skip
        section = {
            "title": "Fees by month and method",
            **without_empty_columns(columns, rows),
            "empty": "No fee has been judged yet. Enter the contracted rates, then run the command audit_fees.",
        }
        context = {**self.admin_site.each_context(request), "title": "Fee audit", "sections": [section]}
        return TemplateResponse(request, "admin/money_report.html", context)

    @admin.display(description="Line")
    def of_line(self, check: FeeCheck) -> SafeString:
        return link(reverse("admin:settlements_settlementline_change", args=[check.line_id]), check.line.entity_id)

    @admin.display(description="Charged")
    def charged(self, check: FeeCheck) -> str:
        return rupees(check.charged_fee)

    @admin.display(description="By the rate card")
    def expected(self, check: FeeCheck) -> str:
        return "-" if check.expected_fee is None else rupees(check.expected_fee)


@admin.register(BankStatementImport)
class BankStatementImportAdmin(ReadOnlyAdmin):
    """Imports of bank statements, and their results."""

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
    )
    list_filter = ("status", "created_at")
    ordering = ("-created_at", "-id")


@admin.register(BankLine)
class BankLineAdmin(KeySearch, ReadOnlyAdmin):
    """The lines of bank statements, as the bank wrote them and as they are booked."""

    list_display = ("booked_on", "moved", "reference", "kind", "settlement", "account")
    list_filter = ("kind", "booked_on")
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
