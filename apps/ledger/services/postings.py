"""
The postings of the ledger (at Stripe: balance transactions): the only way into the books.

A posting is a business fact with entries that sum to zero, once for its source. Debits are positive, credits negative.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from apps.core.errors import Conflict, Invalid
from apps.core.hot_path import hot_path
from apps.core.transactions import atomic, transactional
from apps.ledger import sql
from apps.ledger.models import Account, LedgerEntry, LedgerTransaction
from apps.ledger.selectors.transactions import AccountNotFound


class UnbalancedPosting(Invalid):
    """The entries of a posting do not sum to zero. This is a bug in Bahi: report it."""

    message = "The entries of a posting sum to zero; these sum to {0}."


class EmptyPosting(Invalid):
    """A posting to the ledger has fewer than two entries. This is a bug in Bahi: report it."""

    message = "A posting has at least two entries."


class PostingConflict(Conflict):
    """The ledger has this posting already, with other entries. This is a bug in Bahi: report it."""

    message = "The {0} of this source was already posted, with other entries."


@hot_path("ledger.post_to_ledger")
@transactional
def post_to_ledger(
    *,
    source_type: str,
    source_id: UUID,
    kind: str,
    order_id: UUID | None,
    entries: Mapping[str, int],
    description: str,
    occurred_at: datetime,
    currency: str = "INR",
) -> LedgerTransaction:
    """
    Post one business fact, or return the posting that it has already.

    `entries` maps account codes to paise, debits positive and credits negative; zeros are left out.

    :raises UnbalancedPosting: if they do not sum to zero
    :raises EmptyPosting: if fewer than two are not zero
    :raises AccountNotFound: if a code is not in the chart of accounts
    :raises PostingConflict: if the fact was posted with other entries
    """
    wanted = _checked(entries)
    _require_accounts(wanted)

    posting = _new_posting(
        source_type=source_type,
        source_id=source_id,
        kind=kind,
        order_id=order_id,
        description=description,
        occurred_at=occurred_at,
    )
    earlier = _find_posting(source_type, source_id, kind)
    if earlier is None:
        try:
            with atomic():
                return _insert(posting, wanted, currency)
        except IntegrityError:
            earlier = _find_posting(source_type, source_id, kind)
            if earlier is None:
                raise
    return _require_same(earlier, wanted)


@transactional
def post_to_ledger_by_sql(
    *,
    source_type: str,
    source_id: UUID,
    kind: str,
    order_id: UUID | None,
    entries: Mapping[str, int],
    description: str,
    occurred_at: datetime,
    currency: str = "INR",
) -> LedgerTransaction:
    """Do what `post_to_ledger` does, and raise what it raises."""
    wanted = _checked(entries)

    posting = _new_posting(
        source_type=source_type,
        source_id=source_id,
        kind=kind,
        order_id=order_id,
        description=description,
        occurred_at=occurred_at,
    )
    stored, unknown = sql.insert_posting(posting, wanted, currency)
    if unknown:
        raise AccountNotFound(unknown[0])
    if stored:
        return posting
    earlier = _find_posting(source_type, source_id, kind)
    if earlier is None:
        raise RuntimeError(f"the {kind} of {source_type} {source_id} is neither stored nor there")
    return _require_same(earlier, wanted)


def _new_posting(
    *, source_type: str, source_id: UUID, kind: str, order_id: UUID | None, description: str, occurred_at: datetime
) -> LedgerTransaction:
    return LedgerTransaction(
        source_type=source_type,
        source_id=source_id,
        kind=kind,
        order_id=order_id,
        description=description[:200],
        occurred_at=occurred_at,
    )


def _require_same(earlier: LedgerTransaction, wanted: dict[str, int]) -> LedgerTransaction:
    posted = {entry.account_id: entry.amount for entry in earlier.entries.all()}
    if posted != wanted:
        raise PostingConflict(earlier.kind)
    return earlier


def _checked(entries: Mapping[str, int]) -> dict[str, int]:
    wanted = {code: amount for code, amount in entries.items() if amount}
    if sum(wanted.values()):
        raise UnbalancedPosting(sum(wanted.values()))
    if not wanted:
        raise EmptyPosting
    return wanted


def _require_accounts(wanted: Mapping[str, int]) -> None:
    known = set(Account.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    for code in wanted:
        if code not in known:
            raise AccountNotFound(code)


def _find_posting(source_type: str, source_id: UUID, kind: str) -> LedgerTransaction | None:
    rows = LedgerTransaction.objects.filter(source_type=source_type, source_id=source_id, kind=kind)
    return rows.prefetch_related("entries").first()


def _insert(posting: LedgerTransaction, entries: Mapping[str, int], currency: str) -> LedgerTransaction:
    posting.save(force_insert=True)
    LedgerEntry.objects.bulk_create(
        LedgerEntry(transaction=posting, account_id=code, amount=amount, currency=currency)
        for code, amount in entries.items()
    )
    return posting
