"""The accounts of the ledger that payments, refunds and disputes are posted to."""

from datetime import datetime

from apps.ledger import services as ledger
from apps.ledger.services import NewAccount
from apps.ledger.states import AccountKind

BANK = "bank"
CUSTOMER_ADVANCES = "customer_advances"
REFUNDS_PAYABLE = "refunds_payable"
DISPUTES = "disputes"
DISPUTE_LOSSES = "dispute_losses"
PAYER_FEES = "payer_fees"
PAYMENT_DIFFERENCES = "payment_differences"


def gateway_receivable(gateway: str) -> str:
    """Return the code of the account of what a gateway owes us."""
    return f"gateway_receivable:{gateway}"


ACCOUNTS = (
    NewAccount(BANK, "Bank", AccountKind.ASSET),
    NewAccount(gateway_receivable("razorpay"), "Owed to us by Razorpay", AccountKind.ASSET),
    NewAccount(DISPUTES, "Money held back for disputes", AccountKind.ASSET),
    NewAccount(CUSTOMER_ADVANCES, "Customers' money not yet invoiced", AccountKind.LIABILITY),
    NewAccount(REFUNDS_PAYABLE, "Refunds under way", AccountKind.LIABILITY),
    NewAccount(DISPUTE_LOSSES, "Disputes that were lost", AccountKind.EXPENSE),
    NewAccount(PAYMENT_DIFFERENCES, "Payments accepted at another amount", AccountKind.EXPENSE),
    NewAccount(PAYER_FEES, "Fees and surcharges that payers bore", AccountKind.INCOME),
)


def set_up_reference_data(*, now: datetime) -> None:
    """Open the accounts of payments; those that are open stay as they are."""
    ledger.open_accounts(ACCOUNTS)
