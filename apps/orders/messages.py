"""
The sentences that staff read about an order: at the top of its page, and why its customer cannot be erased.

Amounts are in paise, shown in rupees.
"""

from datetime import datetime

from apps.core.clock import ist_date
from apps.core.dates import format_day, format_instant
from apps.core.money import rupees


def awaiting_payment(due: int, *, expires_at: datetime) -> str:
    """Return the message that an order waits for its payment."""
    return (
        f"The order waits for its payment of {rupees(due)} until {format_instant(expires_at)}. If the buyer cannot pay in the app,"
        " send them a payment link."
    )


def paid_and_confirmed(paid: int) -> str:
    """Return the message that an order is paid and its goods are reserved."""
    return f"The order is paid ({rupees(paid)}) and confirmed. Its goods are reserved and can be sent."


def on_hold() -> str:
    """Return the message that an order is held."""
    return "The order is on hold. Nothing may be sent until it is released."


def in_fulfilment() -> str:
    """Return the message that an order is being packed."""
    return "The order is being packed and sent."


def completed() -> str:
    """Return the message that an order has ended as it should."""
    return "The order is completed. No action is needed."


def expired(at: datetime) -> str:
    """Return the message that an order was closed without a payment."""
    return (
        f"The order expired on {format_instant(at)} because it was not paid. If the buyer still wants the goods, they must order"
        " again."
    )


def cancelled(at: datetime, *, reason: str) -> str:
    """Return the message that an order was cancelled; the reason is somebody's own words."""
    if not reason:
        return f"The order was cancelled on {format_instant(at)}. No action is needed."
    return f"The order was cancelled on {format_instant(at)} with the reason “{reason}”. No action is needed."


def not_erasable_until_paid(number: str) -> str:
    """Return the message that an unpaid order keeps its customer from being erased."""
    return f"Order {number} waits for its payment. Cancel it, or let it expire, before you erase its customer."


def not_erasable_while_payable(number: str) -> str:
    """Return the message that a payment of a closed order, which may still arrive, keeps its customer from being erased."""
    return (
        f"Order {number} is closed, but one of its payments may still arrive. Its customer can be erased"
        " once Bahi has stopped polling that payment, at most four days after it ended."
    )


def not_erasable_until_decided(number: str) -> str:
    """Return the message that undecided money of an order keeps its customer from being erased."""
    return (
        f"Order {number} has money that is disputed, under review or still to be refunded. Its customer can be"
        " erased once that is resolved."
    )


def not_erasable_until_delivered(number: str) -> str:
    """Return the message that an order to be delivered keeps its customer from being erased."""
    return f"Order {number} has not been delivered. Its customer can be erased after the delivery."


def not_erasable_yet(number: str, *, confirmed_at: datetime, erasable_from: datetime) -> str:
    """Return the message that goods of an order can still be returned, and from when its customer can be erased."""
    return (
        f"Order {number} was confirmed on {format_day(ist_date(confirmed_at))}. Its customer can be erased from"
        f" {format_day(ist_date(erasable_from))}, after the return period."
    )


def not_erasable_while_returnable(number: str, *, completed_at: datetime, erasable_from: datetime) -> str:
    """Return the message that a completed order can still be returned, and from when its customer can be erased."""
    return (
        f"Order {number} was completed on {format_day(ist_date(completed_at))} and can be returned. Its customer can be erased from"
        f" {format_day(ist_date(erasable_from))}, after the return window."
    )
