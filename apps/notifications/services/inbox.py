"""Marks of what a person has read. No event is recorded of them."""

from datetime import datetime
from uuid import UUID

from apps.core.transactions import transactional
from apps.notifications import locks
from apps.notifications.models import Notification
from apps.notifications.selectors import messages


@transactional
def mark_read(*, user_id: UUID, notification_id: UUID, now: datetime) -> Notification:
    """
    Mark one in-app message as read; the first time counts.

    :raises NotificationNotFound: if there is none, or it is somebody else's
    """
    messages.get_in_app_message(user_id=user_id, notification_id=notification_id)
    notification = locks.lock_notification(notification_id)

    if notification.read_at is None:
        notification.read_at = now
        notification.save(update_fields=["read_at", "updated_at"])

    return notification


def mark_all_read(*, user_id: UUID, now: datetime) -> int:
    """Mark all in-app messages of a person as read and return how many were not."""
    return messages.list_in_app_messages(user_id=user_id, unread=True).order_by().update(read_at=now, updated_at=now)
