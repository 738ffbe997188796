"""Row locks of notifications."""

from uuid import UUID

from apps.core.rows import find_row
from apps.notifications.models import Notification


def lock_notification(notification_id: UUID) -> Notification:
    """
    Lock one notification until the transaction ends.

    :raises Notification.DoesNotExist: if there is none
    """
    notification = find_row(Notification, "WHERE it.id = $1 FOR NO KEY UPDATE", [str(notification_id)])
    if notification is None:
        raise Notification.DoesNotExist
    return notification
