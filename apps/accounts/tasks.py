"""What the clock starts."""

from celery import shared_task

from apps.accounts import services
from apps.core import clock


@shared_task(name="accounts.forget_expired")
def forget_expired(**_: object) -> None:
    """End sessions that ran out, and delete spent budgets, old codes and dead refresh tokens."""
    services.forget_expired(now=clock.now())
