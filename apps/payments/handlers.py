"""Reactions of payments to news."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import calls_external
from apps.payments import services


@calls_external
def create_gateway_order_for_payment(*, event: Event, now: datetime) -> None:
    """A payment was begun: make the gateway's order."""
    services.create_gateway_order(payment_id=event.subject_id, now=now)


@calls_external
def close_gateway_link(*, event: Event, now: datetime) -> None:
    """A payment was given up: see to it that nobody can pay by its link or QR code any more."""
    services.close_link(payment_id=event.subject_id, now=now)


@calls_external
def sync_payment(*, event: Event, now: datetime) -> None:
    """Somebody wants to know at once: ask the gateway."""
    services.sync_payment(payment_id=event.subject_id, now=now)


def process_webhook(*, event: Event, now: datetime) -> None:
    """A webhook was kept: take in what it says."""
    services.process_webhook(webhook_id=event.subject_id, now=now)


@calls_external
def submit_refund(*, event: Event, now: datetime) -> None:
    """A refund was asked for or approved: have the gateway make it, if nobody must agree first."""
    services.submit_refund(refund_id=event.subject_id, now=now)


@calls_external
def sync_refund(*, event: Event, now: datetime) -> None:
    """Somebody wants to know at once what became of a refund: ask the gateway."""
    services.sync_refund(refund_id=event.subject_id, now=now)


@calls_external
def import_settlements(*, event: Event, now: datetime) -> None:
    """Somebody wants a settlement report: read it. One from a file is read by whoever has the file."""
    services.import_requested_settlements(import_id=event.subject_id, now=now)


def erase_payer(*, event: Event, now: datetime) -> None:
    """A customer was erased: erase the person who paid."""
    services.erase_payer(customer_id=event.subject_id)
