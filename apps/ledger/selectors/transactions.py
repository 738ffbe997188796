"""Queries of accounts, postings and balances."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.core.errors import NotFound
from apps.core.prepared import fetch_rows, to_array
from apps.ledger.models import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction


class AccountNotFound(NotFound):
    """The ledger has no account of this code. `bin/bahi ledger` shows all of them."""

    message = "The ledger has no account {0}."


@dataclass(frozen=True)
class Balance:
    """The balance of an account, in paise: debits positive, credits negative."""

    account: Account
    currency: str
    amount: int


def list_ledger_of_order(order_id: UUID) -> QuerySet[LedgerTransaction]:
    """Return the ledger transactions of an order with their entries, oldest first."""
    entries = Prefetch("entries", queryset=LedgerEntry.objects.select_related("account").order_by("id"))
    return LedgerTransaction.objects.filter(order_id=order_id).prefetch_related(entries).order_by("occurred_at", "id")


def list_entries_of_order(order_id: UUID) -> QuerySet[LedgerEntry]:
    """Return every ledger entry of an order, oldest transaction first."""
    entries = LedgerEntry.objects.filter(transaction__order_id=order_id).select_related("transaction")
    return entries.order_by("transaction__occurred_at", "transaction_id", "id")


def count_postings(*, source_type: str, source_id: UUID, kind: str) -> int:
    """Return how many ledger transactions of a kind exist for one source row; later ones are numbered: `kind`, `kind:2`, `kind:3`."""
    of_kind = Q(kind=kind) | Q(kind__startswith=f"{kind}:")
    return LedgerTransaction.objects.filter(of_kind, source_type=source_type, source_id=source_id).count()


def balance_of(code: str, *, currency: str = "INR") -> int:
    """
    Return an account's balance in paise, debits positive: its last checkpoint and the entries after it.

    :raises AccountNotFound: if the ledger has no such account
    """
    if not Account.objects.filter(pk=code).exists():
        raise AccountNotFound(code)
    checkpoint = find_checkpoint(code, currency=currency)
    base, after = (checkpoint.balance, checkpoint.last_entry_id) if checkpoint else (0, 0)
    entries = LedgerEntry.objects.filter(account_id=code, currency=currency, id__gt=after)
    return base + (entries.aggregate(total=Sum("amount"))["total"] or 0)


def list_balances(*, currency: str = "INR") -> list[Balance]:
    """
    Return the trial balance: every account with its balance, by code. It sums to zero.

    It is one SQL query, so one snapshot: a concurrent posting is in all of the balances or in none.
    """
    checkpoints = BalanceCheckpoint.objects.filter(account=OuterRef("pk"), currency=currency).order_by("-last_entry_id")
    later = LedgerEntry.objects.filter(account=OuterRef("pk"), currency=currency, id__gt=OuterRef("after")).order_by()
    accounts = Account.objects.annotate(
        base=Coalesce(Subquery(checkpoints.values("balance")[:1]), 0),
        after=Coalesce(Subquery(checkpoints.values("last_entry_id")[:1]), 0),
    ).annotate(added=Coalesce(Subquery(later.values("account").annotate(sum=Sum("amount")).values("sum")), 0))
    return [Balance(one, currency, one.base + int(one.added)) for one in accounts.order_by("code")]


def find_checkpoint(code: str, *, currency: str) -> BalanceCheckpoint | None:
    """Return the latest checkpoint of an account, or None."""
    rows = BalanceCheckpoint.objects.filter(account_id=code, currency=currency)
    return rows.order_by("-last_entry_id").first()


def get_account_statement(
    code: str, *, currency: str = "INR", last: int | None = None
) -> tuple[int, QuerySet[LedgerEntry]]:
    """
    Return the balance (paise) before an account's first listed entry, and its entries in the order of posting.

    All entries are listed, or only as many as `last` says, the latest.

    :raises AccountNotFound: if the ledger has no such account
    """
    if not Account.objects.filter(pk=code).exists():
        raise AccountNotFound(code)
    entries = LedgerEntry.objects.filter(account_id=code, currency=currency)
    shown = entries.select_related("transaction").order_by("id")
    if last is None:
        return 0, shown
    first = list(entries.order_by("-id").values_list("id", flat=True)[:last])[-1:]
    if not first:
        return 0, shown
    opening = entries.filter(id__lt=first[0]).aggregate(total=Sum("amount"))["total"] or 0
    return opening, shown.filter(id__gte=first[0])


def sum_posted(
    *, source_type: str, source_ids: Collection[UUID] | QuerySet[Any], kind: str, account: str, currency: str = "INR"
) -> int:
    """Return the sum (paise, debits positive) that the postings of a kind for some sources put on an account."""
    rows = LedgerEntry.objects.filter(
        transaction__source_type=source_type,
        transaction__source_id__in=source_ids,
        transaction__kind=kind,
        account_id=account,
        currency=currency,
    )
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def has_accounts(codes: Collection[str]) -> bool:
    """Test if all of some accounts are open."""
    [(found,)] = fetch_rows("SELECT count(*) FROM ledger_account WHERE code = ANY($1::text[])", [to_array(codes)])
    return bool(found == len(set(codes)))
