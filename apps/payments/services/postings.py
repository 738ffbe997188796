"""
The door of the ledger: the only way into the books.

A posting is a business fact with entries that sum to zero, once for its source. Debits are positive, credits negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max, Sum

from apps.core.errors import Conflict, Invalid
from apps.payments import locks, selectors
from apps.payments.models import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction
from apps.payments.selectors import AccountNotFound
from apps.payments.states import AccountKind
from apps.tax import selectors as tax

if TYPE_CHECKING:
    from apps.tax.models import Registration

CUSTOMER_ADVANCES = "customer_advances"
ROUND_OFF = "round_off"
REFUNDS_PAYABLE = "refunds_payable"
SUSPENSE = "suspense"
DISPUTES = "disputes"
DISPUTE_LOSSES = "dispute_losses"
TRANSFERS_PAYABLE = "transfers_payable"
PAYER_FEES = "payer_fees"
PAYMENT_DIFFERENCES = "payment_differences"

#: The accounts that every book has. Those of a registration carry its GSTIN and come with it.
CHART: tuple[tuple[str, str, AccountKind], ...] = (
    ("bank", "Bank", AccountKind.ASSET),
    ("gateway_receivable:razorpay", "Owed to us by Razorpay", AccountKind.ASSET),
    ("input_gst", "Input GST", AccountKind.ASSET),
    (DISPUTES, "Money held back for disputes", AccountKind.ASSET),
    (SUSPENSE, "Suspense: not explained yet", AccountKind.ASSET),
    (CUSTOMER_ADVANCES, "Customers' money not yet invoiced", AccountKind.LIABILITY),
    (REFUNDS_PAYABLE, "Refunds under way", AccountKind.LIABILITY),
    (TRANSFERS_PAYABLE, "Owed to linked accounts of Route", AccountKind.LIABILITY),
    ("gateway_fees:razorpay", "Fees of Razorpay", AccountKind.EXPENSE),
    (DISPUTE_LOSSES, "Disputes that were lost", AccountKind.EXPENSE),
    (PAYMENT_DIFFERENCES, "Payments accepted at another amount", AccountKind.EXPENSE),
    (PAYER_FEES, "Fees and surcharges that payers bore", AccountKind.INCOME),
    (ROUND_OFF, "Round-off of invoices", AccountKind.INCOME),
)
_REGISTRATION_CHART: tuple[tuple[str, str, AccountKind], ...] = (
    ("sales", "Sales", AccountKind.INCOME),
    ("output_cgst", "Output CGST", AccountKind.LIABILITY),
    ("output_sgst", "Output SGST", AccountKind.LIABILITY),
    ("output_utgst", "Output UTGST", AccountKind.LIABILITY),
    ("output_igst", "Output IGST", AccountKind.LIABILITY),
)


class UnbalancedPosting(Invalid):
    """The entries of a posting do not sum to zero. It is a fault of ours: report it."""

    message = "The entries of a posting sum to zero; these sum to {0}."


class EmptyPosting(Invalid):
    """A posting to the ledger has fewer than two entries. It is a fault of ours: report it."""

    message = "A posting has at least two entries."


class PostingConflict(Conflict):
    """The ledger has this posting already, with other entries. It is a fault of ours: report it."""

    message = "The {0} of this source is in the books already, with other entries."


@dataclass(frozen=True)
class RegistrationAccounts:
    """The codes of the accounts that belong to one GSTIN."""

    sales: str
    output_cgst: str
    output_sgst: str
    output_utgst: str
    output_igst: str


def gateway_receivable(gateway: str) -> str:
    """Return the code of the account that a gateway's debt to us stands in."""
    return f"gateway_receivable:{gateway}"


@transaction.atomic
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

    earlier = _find_posting(source_type, source_id, kind)
    if earlier is None:
        try:
            with transaction.atomic():
                return _insert(
                    LedgerTransaction(
                        source_type=source_type,
                        source_id=source_id,
                        kind=kind,
                        order_id=order_id,
                        description=description[:200],
                        occurred_at=occurred_at,
                    ),
                    wanted,
                    currency,
                )
        except IntegrityError:
            earlier = _find_posting(source_type, source_id, kind)
            if earlier is None:
                raise

    posted = {entry.account_id: entry.amount for entry in earlier.entries.all()}
    if posted != wanted:
        raise PostingConflict(kind)
    return earlier


def _checked(entries: Mapping[str, int]) -> dict[str, int]:
    wanted = {code: amount for code, amount in entries.items() if amount}
    if sum(wanted.values()):
        raise UnbalancedPosting(sum(wanted.values()))
    if len(wanted) < 2:
        raise EmptyPosting
    known = set(Account.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    for code in wanted:
        if code not in known:
            raise AccountNotFound(code)
    return wanted


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


def account_codes_for(registration: "Registration") -> RegistrationAccounts:
    """Return the codes of a registration's accounts, opening those that are missing."""
    codes = {stem: f"{stem}:{registration.gstin}" for stem, _, _ in _REGISTRATION_CHART}
    if Account.objects.filter(pk__in=codes.values()).count() < len(codes):
        _open_accounts(registration)
    return RegistrationAccounts(**codes)


def open_registration_accounts(*, registration_id: UUID, now: datetime) -> RegistrationAccounts:
    """
    Open the accounts of a registration; those that are open stay as they are.

    :raises NotFound: if there is no such registration
    """
    return account_codes_for(tax.get_registration(registration_id))


def _open_accounts(registration: "Registration") -> None:
    Account.objects.bulk_create(
        [
            Account(
                code=f"{stem}:{registration.gstin}",
                name=f"{name} of {registration.gstin}",
                kind=kind,
                registration_id=registration.pk,
            )
            for stem, name, kind in _REGISTRATION_CHART
        ],
        ignore_conflicts=True,
    )


def set_up_reference_data(*, now: datetime) -> None:
    """Open the accounts that every book has; those that are open stay as they are."""
    Account.objects.bulk_create(
        [Account(code=code, name=name, kind=kind) for code, name, kind in CHART], ignore_conflicts=True
    )


def checkpoint_balances(*, now: datetime) -> int:
    """
    Write down every account's balance up to now, so that reading one stays quick, and return how many were written.

    1. Find a safe end of the book: wait for the postings that have begun, then take the highest entry id.
    2. Add up what came after each account's last checkpoint. No posting waits for this part.
    """
    with transaction.atomic():
        locks.wait_for_postings()
        end = LedgerEntry.objects.aggregate(last=Max("id"))["last"] or 0

    written = 0
    for code, currency in LedgerEntry.objects.order_by().values_list("account_id", "currency").distinct():
        written += _checkpoint(code, currency, end=end, now=now)
    return written


@transaction.atomic
def _checkpoint(code: str, currency: str, *, end: int, now: datetime) -> bool:
    last = selectors.find_checkpoint(code, currency=currency)
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
