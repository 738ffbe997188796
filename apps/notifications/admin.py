"""Messages, read-only; and the messages of an order on the order's page."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display

from apps.accounts import selectors as accounts
from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_forecast, add_object_action, staff_actor
from apps.core.admin_lists import KeySearch
from apps.core.admin_panels import Headline, Panel, add_headline, add_panel
from apps.core.admin_site import ReadOnlyAdmin, link, tones
from apps.core.dates import format_instant
from apps.core.errors import BahiError, NotFound
from apps.core.masking import mask
from apps.core.models import public_pk
from apps.core.search import SearchTerm
from apps.notifications import rules
from apps.notifications.messages import (
    MESSAGE_NOT_SENT,
    SEVERAL_MESSAGES_NOT_SENT,
    failure_text,
    payment_link_will_be_sent,
    refund_will_be_notified,
)
from apps.notifications.models import Notification
from apps.notifications.selectors.messages import list_notifications_of_order, list_notifications_to_user
from apps.notifications.services import notifications, resends
from apps.notifications.states import NOT_SENT, Channel, NotificationStatus

_MAX_MESSAGES = 100
_TONES = tones(
    NotificationStatus,
    success=(NotificationStatus.SENT,),
    danger=(NotificationStatus.FAILED,),
    warning=(NotificationStatus.UNKNOWN,),
    info=(NotificationStatus.SENDING,),
)


class ResendForm(forms.Form):
    """The messages that were chosen in the list, carried over the page that says what will happen."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__()
        hidden = forms.MultipleHiddenInput()
        self.fields["action"] = forms.CharField(widget=forms.HiddenInput(), initial="resend")
        self.fields["confirmed"] = forms.CharField(widget=forms.HiddenInput(), initial="yes")
        self.fields[ACTION_CHECKBOX_NAME] = forms.MultipleChoiceField(widget=hidden, initial=ids)


class MessageStateFilter(admin.SimpleListFilter):
    """Whether a message reached anybody, as far as we know."""

    title = "sending"
    parameter_name = "sending"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("not_sent", "Not sent")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Notification]") -> "QuerySet[Notification]":
        return queryset.filter(status__in=NOT_SENT) if self.value() else queryset


class MessageKindFilter(admin.SimpleListFilter):
    """What a message says; the choices are what we can say, not what a scan of the table would find."""

    title = "message"
    parameter_name = "template"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in rules.MESSAGE_TEMPLATES]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Notification]") -> "QuerySet[Notification]":
        return queryset.filter(template=self.value()) if self.value() else queryset


@admin.register(Notification)
class NotificationAdmin(KeySearch, ReadOnlyAdmin):
    """The messages, with the outcome of each."""

    shows_contacts = True
    list_display = ("title", "channel", "status_label", "recipient_label", "attempts", "created_at", "sent_at")
    list_filter = (MessageStateFilter, "status", "channel", MessageKindFilter)
    indexed_filters = ("sending", *(f"status__exact={status}" for status in NOT_SENT))
    list_select_related = ("user",)
    search_fields = ("provider_id__exact",)
    search_help_text = "A phone number, an e-mail address, a Message-ID, a message's id or its provider's."
    ordering = ("-id",)
    actions = ("resend",)
    readonly_fields = ("public_id",)
    fieldsets = (
        (None, {"fields": (("channel", "status"), "title", "body", ("user", "recipient"), ("template", "public_id"))}),
        ("Sending", {"fields": (("attempts", "next_attempt_at"), ("claimed_until", "sent_at"), "last_error")}),
        ("Proof", {"fields": (("provider_id", "message_id"), "event", ("created_at", "read_at"))}),
    )

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        public_id = term.text.strip("<>").partition("@")[0]
        if public_id.startswith("ntf_"):
            wanted: dict[str, Any] = {"pk__in": _find_pks(public_id)}
        elif accounts.parse_contact_or_none(term.text):
            person = accounts.find_user_by_contact(term.text)
            wanted = {"user__in": [] if person is None else [person.pk]}
        else:
            wanted = {"provider_id": term.text}
        return Notification.objects.filter(**wanted).values_list("pk")

    @display(description="status", label=_TONES)  # type: ignore[untyped-decorator]
    def status_label(self, notification: Notification) -> tuple[str, str]:
        return notification.status, notification.get_status_display()

    @admin.display(description="to")
    def recipient_label(self, notification: Notification) -> str:
        return str(notification.user) if notification.channel == Channel.IN_APP else notification.recipient

    def has_resend_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifications.change_notification")

    @admin.action(description="Send again", permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: "QuerySet[Notification]") -> HttpResponse | None:
        """Show which of the chosen messages would be sent again, and send them when that is confirmed."""
        chosen = list(queryset.select_related("user", "event"))
        if "confirmed" not in request.POST:
            return _confirm_resend(request, self, chosen)
        sent = 0
        for notification in chosen:
            try:
                resends.request_resend(notification_id=notification.pk, actor=staff_actor(request), now=clock.now())
            except BahiError as error:
                self.message_user(request, f"{notification}: {error.text}", messages.WARNING)
            else:
                sent += 1
        if sent:
            self.message_user(request, f"Messages queued to be sent again: {sent}.", messages.SUCCESS)
        return None

    @admin.display(description="id")
    def public_id(self, notification: Notification) -> str:
        return notification.public_id


def _confirm_resend(request: HttpRequest, page: NotificationAdmin, chosen: list[Notification]) -> HttpResponse:
    opts = Notification._meta
    context = {
        **page.admin_site.each_context(request),
        "title": "Send messages again",
        "opts": opts,
        "object_action": {"title": "Send again", "is_destructive": False},
        "form": ResendForm([str(notification.pk) for notification in chosen]),
        "forecast": [(f"{one} to {page.recipient_label(one)}", _resend_outcome(one)) for one in chosen],
        "back": reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist"),
    }
    return TemplateResponse(request, "admin/object_action.html", context)


def _resend_outcome(notification: Notification) -> str:
    if notification.status not in NOT_SENT:
        return "The message is not sent again, because it was sent or is about to be sent."
    if not notifications.is_still_valid(notification):
        return "The message is not sent again, because it is no longer true."
    if notification.status == NotificationStatus.UNKNOWN:
        return "The message is sent again. It may already have arrived, so the recipient may receive it twice."
    return "The message is sent again."


def _resend_forecast(notification: Notification) -> list[tuple[str, str]]:
    return [
        ("To", notification.recipient),
        ("Text", notification.body.strip()),
        ("Why it was not sent", failure_text(notification.last_error)),
        ("What will happen", _resend_outcome(notification)),
    ]


def _resend(notification: Notification, *, user: Any, actor: Any, now: Any) -> str:
    resends.request_resend(notification_id=notification.pk, actor=actor, now=now)
    return f"The message to {mask(notification.recipient)} is sent again."


add_object_action(
    "notifications.notification",
    ObjectAction(
        name="resend", title="Send again", permission="notifications.change_notification", perform=_resend, icon="send",
        forecast=_resend_forecast, is_available=lambda notification: notification.status in NOT_SENT,
        blocked_reason=lambda one: "" if notifications.is_still_valid(one) else resends.NotificationOutdated.message,
    ),
)  # fmt: skip


def _find_pks(public_id: str) -> list[UUID]:
    try:
        return [public_pk(Notification, public_id)]
    except NotFound:
        return []


def _build_rows(messages: "QuerySet[Notification]") -> list[tuple[Any, ...]]:
    return [
        (
            format_instant(message.created_at),
            message.get_channel_display(),
            link(reverse("admin:notifications_notification_change", args=[message.pk]), message.title),
            message.recipient if message.channel != Channel.IN_APP else "",
            message.get_status_display(),
            failure_text(message.last_error) if message.status != NotificationStatus.SENT else "",
        )
        for message in messages[:_MAX_MESSAGES]
    ]


def _list_order_messages(order: Any) -> list[tuple[Any, ...]]:
    return _build_rows(list_notifications_of_order(order.pk))


def _list_customer_messages(customer: Any) -> list[tuple[Any, ...]]:
    return _build_rows(list_notifications_to_user(customer.pk))


def _all_sent(rows: Sequence[tuple[Any, ...]]) -> bool:
    not_sent = {status.label for status in NOT_SENT}
    return not any(row[4] in not_sent for row in rows)


_COLUMNS = ("When", "Channel", "Message", "To", "Status", "Reason")
for _model, _rows in (("orders.order", _list_order_messages), ("accounts.user", _list_customer_messages)):
    add_panel(
        _model,
        Panel(
            title="Messages",
            columns=_COLUMNS,
            rows=_rows,
            permission="notifications.view_notification",
            is_folded=_all_sent,
            position=60,
        ),
    )


def _unsent_headline(order: Any) -> Headline | None:
    found = list_notifications_of_order(order.pk).filter(status__in=NOT_SENT).values_list("pk", flat=True)[:2]
    if not found:
        return None
    text = SEVERAL_MESSAGES_NOT_SENT if len(found) > 1 else MESSAGE_NOT_SENT
    return Headline(22, text, "warning")


add_headline("orders.order", _unsent_headline)


def _cancellation_forecast(order: Any) -> list[tuple[str, str]]:
    return [
        (f"{channel.label} to the buyer", text.strip())
        for channel, text in notifications.preview_cancellation_messages(order)
    ]


add_forecast("orders.order", "cancel", _cancellation_forecast)


def _refund_forecast(order: Any) -> list[tuple[str, str]]:
    channels = notifications.list_channels(order.customer, "refund_initiated")
    return [("Message", refund_will_be_notified(channels))]


def _approval_forecast(refund: Any) -> list[tuple[str, str]]:
    return _refund_forecast(refund.order)


def _payment_link_forecast(order: Any) -> list[tuple[str, str]]:
    channels = notifications.list_channels(order.customer, "payment_link_created")
    return [("Message", payment_link_will_be_sent(channels))]


add_forecast("orders.order", "refund", _refund_forecast)
add_forecast("payments.refund", "approve", _approval_forecast)
add_forecast("orders.order", "send-link", _payment_link_forecast)
