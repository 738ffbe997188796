"""How lists of messages are cut into pages."""

from typing import Any

from apps.core.api import KeysetPagination
from apps.notifications.selectors import messages


class NotificationPagination(KeysetPagination):
    """Pages of messages, with the number of all that are not read."""

    def get_envelope(self, data: Any) -> dict[str, Any]:
        user: Any = self.request.user
        unread = messages.count_unread(user_id=user.pk)
        return {**super().get_envelope(data), "unread_count": unread}
