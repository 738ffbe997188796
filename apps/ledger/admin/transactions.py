"""Admin pages of the ledger. All are read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest

from apps.core.admin_lists import KeySearch
from apps.core.admin_site import ReadOnlyAdmin, ReadOnlyTabularInline
from apps.core.money import rupees
from apps.core.search import SearchTerm
from apps.ledger.models import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction
from apps.ledger.selectors import transactions as selectors


class LedgerEntryInline(ReadOnlyTabularInline):
    """The entries of a ledger transaction."""

    model = LedgerEntry
    fields = ("account", "debit", "credit", "currency")
    readonly_fields = fields
    ordering = ("id",)

    @admin.display(description="Debit")
    def debit(self, entry: LedgerEntry) -> str:
        return rupees(entry.amount) if entry.amount > 0 else ""

    @admin.display(description="Credit")
    def credit(self, entry: LedgerEntry) -> str:
        return rupees(-entry.amount) if entry.amount < 0 else ""


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(KeySearch, ReadOnlyAdmin):
    """The ledger: every transaction with its entries."""

    list_display: Any = ("occurred_at", "kind", "description", "turnover", "public_id")
    list_filter = ("kind", "occurred_at")
    ordering = ("-id",)
    search_fields = ("id__exact",)
    search_help_text = "A posting's id."
    readonly_fields: Any = ("public_id",)
    fields: Any = (
        ("description", "kind"),
        "occurred_at",
        ("source_type", "source_id"),
        ("public_id",),
    )
    inlines = (LedgerEntryInline,)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        pk = term.pk_of(LedgerTransaction)
        if pk is not None:
            return LedgerTransaction.objects.filter(pk=pk).values("pk")
        return LedgerTransaction.objects.none().values("pk")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[LedgerTransaction]":
        # Read for the rows of one page only; a join with a sum would total the whole ledger first.
        debits = LedgerEntry.objects.filter(transaction=OuterRef("pk"), amount__gt=0).order_by()
        debited = debits.values("transaction").annotate(sum=Sum("amount")).values("sum")
        postings: QuerySet[LedgerTransaction] = super().get_queryset(request)
        return postings.annotate(debited=Subquery(debited))

    @admin.display(description="Amount")
    def turnover(self, posting: Any) -> str:
        return rupees(int(posting.debited or 0))


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    """The chart of accounts, with the balance of each."""

    list_display = ("code", "name", "kind", "held")
    list_filter = ("kind",)
    ordering = ("code",)
    search_fields = ("code", "name")

    @admin.display(description="Balance (debit positive)")
    def held(self, account: Account) -> str:
        return rupees(selectors.balance_of(account.pk))


@admin.register(BalanceCheckpoint)
class BalanceCheckpointAdmin(ReadOnlyAdmin):
    """Checkpoints of balances."""

    list_display = ("account", "currency", "held", "last_entry_id", "taken_at")
    list_filter = ("account", "taken_at")
    list_select_related = ("account",)
    ordering = ("-id",)

    @admin.display(description="Balance")
    def held(self, checkpoint: BalanceCheckpoint) -> str:
        return rupees(checkpoint.balance)
