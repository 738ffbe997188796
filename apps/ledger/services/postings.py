"""
The postings of the ledger (at Stripe: balance transactions): the only way into the books.

A posting is a business fact with entries that sum to zero, once for its source. Debits are positive, credits negative.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError

from apps.core.errors import Conflict, Invalid
from apps.core.hot_path import hot_path
from apps.core.transactions import atomic, transactional
from apps.ledger import sql
from apps.ledger.models import Account, LedgerEntry, LedgerTransaction
from apps.ledger.selectors.transactions import AccountNotFound
from apps.ledger.sql import Posting


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
    new = NewPosting(source_type, source_id, kind, entries, description, occurred_at, currency, order_id)
    [posted] = _post_all([new])
    return posted


class NewPosting(NamedTuple):
    """What `post_to_ledger` is given of one business fact; the amounts of `entries` are in paise, debits positive."""

    source_type: str
    source_id: UUID
    kind: str
    entries: Mapping[str, int]
    description: str
    occurred_at: datetime
    currency: str = "INR"
    order_id: UUID | None = None


@transactional
def post_all_to_ledger(postings: Sequence[NewPosting]) -> list[LedgerTransaction]:
    """Do what `post_to_ledger` does for each of some facts, in one statement, and raise what it raises; then none is posted."""
    return _post_all(postings) if postings else []


def _post_all(postings: Sequence[NewPosting]) -> list[LedgerTransaction]:
    prepared = [_prepare(new) for new in postings]
    stored, unknown = sql.insert_postings(prepared)
    if unknown:
        raise AccountNotFound(unknown[0])
    return [each.row if each.row.pk in stored else _require_posted(each) for each in prepared]


def _prepare(new: NewPosting) -> Posting:
    row = _new_posting(
        source_type=new.source_type,
        source_id=new.source_id,
        kind=new.kind,
        order_id=new.order_id,
        description=new.description,
        occurred_at=new.occurred_at,
    )
    return Posting(row, _checked(new.entries), new.currency)


def _require_posted(posting: Posting) -> LedgerTransaction:
    """Return the posting that a fact has already, with the same entries."""
    wanted = posting.row
    earlier = _find_posting(wanted.source_type, wanted.source_id, wanted.kind)
    if earlier is None:
        raise RuntimeError(f"the {wanted.kind} of {wanted.source_type} {wanted.source_id} is neither stored nor there")
    return _require_same(earlier, dict(posting.entries))


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
