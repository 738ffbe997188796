"""Erasing messages to a person: where they went and what they said."""

from datetime import datetime
from uuid import UUID

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from apps.core.transactions import transactional
from apps.notifications import locks
from apps.notifications.models import Notification
from apps.notifications.services.sending import fail_queued
from apps.notifications.states import Channel, NotificationStatus

PERSON_ERASED = "The person was erased."


@transactional
def erase_messages(*, user_id: UUID, now: datetime) -> None:
    """
    Erase recipient, title and text of every message to a person, and send none that still waits.

    That something was sent, when, on which channel and about what stays.
    """
    messages = Notification.objects.filter(user_id=user_id)
    for message_id in messages.filter(status=NotificationStatus.QUEUED).order_by("pk").values_list("pk", flat=True):
        message = locks.lock_notification(message_id)
        if message.status == NotificationStatus.QUEUED:
            fail_queued(message, PERSON_ERASED, now=now)

    blank = {"context": {}, "title": "", "body": "", "last_error": "", "updated_at": now}
    messages.filter(channel=Channel.IN_APP).update(**blank)
    # The recipient is part of the key by which one event is notified once on a channel.
    unique_recipient = Concat(Value("erased:"), Cast(F("pk"), CharField()))
    messages.exclude(channel=Channel.IN_APP).update(recipient=unique_recipient, **blank)
