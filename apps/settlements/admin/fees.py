"""Admin pages of the rate card and of what the fee audit found."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action, staff_actor
from apps.core.admin_fields import PercentField
from apps.core.admin_panels import without_empty_columns
from apps.core.admin_site import INTRODUCTION, ReadOnlyAdmin, ServiceAdmin, link
from apps.core.dates import format_day
from apps.core.money import rupees
from apps.settlements import selectors
from apps.settlements.facts import FeeTerms
from apps.settlements.models import (
    FeeCheck,
    FeeRate,
)
from apps.settlements.services import fee_rates
from apps.settlements.states import FUNDINGS, NETWORKS


def _is_true(text: str) -> bool:
    return text == "True"


@admin.register(FeeRate)
class FeeRateAdmin(ServiceAdmin):
    """The rate card. A new row of the same conditions, amounts and first day corrects an older one; a wrong row is withdrawn."""

    list_display = (
        "method", "network", "funding", "is_international", "band", "charge", "in_force", "valid_from", "valid_to", "contract",
    )  # fmt: skip
    list_before_template = INTRODUCTION
    introduction = (
        "The contracted fees. A CSV file of them is imported with the command rate_card import FILE; afterwards audit_fees judges the"
        " settled fees."
    )
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

    def get_queryset(self, request: HttpRequest) -> "QuerySet[FeeRate]":
        is_current = Q(pk__in=selectors.list_fee_rate_ids_in_force())
        rows: QuerySet[FeeRate] = super().get_queryset(request)
        return rows.annotate(is_current=Case(When(is_current, then=True), default=False))

    @admin.display(description="Amounts")
    def band(self, rate: FeeRate) -> str:
        return fee_rates.describe_band(rate) or "every amount"

    @admin.display(description="In force")
    def in_force(self, rate: Any) -> str:
        today = clock.ist_date(clock.now())
        if not rate.is_current:
            return "no, withdrawn" if rate.is_withdrawn else "no, replaced by a later row"
        if rate.valid_from > today:
            return f"from {format_day(rate.valid_from)}"
        return "yes" if rate.valid_to is None or rate.valid_to >= today else f"no, ended on {format_day(rate.valid_to)}"

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
