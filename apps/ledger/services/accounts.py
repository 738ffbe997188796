"""Accounts of the ledger: each app opens the ones that it posts to, as reference data."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.ledger.models import Account
from apps.ledger.states import AccountKind

#: Holds what is not explained yet; the open exceptions say why.
SUSPENSE = "suspense"


@dataclass(frozen=True)
class NewAccount:
    """An account to open; `registration_id` is the GST registration that it belongs to, if it belongs to one."""

    code: str
    name: str
    kind: AccountKind
    registration_id: UUID | None = None


def open_accounts(accounts: Iterable[NewAccount]) -> None:
    """Open accounts; those that are open stay as they are."""
    Account.objects.bulk_create(
        [Account(code=one.code, name=one.name, kind=one.kind, registration_id=one.registration_id) for one in accounts],
        ignore_conflicts=True,
    )


def set_up_reference_data(*, now: datetime) -> None:
    """Open the ledger's own account; it stays as it is if it is open."""
    open_accounts([NewAccount(SUSPENSE, "Suspense: not explained yet", AccountKind.ASSET)])
