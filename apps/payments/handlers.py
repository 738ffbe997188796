"""Reactions of payments to news."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import talks_outside
from apps.payments import services


@talks_outside
def create_gateway_order_for_payment(*, event: Event, now: datetime) -> None:
    """A payment was begun: make the gateway's order."""
    services.create_gateway_order(payment_id=event.subject_id, now=now)


@talks_outside
def ask_gateway_about_payment(*, event: Event, now: datetime) -> None:
    """Somebody wants to know at once: ask the gateway."""
    services.sync_payment(payment_id=event.subject_id, now=now)


def process_webhook(*, event: Event, now: datetime) -> None:
    """A webhook was kept: take in what it says."""
    services.process_webhook(webhook_id=event.subject_id, now=now)
