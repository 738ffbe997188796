"""The pages of the ledger, with what only apps above it know: the order of a posting, and what an exception is about."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from apps.core.admin_site import link
from apps.core.search import SearchTerm, any_of
from apps.ledger import selectors as ledger
from apps.ledger.admin.exceptions import ReconciliationExceptionAdmin
from apps.ledger.admin.transactions import LedgerTransactionAdmin
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments import selectors as payments
from apps.settlements import selectors as settlements

admin.site.unregister(LedgerTransaction)
admin.site.unregister(ReconciliationException)


@admin.register(LedgerTransaction)
class OrderLedgerTransactionAdmin(LedgerTransactionAdmin):
    """The ledger, searched by order too."""

    list_display = ("occurred_at", "kind", "description", "turnover", "of_order", "public_id")
    search_help_text = "An order number or its last digits, or a posting's id."
    readonly_fields = ("public_id", "of_order")
    fields = (("description", "kind"), ("occurred_at", "of_order"), ("source_type", "source_id"), ("public_id",))

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        if term.pk_of(LedgerTransaction) is not None:
            return super().find_keys(term, request)
        return payments.search_of_order(LedgerTransaction.objects.all(), term)

    @admin.display(description="Order")
    def of_order(self, posting: LedgerTransaction) -> str:
        return link(reverse("admin:orders_order_change", args=[posting.order_id]), "Open") if posting.order_id else ""


@admin.register(ReconciliationException)
class LinkedExceptionAdmin(ReconciliationExceptionAdmin):
    """Exceptions, with links to what they are about, and searched by settlement too."""

    readonly_fields = (
        *ReconciliationExceptionAdmin.readonly_fields,
        "settlement",
        "line",
        "attempt",
        "refund",
        "dispute",
        "webhook",
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("entity_id", "gateway"),
                    "reason",
                    "description",
                    ("settlement", "line"),
                    ("attempt", "refund"),
                    ("dispute", "webhook"),
                )
            },
        ),
        *ReconciliationExceptionAdmin.fieldsets[1:],
    )

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        named = settlements.search_settlements(term).order_by().values("pk")
        return any_of(
            ledger.search_exceptions(term).order_by().values_list("pk"),
            ReconciliationException.objects.filter(settlement_id__in=named).values_list("pk"),
        )

    @admin.display(description="Settlement")
    def settlement(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("settlements_settlement", exception.settlement_id)

    @admin.display(description="Line")
    def line(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("settlements_settlementline", exception.line_id)

    @admin.display(description="Attempt")
    def attempt(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("payments_paymentattempt", exception.attempt_id)

    @admin.display(description="Refund")
    def refund(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("payments_refund", exception.refund_id)

    @admin.display(description="Dispute")
    def dispute(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("payments_dispute", exception.dispute_id)

    @admin.display(description="Webhook")
    def webhook(self, exception: ReconciliationException) -> SafeString | str:
        return _page_of("payments_webhook", exception.webhook_id)


def _page_of(page: str, row_id: Any) -> SafeString | str:
    return link(reverse(f"admin:{page}_change", args=[row_id]), "Open") if row_id else "-"
