"""The sentences that staff read at the top of an order's page. Amounts in paise, shown in rupees."""

from datetime import datetime

from apps.core.dates import format_instant
from apps.core.money import rupees


def awaits_payment(due: int, *, expires_at: datetime) -> str:
    """Return that an order waits for its payment."""
    return (
        f"The order waits for its payment of {rupees(due)} until {format_instant(expires_at)} IST. If the buyer cannot pay in the app,"
        " send a payment link."
    )


def payment_under_way(due: int) -> str:
    """Return that the buyer is paying."""
    return f"The buyer is paying {rupees(due)} just now. Nothing is to be done until the payment has ended."


def paid_and_confirmed(paid: int) -> str:
    """Return that an order is paid and its goods are reserved."""
    return f"The order is paid ({rupees(paid)}) and confirmed. Its goods are reserved and can be sent."


def on_hold() -> str:
    """Return that an order is held."""
    return "The order is on hold. Do not send anything until it has been released."


def in_fulfilment() -> str:
    """Return that an order is being packed."""
    return "The order is being packed and sent."


def completed() -> str:
    """Return that an order has ended as it should."""
    return "The order is completed. Nothing is to be done."


def expired(at: datetime) -> str:
    """Return that an order was closed without a payment."""
    return (
        f"The order was closed on {format_instant(at)} IST because no payment had arrived, and its goods are for sale again. If the buyer"
        " still wants them, they have to order again."
    )


def cancelled(at: datetime, *, reason: str) -> str:
    """Return that an order was cancelled; the reason is somebody's own words."""
    why = f" Reason: {reason.rstrip('.')}." if reason else ""
    return f"The order was cancelled on {format_instant(at)} IST.{why} Nothing is to be done."
