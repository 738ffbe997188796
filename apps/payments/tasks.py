"""What the clock starts."""

from celery import shared_task

from apps.core import clock
from apps.payments import services


@shared_task(name="payments.poll_open_payments")
def poll_open_payments(**_: object) -> None:
    """Ask the gateway about every payment whose time to be looked at has come."""
    services.poll_open_payments(now=clock.now())


@shared_task(name="payments.poll_open_refunds")
def poll_open_refunds(**_: object) -> None:
    """Send or ask about every refund whose time to be looked at has come."""
    services.poll_open_refunds(now=clock.now())


@shared_task(name="payments.sweep_webhooks")
def sweep_webhooks(**_: object) -> None:
    """Process the webhooks whose worker never came."""
    services.sweep_webhooks(now=clock.now())


@shared_task(name="payments.check_missing_webhooks")
def check_missing_webhooks(**_: object) -> None:
    """Report an incident if polling found what no webhook reported."""
    services.check_missing_webhooks(now=clock.now())


@shared_task(name="payments.checkpoint_balances")
def checkpoint_balances(**_: object) -> None:
    """Write down the balance of every account."""
    services.checkpoint_balances(now=clock.now())


@shared_task(name="payments.import_settlements")
def import_settlements(**_: object) -> None:
    """Have the settlement reports of yesterday and today read."""
    services.import_recent_settlements(now=clock.now())


@shared_task(name="payments.open_missing_line_exceptions")
def open_missing_line_exceptions(**_: object) -> None:
    """Look for captured payments that should have been settled and were not."""
    services.open_missing_line_exceptions(now=clock.now())


@shared_task(name="payments.open_overdue_receivable_exceptions")
def open_overdue_receivable_exceptions(**_: object) -> None:
    """Look for what the gateway has owed us for too long and nothing open explains."""
    services.open_overdue_receivable_exceptions(now=clock.now())


@shared_task(name="payments.poll_open_disputes")
def poll_open_disputes(**_: object) -> None:
    """Ask the gateway about every undecided dispute whose time to be looked at has come."""
    services.poll_open_disputes(now=clock.now())


@shared_task(name="payments.poll_new_disputes")
def poll_new_disputes(**_: object) -> None:
    """Ask the gateway for disputes that no webhook told."""
    services.poll_new_disputes(now=clock.now())


@shared_task(name="payments.send_dispute_reminders")
def send_dispute_reminders(**_: object) -> None:
    """Warn staff of disputes that must be answered soon."""
    services.send_dispute_reminders(now=clock.now())


@shared_task(name="payments.report_overdue_reviews")
def report_overdue_reviews() -> None:
    services.report_overdue_reviews(now=clock.now())
