"""Clock-driven work."""

from celery import shared_task

from apps.core import clock
from apps.notifications.services import sending


@shared_task(name="notifications.send_due")
def send_due(**_: object) -> None:
    """Send what failed and is due again, and what a lost worker left behind."""
    sending.send_due(now=clock.now())
