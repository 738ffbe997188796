"""Response shapes of notifications."""

from typing import Any

from rest_framework import serializers

from apps.core.api import IdField, ResponseSerializer, list_response
from apps.notifications.models import Notification


class NotificationResponse(ResponseSerializer):
    """One in-app message."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    type = serializers.CharField(source="template", help_text="What it is about, such as `order_confirmed`.")
    title = serializers.CharField()
    body = serializers.CharField()
    order = IdField("ord", source="root_id", allow_null=True, help_text="The order that it belongs to.")
    read_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()

    def get_object(self, _: Notification) -> str:
        return "notification"


class NotificationPageResponse(list_response(NotificationResponse)):  # type: ignore[misc]
    """A page of in-app messages, with the number of all that are not read."""

    unread_count = serializers.IntegerField()


class MarkedResponse(ResponseSerializer):
    """How many messages were marked."""

    object = serializers.CharField(default="notification_marks")
    marked = serializers.IntegerField()
    unread_count = serializers.IntegerField()


MESSAGE_EXAMPLE: dict[str, Any] = {
    "id": "ntf_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "notification",
    "type": "order_confirmed",
    "title": "Order ORD-2627-000123 is confirmed",
    "body": "We have received ₹1,179.00. The invoice follows by e-mail.",
    "order": "ord_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "read_at": None,
    "created_at": "2026-11-21T05:30:00Z",
    "updated_at": "2026-11-21T05:30:00Z",
    "version": 1,
    "metadata": {},
}
