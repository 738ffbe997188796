"""Scheduled tasks of payments."""

from celery import shared_task

from apps.core import clock
from apps.payments.services import downtimes, review_reminders, webhook_health, webhooks
from apps.payments.services import polling as payment_polling
from apps.payments.services.disputes import polling as dispute_polling
from apps.payments.services.disputes import reminders
from apps.payments.services.refunds import submission


@shared_task(name="payments.poll_open_payments")
def poll_open_payments(**_: object) -> None:
    """Query the gateway about every payment that is due for a check."""
    payment_polling.poll_open_payments(now=clock.now())


@shared_task(name="payments.poll_open_refunds")
def poll_open_refunds(**_: object) -> None:
    """Submit, or query the gateway about, every refund that is due for a check."""
    submission.poll_open_refunds(now=clock.now())


@shared_task(name="payments.sweep_webhooks")
def sweep_webhooks(**_: object) -> None:
    """Process the webhooks that no worker has processed."""
    webhooks.sweep_webhooks(now=clock.now())


@shared_task(name="payments.report_missing_webhooks")
def report_missing_webhooks(**_: object) -> None:
    """Report an incident if polling found changes that no webhook reported."""
    webhook_health.report_missing_webhooks(now=clock.now())


@shared_task(name="payments.poll_open_disputes")
def poll_open_disputes(**_: object) -> None:
    """Query the gateway about every undecided dispute that is due for a check."""
    dispute_polling.poll_open_disputes(now=clock.now())


@shared_task(name="payments.poll_new_disputes")
def poll_new_disputes(**_: object) -> None:
    """Query the gateway for disputes that no webhook reported."""
    dispute_polling.poll_new_disputes(now=clock.now())


@shared_task(name="payments.poll_downtimes")
def poll_downtimes(**_: object) -> None:
    """Query the gateway for downtimes of payment methods."""
    downtimes.poll_downtimes(now=clock.now())


@shared_task(name="payments.send_dispute_reminders")
def send_dispute_reminders(**_: object) -> None:
    """Remind staff of disputes that must be answered soon."""
    reminders.send_dispute_reminders(now=clock.now())


@shared_task(name="payments.report_overdue_reviews")
def report_overdue_reviews() -> None:
    review_reminders.report_overdue_reviews(now=clock.now())
