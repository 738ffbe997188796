"""What people read about the events of an order, and about where captured money is."""

from collections.abc import Mapping
from datetime import date

from apps.core.dates import format_day
from apps.core.money import group_digits, rupees

#: The sentence that a customer reads per event type; other types are for staff. Other apps' events are listed by name.
CUSTOMER_EVENT_TEXTS: Mapping[str, str] = {
    "orders.order.placed": "The order was placed.",
    "orders.order.confirmed": "The order is paid and confirmed.",
    "orders.order.cancelled": "The order was cancelled.",
    "orders.order.expired": "The order was closed because no payment arrived in time.",
    "payments.payment.created": "A payment was started.",
    "payments.payment.succeeded": "The payment was received.",
    "payments.payment.succeeded_late": "The payment arrived late.",
    "payments.payment.cancelled": "The payment was cancelled.",
    "payments.payment.expired": "The time for this payment has ended.",
    "payments.attempt.failed": "An attempt to pay did not succeed.",
    "payments.attempt.authorized": "The bank has authorised the payment.",
    "payments.attempt.accepted": "The payment was accepted.",
    "payments.refund.unknown": "The bank has not confirmed the refund yet. We keep checking.",
    "orders.order.erased": "The customer's personal data was erased.",
    "invoicing.invoice.issued": "The tax invoice was issued.",
    "invoicing.invoice.rendered": "The tax invoice is ready to download.",
    "invoicing.credit_note.issued": "A credit note was issued.",
    "invoicing.credit_note.rendered": "The credit note is ready to download.",
    "payments.refund.requested": "A refund was requested.",
    "payments.refund.approved": "The refund was approved.",
    "payments.refund.cancelled": "The refund was cancelled.",
    "payments.refund.submitted": "The refund is on its way to the bank.",
    "payments.refund.processed": "The refund has been paid.",
    "payments.refund.failed": "The bank rejected the refund. The money is safe with us, and we will send it again or transfer it.",
    "payments.dispute.opened": "The payer's bank disputes the payment.",
    "payments.dispute.won": "The bank has decided that the payment was valid.",
    "payments.dispute.lost": "The bank has returned the money to the payer.",
    "payments.dispute.closed": "The bank has closed the dispute about the payment.",
    "orders.order.held": "The shop has put the order on hold: nothing of it is sent until it is released.",
    "orders.order.released": "The order was released and can be sent.",
    "orders.order.completed": "The order is complete.",
    "orders.order.closed": "The order was closed: the time to return its goods is over.",
    "fulfilment.shipment.packed": "A parcel was packed.",
    "fulfilment.shipment.dispatched": "A parcel is on its way.",
    "fulfilment.shipment.tracking_updated": "The carrier or tracking number of a parcel was changed.",
    "fulfilment.shipment.delivered": "A parcel was delivered.",
    "fulfilment.shipment.lost": "The carrier has lost a parcel.",
    "fulfilment.shipment.damaged": "A parcel was damaged on its way.",
    "notifications.notification.sent": "We sent you a message.",
}


_PAYMENT_CREATED_BY_CHANNEL: Mapping[str, str] = {
    "payment_link": "A payment link was created.",
    "qr_code": "A QR code for the payment was created.",
}


def timeline_text(event_type: str, *, channel: str = "") -> str:
    """Return one sentence about an event; for a new payment it depends on the channel."""
    if event_type == "payments.payment.created" and channel in _PAYMENT_CREATED_BY_CHANNEL:
        return _PAYMENT_CREATED_BY_CHANNEL[channel]
    if event_type in CUSTOMER_EVENT_TEXTS:
        return CUSTOMER_EVENT_TEXTS[event_type]
    subject, verb = event_type.split(".")[-2:]
    return f"{subject.replace('_', ' ').capitalize()}: {verb.replace('_', ' ')}."


def _payments(count: int) -> str:
    return f"{count:,} payment{'' if count == 1 else 's'}"


def captured_money(*, amount: int, count: int, since: date | None) -> str:
    """Return how much was captured (paise), in how many payments and since which day, as a heading."""
    period = f" since {format_day(since)}" if since else ""
    return f"{rupees(amount)} captured{period} in {_payments(count)}"


def states_differ(difference: int) -> str:
    """Return that the states of money do not sum to what was captured, by how many paise."""
    return f"The states differ from what was captured by {rupees(difference)}. Run the audit."


def nothing_due(day: date) -> str:
    """Return that no payment is old enough to be explained three ways."""
    return f"Nothing was captured up to {format_day(day)}, so nothing has to be explained three ways yet."


def explained_three_ways(*, due: int, explained: int, count: int, per_million: int, day: date, is_met: bool) -> str:
    """Return how much (paise) of what is due is explained, how many payments are not, and whether the goal is met."""
    verdict = "The goal of 99.99 % is met." if is_met else "The goal of 99.99 % is missed."
    return (
        f"{rupees(explained)} of {rupees(due)} captured up to {format_day(day)} is explained three ways"
        f" ({per_million / 10_000:.4f} %); {rupees(due - explained)} of {_payments(count)} is not. {verdict}"
    )


FIGURES_ARE_LATE = "The figures are late: what happened since is not counted yet. Check on the dashboard that the relay and a worker run."


def sales_of_day(day: date, amount: int, orders: int) -> str:
    """Return what was sold on a day (paise), in how many orders."""
    return f"{format_day(day)}: {rupees(amount)} in {group_digits(orders)} order{'' if orders == 1 else 's'}"


def sales_picture(highest: int) -> str:
    """Return what the picture of sales by day shows, for who cannot see it."""
    return f"Bars of the sales of each of the last 30 days; the highest is {rupees(highest)}."
