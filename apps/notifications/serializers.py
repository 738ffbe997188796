"""Response shapes of notifications."""

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
