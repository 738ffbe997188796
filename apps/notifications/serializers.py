"""Response shapes of notifications."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api import IdField, ResponseSerializer, list_response
from apps.notifications.models import Notification
from apps.notifications.selectors import TimelineEntry
from apps.notifications.states import Channel


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


class TimelineMoneyResponse(ResponseSerializer):
    """The payment, try to pay, refund or dispute that an entry is about."""

    id = serializers.CharField(source="public_id")
    object = serializers.SerializerMethodField()
    amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()

    @extend_schema_field(serializers.ChoiceField(choices=["payment", "payment_attempt", "refund", "dispute"]))
    def get_object(self, row: Any) -> str:
        return _MONEY[row.PREFIX]


class TimelineDocumentResponse(ResponseSerializer):
    """The document that an entry is about."""

    id = serializers.CharField(source="public_id")
    type = serializers.CharField(help_text="`tax_invoice` or `credit_note`.")
    number = serializers.CharField()
    total_amount = serializers.IntegerField(help_text="Paise.")
    currency = serializers.CharField()


class TimelineMessageResponse(ResponseSerializer):
    """The message that an entry is about."""

    id = serializers.CharField(source="public_id")
    channel = serializers.ChoiceField(choices=Channel.choices)
    type = serializers.CharField(source="template", help_text="What it is about, such as `order_confirmed`.")
    title = serializers.CharField()


class TimelineEntryResponse(ResponseSerializer):
    """One thing that happened to an order or to what belongs to it."""

    id = IdField("evt", source="event.pk")
    object = serializers.CharField(default="timeline_entry")
    type = serializers.SerializerMethodField()
    at = serializers.DateTimeField(source="event.created_at")
    text = serializers.CharField()
    actor = serializers.ChoiceField(choices=["customer", "staff", "system", "gateway"])
    money = TimelineMoneyResponse(allow_null=True, help_text="As it stands now.")
    document = TimelineDocumentResponse(allow_null=True)
    message = TimelineMessageResponse(allow_null=True)

    def get_type(self, entry: TimelineEntry) -> str:
        return ".".join(entry.event.type.split(".")[-2:])


TimelineResponse = list_response(TimelineEntryResponse)

_MONEY = {"pay": "payment", "att": "payment_attempt", "rfnd": "refund", "disp": "dispute"}

TIMELINE_EXAMPLE: list[dict[str, Any]] = [
    {
        "id": "evt_01jf3z8k4qe7tv2w9x0y1z2a3b",
        "object": "timeline_entry",
        "type": "order.placed",
        "at": "2026-11-21T05:30:00Z",
        "text": "The order was placed.",
        "actor": "customer",
        "money": None,
        "document": None,
        "message": None,
    },
    {
        "id": "evt_01jf3z8k4qe7tv2w9x0y1z2a3c",
        "object": "timeline_entry",
        "type": "payment.succeeded",
        "at": "2026-11-21T05:31:00Z",
        "text": "The payment was received.",
        "actor": "gateway",
        "money": {
            "id": "pay_01jf3z8k4qe7tv2w9x0y1z2a3b",
            "object": "payment",
            "amount": 99800,
            "currency": "INR",
        },
        "document": None,
        "message": None,
    },
]
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
