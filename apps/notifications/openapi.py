"""How the description of the API presents messages: summaries and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.core.api.pagination import whole_list
from apps.core.api.schema import operation
from apps.notifications.serializers import NotificationPageResponse

MESSAGE_EXAMPLE: dict[str, Any] = {
    "id": "ntf_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "notification",
    "type": "order_confirmed",
    "title": "Order ORD-2627-000123 is confirmed",
    "body": "We have received ₹1,179.00. Your invoice will follow.",
    "order": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "read_at": None,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
    "version": 1,
    "metadata": {},
}

describe_notifications = extend_schema_view(
    list=operation(
        "list_my_notifications",
        "List my notifications",
        responses={200: NotificationPageResponse},
        description="In-app messages, newest first. `unread_count` counts all that I have not read, whatever the page.",
        examples=[
            OpenApiExample(
                "A page",
                response_only=True,
                value={**whole_list([MESSAGE_EXAMPLE]), "unread_count": 1},
            )
        ],
    ),
    mark_read=operation(
        "mark_my_notification_read",
        "Mark a notification as read",
        description="Marking it again does not change `read_at`.",
        examples=[
            OpenApiExample("Read", response_only=True, value={**MESSAGE_EXAMPLE, "read_at": "2026-11-21T05:31:00.000Z"})
        ],
    ),
    mark_all_read=operation(
        "mark_all_my_notifications_read",
        "Mark all my notifications as read",
        examples=[
            OpenApiExample(
                "Marked", response_only=True, value={"object": "notification_marks", "marked": 3, "unread_count": 0}
            )
        ],
    ),
)
