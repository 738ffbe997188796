"""Scheduled tasks of payments."""

from celery import shared_task

from apps.core import clock
from apps.payments import services


@shared_task(name="payments.poll_open_payments")
def poll_open_payments(**_: object) -> None:
    """Query the gateway about every payment that is due for a check."""
    services.poll_open_payments(now=clock.now())


@shared_task(name="payments.poll_open_refunds")
def poll_open_refunds(**_: object) -> None:
    """Submit, or query the gateway about, every refund that is due for a check."""
    services.poll_open_refunds(now=clock.now())


@shared_task(name="payments.sweep_webhooks")
def sweep_webhooks(**_: object) -> None:
    """Process the webhooks that no worker has processed."""
    services.sweep_webhooks(now=clock.now())


@shared_task(name="payments.check_missing_webhooks")
def check_missing_webhooks(**_: object) -> None:
    """Report an incident if polling found changes that no webhook reported."""
    services.check_missing_webhooks(now=clock.now())


@shared_task(name="payments.poll_open_disputes")
def poll_open_disputes(**_: object) -> None:
    """Query the gateway about every undecided dispute that is due for a check."""
    services.poll_open_disputes(now=clock.now())


@shared_task(name="payments.poll_new_disputes")
def poll_new_disputes(**_: object) -> None:
    """Query the gateway for disputes that no webhook reported."""
    services.poll_new_disputes(now=clock.now())


@shared_task(name="payments.send_dispute_reminders")
def send_dispute_reminders(**_: object) -> None:
    """Remind staff of disputes that must be answered soon."""
    services.send_dispute_reminders(now=clock.now())


@shared_task(name="payments.report_overdue_reviews")
def report_overdue_reviews() -> None:
    services.report_overdue_reviews(now=clock.now())
