"""The accounts of the ledger that documents are posted to: sales and output GST of each registration, and round-off."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from apps.ledger import selectors as ledger
from apps.ledger.services import NewAccount, open_accounts
from apps.ledger.states import AccountKind

if TYPE_CHECKING:
    from apps.tax.models import Registration

ROUND_OFF = "round_off"
_OF_REGISTRATION: tuple[tuple[str, str, AccountKind], ...] = (
    ("sales", "Sales", AccountKind.INCOME),
    ("output_cgst", "Output CGST", AccountKind.LIABILITY),
    ("output_sgst", "Output SGST", AccountKind.LIABILITY),
    ("output_utgst", "Output UTGST", AccountKind.LIABILITY),
    ("output_igst", "Output IGST", AccountKind.LIABILITY),
)


@dataclass(frozen=True)
class RegistrationAccounts:
    """The codes of the accounts that belong to one GSTIN."""

    sales: str
    output_cgst: str
    output_sgst: str
    output_utgst: str
    output_igst: str


def account_codes_for(registration: "Registration") -> RegistrationAccounts:
    """Return the codes of a registration's accounts, opening those that are missing."""
    accounts = [
        NewAccount(
            code=f"{stem}:{registration.gstin}",
            name=f"{name} of {registration.gstin}",
            kind=kind,
            registration_id=registration.pk,
        )
        for stem, name, kind in _OF_REGISTRATION
    ]
    if not ledger.has_accounts([one.code for one in accounts]):
        open_accounts(accounts)
    return RegistrationAccounts(*(one.code for one in accounts))


def set_up_reference_data(*, now: datetime) -> None:
    """Open the account of round-off; those of a registration are opened with its first document."""
    open_accounts([NewAccount(ROUND_OFF, "Round-off of invoices", AccountKind.INCOME)])
