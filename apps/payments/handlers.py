"""Event handlers of payments."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import calls_external
from apps.payments.services import erasure, gateway_orders, polling, webhooks
from apps.payments.services.refunds import submission


@calls_external
def create_gateway_order_for_payment(*, event: Event, now: datetime) -> None:
    """Create the gateway's order, link or QR code for a created payment."""
    gateway_orders.create_gateway_order(payment_id=event.subject_id, now=now)


@calls_external
def close_gateway_link(*, event: Event, now: datetime) -> None:
    """Close the link or QR code of a cancelled or expired payment at the gateway."""
    polling.close_link(payment_id=event.subject_id, now=now)


@calls_external
def sync_payment(*, event: Event, now: datetime) -> None:
    """Query the gateway about a payment, as requested."""
    polling.sync_payment(payment_id=event.subject_id, now=now)


def process_webhook(*, event: Event, now: datetime) -> None:
    """Process a stored webhook."""
    webhooks.process_webhook(webhook_id=event.subject_id, now=now)


@calls_external
def submit_refund(*, event: Event, now: datetime) -> None:
    """Submit a requested or approved refund to the gateway, unless it awaits approval."""
    submission.submit_refund(refund_id=event.subject_id, now=now)


@calls_external
def sync_refund(*, event: Event, now: datetime) -> None:
    """Query the gateway about a refund, as requested."""
    submission.sync_refund(refund_id=event.subject_id, now=now)


def erase_payer(*, event: Event, now: datetime) -> None:
    """Erase payers, devices and refund notes of an erased customer."""
    erasure.erase_payer(customer_id=event.subject_id)
