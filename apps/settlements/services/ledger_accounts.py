"""The accounts of the ledger that settlements are posted to, besides the bank and the receivable from the gateway."""

from datetime import datetime

from apps.ledger import services as ledger
from apps.ledger.services import NewAccount
from apps.ledger.states import AccountKind

INPUT_GST = "input_gst"
TRANSFERS_PAYABLE = "transfers_payable"


def gateway_fees(gateway: str) -> str:
    """Return the code of the account of a gateway's fees."""
    return f"gateway_fees:{gateway}"


ACCOUNTS = (
    NewAccount(gateway_fees("razorpay"), "Fees of Razorpay", AccountKind.EXPENSE),
    NewAccount(INPUT_GST, "Input GST", AccountKind.ASSET),
    NewAccount(TRANSFERS_PAYABLE, "Owed to linked accounts of Route", AccountKind.LIABILITY),
)


def set_up_reference_data(*, now: datetime) -> None:
    """Open the accounts of settlements; those that are open stay as they are."""
    ledger.open_accounts(ACCOUNTS)
