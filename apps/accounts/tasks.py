"""What the clock starts."""

from celery import shared_task

from apps.accounts.services import cleanup
from apps.core import clock


@shared_task(name="accounts.delete_expired")
def delete_expired(**_: object) -> None:
    """End sessions that ran out, and delete expired rate limit counters, old codes and refresh tokens."""
    cleanup.end_and_delete_expired(now=clock.now())
