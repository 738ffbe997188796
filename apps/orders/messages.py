"""
The sentences that staff read about an order: at the top of its page, and why its customer cannot be erased.

Amounts are in paise, shown in rupees.
"""

from datetime import datetime

from apps.core.clock import ist_date
from apps.core.dates import format_day, format_instant
from apps.core.money import rupees


def awaiting_payment(due: int, *, expires_at: datetime) -> str:
    """Return that an order waits for its payment."""
    return (
        f"The order waits for its payment of {rupees(due)} until {format_instant(expires_at)}; send a payment link if the buyer"
        " cannot pay in the app."
    )


def paid_and_confirmed(paid: int) -> str:
    """Return that an order is paid and its goods are reserved."""
    return f"The order is paid ({rupees(paid)}) and confirmed, so its reserved goods can be sent."


def on_hold() -> str:
    """Return that an order is held."""
    return "The order is on hold, so nothing may be sent until it has been released."


def in_fulfilment() -> str:
    """Return that an order is being packed."""
    return "The order is being packed and sent."


def completed() -> str:
    """Return that an order has ended as it should."""
    return "The order is completed, and nothing is to be done."


def expired(at: datetime) -> str:
    """Return that an order was closed without a payment."""
    return (
        f"The order was closed on {format_instant(at)} because no payment had arrived; if the buyer still wants the"
        " goods, they have to order again."
    )


def cancelled(at: datetime, *, reason: str) -> str:
    """Return that an order was cancelled; the reason is somebody's own words."""
    if not reason:
        return f"The order was cancelled on {format_instant(at)}, and nothing is to be done."
    return f"The order was cancelled on {format_instant(at)} for the reason “{reason}”, and nothing is to be done."


def not_erasable_until_paid(number: str) -> str:
    """Return that an unpaid order keeps its customer from being erased."""
    return f"Order {number} waits for its payment. Cancel it, or let it expire, before you erase its customer."


def not_erasable_while_payable(number: str) -> str:
    """Return that a payment of a closed order, which may still arrive, keeps its customer from being erased."""
    return (
        f"Order {number} is closed, but one of its payments may still arrive. Its customer can be erased when the gateway is no"
        " longer asked about it, at most four days after the payment has ended."
    )


def not_erasable_until_decided(number: str) -> str:
    """Return that undecided money of an order keeps its customer from being erased."""
    return (
        f"Order {number} has money that is disputed, under review or still to be refunded. Its customer can be erased after"
        " that."
    )


def not_erasable_until_delivered(number: str) -> str:
    """Return that an order to be delivered keeps its customer from being erased."""
    return f"Order {number} has not been delivered. Its customer can be erased when it has."


def not_erasable_yet(number: str, *, confirmed_at: datetime, erasable_from: datetime) -> str:
    """Return that goods of an order can still be returned, and from when its customer can be erased."""
    return (
        f"Order {number} was confirmed on {format_day(ist_date(confirmed_at))}. Its customer can be erased from"
        f" {format_day(ist_date(erasable_from))} on, when nothing can be returned any more."
    )
