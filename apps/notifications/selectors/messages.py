"""Reads of notifications."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.notifications.models import Notification
from apps.notifications.states import Channel, NotificationStatus


class NotificationNotFound(NotFound):
    """The account has no such notification. List the notifications."""

    message = "There is no such notification."


def list_in_app_messages(*, user_id: UUID, unread: bool | None = None) -> QuerySet[Notification]:
    """Return a person's in-app messages, newest first: all of them, or those read or unread."""
    rows = Notification.objects.filter(user_id=user_id, channel=Channel.IN_APP).order_by("-created_at", "-id")
    return rows if unread is None else rows.filter(read_at__isnull=unread)


def count_unread(*, user_id: UUID) -> int:
    """Return how many in-app messages a person has not read; an index holds exactly these."""
    return Notification.objects.filter(user_id=user_id, channel=Channel.IN_APP, read_at__isnull=True).count()


def get_in_app_message(*, user_id: UUID, notification_id: UUID) -> Notification:
    """
    Return one in-app message of a person.

    :raises NotificationNotFound: if there is none, or it is somebody else's
    """
    found = Notification.objects.filter(pk=notification_id, user_id=user_id, channel=Channel.IN_APP).first()
    if found is None:
        raise NotificationNotFound
    return found


def list_notifications_of_order(order_id: UUID) -> QuerySet[Notification]:
    """Return the messages about an order and all that belongs to it, oldest first."""
    return Notification.objects.filter(root_id=order_id).order_by("created_at", "id")


def list_notifications_to_user(user_id: UUID) -> QuerySet[Notification]:
    """Return the messages to a user, newest first."""
    return Notification.objects.filter(user_id=user_id).order_by("-created_at", "-id")


def has_duplicate(row: Notification) -> bool:
    """Test if a message of the same words was written to the same person about the same order, and not failed."""
    same = Notification.objects.filter(
        root_id=row.root_id, template=row.template, channel=row.channel, recipient=row.recipient, body=row.body
    )
    return same.exclude(status=NotificationStatus.FAILED).exists()


def list_due(*, now: datetime) -> QuerySet[Notification]:
    """Return what a sender should look at: messages whose wait is over, and claims that have expired."""
    return Notification.objects.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
