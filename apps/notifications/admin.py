"""Who was told what, to look at; and the messages of an order, on the order's page."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_actions import add_forecast
from apps.core.admin_site import Panel, ReadOnlyAdmin, add_panel, tones
from apps.core.errors import NotFound
from apps.core.models import public_pk
from apps.notifications import rules, selectors, services
from apps.notifications.models import Notification
from apps.notifications.states import Channel, NotificationStatus

_TONES = tones(
    NotificationStatus,
    success=(NotificationStatus.SENT,),
    danger=(NotificationStatus.FAILED,),
    warning=(NotificationStatus.UNKNOWN,),
    info=(NotificationStatus.SENDING,),
)


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

    list_display = ("title", "channel", "how_far", "whom", "attempts", "created_at", "sent_at")
    list_filter = ("status", "channel", MessageKind)
    list_select_related = ("user",)
    search_fields = ("id",)
    search_help_text = "A phone number, an e-mail address, a Message-ID, a message's id or its provider's."
    ordering = ("-id",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("channel", "status"), "title", "body", ("user", "recipient"), ("template", "public_id"))}),
        ("Sending", {"fields": (("attempts", "next_attempt_at"), ("claimed_until", "sent_at"), "last_error")}),
        ("Proof", {"fields": (("provider_id", "message_id"), "event", ("created_at", "read_at"))}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Notification]", search_term: str
    ) -> tuple["QuerySet[Notification]", bool]:
        """Look up what was typed in the one column that it can be of; people are found first, by their own index."""
        term = search_term.strip().replace("\x00", "")
        if not term:
            return queryset, False
        public_id = term.strip("<>").partition("@")[0]
        if public_id.startswith("ntf_"):
            return queryset.filter(pk__in=_pks(public_id)), False
        if "@" in term:
            return queryset.filter(user__email=term.lower()), False
        digits = term.removeprefix("+").replace(" ", "")
        if digits.isascii() and digits.isdigit() and len(digits) in (10, 12):
            return queryset.filter(user__phone=f"+{digits}" if len(digits) == 12 else f"+91{digits}"), False
        return queryset.filter(provider_id=term), False

    @display(description="status", label=_TONES)  # type: ignore[untyped-decorator]
    def how_far(self, notification: Notification) -> tuple[str, str]:
        return notification.status, notification.get_status_display()

    @admin.display(description="to")
    def whom(self, notification: Notification) -> str:
        return str(notification.user) if notification.channel == Channel.IN_APP else notification.recipient

    @admin.display(description="id")
    def public_id(self, notification: Notification) -> str:
        return notification.public_id


def _pks(public_id: str) -> list[UUID]:
    try:
        return [public_pk(Notification, public_id)]
    except NotFound:
        return []


def _messages_of(order: Any) -> list[tuple[Any, ...]]:
    return [
        (
            message.created_at,
            message.get_channel_display(),
            message.title,
            message.recipient if message.channel != Channel.IN_APP else "",
            message.get_status_display(),
            (message.provider_id or message.message_id) if message.sent_at else "",
            message.last_error,
        )
        for message in selectors.list_of_order(order.pk)[:100]
    ]


add_panel(
    "orders.order",
    Panel(
        title="Messages",
        columns=("When", "Channel", "Message", "To", "Status", "Proof", "Error"),
        rows=_messages_of,
        permission="notifications.view_notification",
    ),
)


def _told_of_cancelling(order: Any) -> list[tuple[str, str]]:
    return [(f"{channel.label} to the buyer", text.strip()) for channel, text in services.preview_cancelling(order)]


add_forecast("orders.order", "cancel", _told_of_cancelling)
