"""Event handlers of notifications."""

from datetime import datetime

from apps.core.models import Event
from apps.core.relay import calls_external
from apps.notifications.services import erasure, notifications, sending


def notify(*, event: Event, now: datetime) -> None:
    """Create the messages about an event, which `rules.MESSAGES_OF_EVENT` names."""
    notifications.notify(event=event, now=now)


@calls_external
def send_notification(*, event: Event, now: datetime) -> None:
    """Send a message by SMS or e-mail; the service commits a claim before it calls out."""
    sending.send_notification(notification_id=event.subject_id, now=now)


def erase_messages(*, event: Event, now: datetime) -> None:
    """Erase the messages to a person who was erased."""
    erasure.erase_messages(user_id=event.subject_id, now=now)
