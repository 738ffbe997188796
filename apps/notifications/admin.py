"""Who was told what, to look at; and the messages of an order, on the order's page."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_site import Panel, ReadOnlyAdmin, add_panel
from apps.notifications import rules, selectors
from apps.notifications.models import Notification
from apps.notifications.services import writing


class MessageKind(admin.SimpleListFilter):
    """What a message says; the choices are what we can say, not what a scan of the table would find."""

    title = "message"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in rules.MESSAGES]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Notification]") -> "QuerySet[Notification]":
        return queryset.filter(template=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    """The messages, with the proof of what became of each."""

    list_display = ("title", "channel", "status", "recipient", "attempts", "created_at", "sent_at", "read_at")
    list_filter = ("status", "channel", MessageKind)
    list_select_related = ("user",)
    search_fields = ("recipient__exact", "provider_id__exact", "message_id__exact")
    search_help_text = "A whole phone number (+91...), e-mail address, provider id or Message-ID."
    ordering = ("-created_at", "-id")
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("channel", "status"), "title", "body", ("user", "recipient"), ("template", "public_id"))}),
        ("Sending", {"fields": (("attempts", "next_attempt_at"), ("claimed_until", "sent_at"), "last_error")}),
        ("Proof", {"fields": (("provider_id", "message_id"), "event", ("created_at", "read_at"))}),
    )

    @admin.display(description="id")
    def public_id(self, notification: Notification) -> str:
        return notification.public_id


def _messages_of(order: Any) -> list[tuple[Any, ...]]:
    return [
        (
            writing.instant(message.created_at),
            message.get_channel_display(),
            message.title,
            message.recipient if message.channel != "in_app" else "",
            message.get_status_display(),
            message.provider_id or message.message_id,
            message.last_error,
        )
        for message in selectors.list_of_order(order.pk)[:100]
    ]


add_panel(
    "orders.order",
    Panel(
        title="Messages",
        columns=("At (IST)", "Channel", "Message", "To", "Status", "Proof", "Error"),
        rows=_messages_of,
        permission="notifications.view_notification",
    ),
)
