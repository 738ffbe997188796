"""Admin pages of settlements, their lines and the imports of their reports: read-only."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_lists import KeySearch
from apps.core.admin_site import INTRODUCTION, ReadOnlyAdmin
from apps.core.money import rupees
from apps.core.search import SearchTerm, any_of
from apps.settlements import selectors
from apps.settlements.messages import why_import_failed
from apps.settlements.models import (
    BankStatementImport,
    Settlement,
    SettlementImport,
    SettlementLine,
)
from apps.settlements.states import ImportStatus


class WithoutInternals(ReadOnlyAdmin):
    """A page of a record without what only the software works with."""

    exclude: Sequence[str] = ("claimed_until", "version", "metadata", "fingerprint")


class ImportAdmin(WithoutInternals):
    """Imports of files, with why one failed."""

    exclude = (*WithoutInternals.exclude, "error")
    readonly_fields: Sequence[str] = ("why_it_failed",)
    list_before_template = INTRODUCTION

    @admin.display(description="Why it failed")
    def why_it_failed(self, report: SettlementImport | BankStatementImport) -> str:
        return why_import_failed(report.error) if report.status == ImportStatus.FAILED else ""


@admin.register(SettlementImport)
class SettlementImportAdmin(ImportAdmin):
    """Imports of settlement reports, and their results."""

    introduction = "Reports are read from the gateway by themselves; the command import_settlements --csv FILE imports a downloaded one."

    list_display = (
        "created_at",
        "source",
        "day",
        "file_name",
        "status",
        "rows_read",
        "lines_added",
        "exceptions_opened",
        "why_it_failed",
    )
    list_filter = ("status", "source", "created_at")
    ordering = ("-created_at", "-id")


@admin.register(Settlement)
class SettlementAdmin(KeySearch, WithoutInternals):
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
class SettlementLineAdmin(KeySearch, WithoutInternals):
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
