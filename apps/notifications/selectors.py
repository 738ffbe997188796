"""Reads of notifications."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.notifications.models import Notification
from apps.notifications.states import Channel


class NotificationNotFound(NotFound):
    message = "There is no such notification."


def list_in_app(*, user_id: UUID, unread: bool | None = None) -> QuerySet[Notification]:
    """Return a person's in-app messages, newest first: all of them, or those read or unread."""
    rows = Notification.objects.filter(user_id=user_id, channel=Channel.IN_APP).order_by("-created_at", "-id")
    return rows if unread is None else rows.filter(read_at__isnull=unread)


def count_unread(*, user_id: UUID) -> int:
    """Return how many in-app messages a person has not read; an index holds exactly these."""
    return Notification.objects.filter(user_id=user_id, channel=Channel.IN_APP, read_at__isnull=True).count()


def get_in_app(*, user_id: UUID, notification_id: UUID) -> Notification:
    """
    Return one in-app message of a person.

    :raises NotificationNotFound: if there is none, or it is somebody else's
    """
    found = Notification.objects.filter(pk=notification_id, user_id=user_id, channel=Channel.IN_APP).first()
    if found is None:
        raise NotificationNotFound
    return found


def list_of_event(event_id: UUID) -> QuerySet[Notification]:
    """Return what was told of one event."""
    return Notification.objects.filter(event_id=event_id).order_by("id")


def list_of_order(order_id: UUID) -> QuerySet[Notification]:
    """Return what was told of an order and of all that belongs to it, oldest first."""
    return Notification.objects.filter(root_id=order_id).order_by("created_at", "id")


def list_due(*, now: datetime) -> QuerySet[Notification]:
    """Return what a sender should look at: messages whose wait is over, and claims whose sender has died."""
    return Notification.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
