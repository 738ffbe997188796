"""Checkpoints of balances, which keep reading a balance quick."""

from datetime import datetime

from django.db.models import Max, Sum

from apps.core.transactions import atomic, transactional
from apps.ledger import locks
from apps.ledger.models import BalanceCheckpoint, LedgerEntry
from apps.ledger.selectors import transactions


def checkpoint_balances(*, now: datetime) -> int:
    """
    Write down every account's balance up to now, so that reading one stays quick, and return how many were written.

    1. Find a safe end of the book: wait for the postings that have begun, then take the highest entry id.
    2. Add up what came after each account's last checkpoint. No posting waits for this part.
    """
    with atomic(savepoint=False):
        locks.wait_for_postings()
        end = LedgerEntry.objects.aggregate(last=Max("id"))["last"] or 0

    written = 0
    for code, currency in LedgerEntry.objects.order_by().values_list("account_id", "currency").distinct():
        written += _checkpoint(code, currency, end=end, now=now)
    return written


@transactional
def _checkpoint(code: str, currency: str, *, end: int, now: datetime) -> bool:
    last = transactions.find_checkpoint(code, currency=currency)
    base, after = (last.balance, last.last_entry_id) if last else (0, 0)
    fresh = LedgerEntry.objects.filter(account_id=code, currency=currency, id__gt=after, id__lte=end)
    added = fresh.aggregate(total=Sum("amount"), last=Max("id"))
    if added["last"] is None:
        return False
    checkpoint = BalanceCheckpoint(
        account_id=code, currency=currency, last_entry_id=added["last"], balance=base + added["total"], taken_at=now
    )
    # Two checkpointers at once write the same row; the second one's is left out.
    BalanceCheckpoint.objects.bulk_create([checkpoint], ignore_conflicts=True)
    return True
