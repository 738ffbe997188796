"""Row locks of notifications."""

from uuid import UUID

from apps.core.locks import lock_row
from apps.notifications.models import Notification


def lock_notification(notification_id: UUID) -> Notification:
    """
    Lock one notification until the transaction ends.

    :raises Notification.DoesNotExist: if there is none
    """
    return lock_row(Notification, notification_id, missing=Notification.DoesNotExist)
