"""Row locks of notifications."""

from uuid import UUID

from apps.notifications.models import Notification


def lock_notification(notification_id: UUID) -> Notification:
    """
    Lock one notification until the transaction ends.

    :raises Notification.DoesNotExist: if there is none
    """
    return Notification.objects.select_for_update(no_key=True, of=("self",)).get(pk=notification_id)
