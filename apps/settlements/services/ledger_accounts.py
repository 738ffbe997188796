"""The accounts of the ledger that settlements are posted to, besides the bank and the receivable from the gateway."""

from datetime import datetime

from apps.ledger import services as ledger
from apps.ledger.services import NewAccount
from apps.ledger.states import AccountKind

#: What a gateway has transferred and no statement of the bank shows yet.
SETTLEMENT_IN_TRANSIT = "settlement_in_transit"
#: What staff say that the bank paid or received otherwise: the statement's line of it is counted against this.
OTHER_BANK_MOVEMENTS = "other_bank_movements"
BANK_CHARGES = "bank_charges"
INPUT_GST = "input_gst"
TRANSFERS_PAYABLE = "transfers_payable"


def gateway_fees(gateway: str) -> str:
    """Return the code of the account of a gateway's fees."""
    return f"gateway_fees:{gateway}"


ACCOUNTS = (
    NewAccount(SETTLEMENT_IN_TRANSIT, "Settlements in transit to the bank", AccountKind.ASSET),
    NewAccount(OTHER_BANK_MOVEMENTS, "Bank movements outside of settlements and refunds", AccountKind.ASSET),
    NewAccount(gateway_fees("razorpay"), "Fees of Razorpay", AccountKind.EXPENSE),
    NewAccount(BANK_CHARGES, "Charges of the bank", AccountKind.EXPENSE),
    NewAccount(INPUT_GST, "Input GST", AccountKind.ASSET),
    NewAccount(TRANSFERS_PAYABLE, "Owed to linked accounts of Route", AccountKind.LIABILITY),
)


def set_up_reference_data(*, now: datetime) -> None:
    """Open the accounts of settlements; those that are open stay as they are."""
    ledger.open_accounts(ACCOUNTS)
