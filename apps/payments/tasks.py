"""What the clock starts."""

from celery import shared_task

from apps.core import clock
from apps.payments import services


@shared_task(name="payments.ask_about_open_payments")
def ask_about_open_payments(**_: object) -> None:
    """Ask the gateway about every payment whose time to be looked at has come."""
    services.ask_about_open_payments(now=clock.now())


@shared_task(name="payments.ask_about_open_refunds")
def ask_about_open_refunds(**_: object) -> None:
    """Send or ask about every refund whose time to be looked at has come."""
    services.ask_about_open_refunds(now=clock.now())


@shared_task(name="payments.process_waiting_webhooks")
def process_waiting_webhooks(**_: object) -> None:
    """Process the webhooks whose worker never came."""
    services.process_waiting_webhooks(now=clock.now())


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


@shared_task(name="payments.find_missing_lines")
def find_missing_lines(**_: object) -> None:
    """Look for captured payments that should have been settled and were not."""
    services.find_missing_lines(now=clock.now())


@shared_task(name="payments.find_overdue_receivables")
def find_overdue_receivables(**_: object) -> None:
    """Look for what the gateway has owed us for too long and nothing open explains."""
    services.find_overdue_receivables(now=clock.now())


@shared_task(name="payments.ask_about_open_disputes")
def ask_about_open_disputes(**_: object) -> None:
    """Ask the gateway about every undecided dispute whose time to be looked at has come."""
    services.ask_about_open_disputes(now=clock.now())


@shared_task(name="payments.find_new_disputes")
def find_new_disputes(**_: object) -> None:
    """Ask the gateway for disputes that no webhook told."""
    services.find_new_disputes(now=clock.now())


@shared_task(name="payments.warn_of_dispute_deadlines")
def warn_of_dispute_deadlines(**_: object) -> None:
    """Warn staff of disputes that must be answered soon."""
    services.warn_of_dispute_deadlines(now=clock.now())


@shared_task(name="payments.warn_of_open_reviews")
def warn_of_open_reviews() -> None:
    services.warn_of_open_reviews(now=clock.now())
