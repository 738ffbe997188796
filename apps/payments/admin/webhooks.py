"""Admin page of the gateways' webhooks, with one action: process a parked webhook again."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_actions import ObjectAction, add_object_action
from apps.core.admin_lists import KeySearch
from apps.core.admin_site import ReadOnlyAdmin
from apps.core.search import SearchTerm, any_of
from apps.payments.models import Webhook
from apps.payments.services import webhooks

_SHOWN_BODY_BYTES = 20_000


class WebhookState(admin.SimpleListFilter):
    """A filter by state of processing."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("waiting", "Waiting"), ("parked", "Parked"), ("done", "Done")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        waiting = queryset.filter(processed_at__isnull=True)
        if self.value() == "waiting":
            return waiting.filter(parked_at__isnull=True)
        if self.value() == "parked":
            return waiting.filter(parked_at__isnull=False)
        return queryset.filter(processed_at__isnull=False) if self.value() == "done" else queryset


@admin.register(Webhook)
class WebhookAdmin(KeySearch, ReadOnlyAdmin):
    """Webhooks of gateways, as they were received."""

    list_display = ("event_type", "event_id", "received_at", "processed_at", "state", "outcome_reason")
    list_filter = (WebhookState, "gateway", "event_type", "outcome", "received_at")
    indexed_filters = ("state=waiting", "state=parked")
    ordering = ("-id",)
    search_fields = ("event_id__exact",)
    search_help_text = "An event id, or the hash of a body."
    exclude = ("body",)
    readonly_fields = ("state", "body_text")

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        # Both are unique for each gateway, by indexes that begin with it.
        rows = Webhook.objects.filter(gateway=settings.PAYMENT_GATEWAY)
        return any_of(
            rows.filter(event_id=term.text).values_list("pk"),
            rows.filter(body_sha256=term.text.lower()).values_list("pk"),
        )

    @admin.display(description="Outcome")
    def state(self, webhook: Webhook) -> str:
        if webhook.parked_at:
            return f"Parked after {webhook.attempts} attempts"
        return webhook.get_outcome_display() or "Waiting"

    @admin.display(description="Body")
    def body_text(self, webhook: Webhook) -> str:
        return bytes(webhook.body)[:_SHOWN_BODY_BYTES].decode("utf-8", "replace")


def _retry(webhook: Webhook, *, user: Any, actor: Any, now: Any) -> str:
    webhooks.retry_webhook(webhook_id=webhook.pk, actor=actor, now=now)
    return f"{webhook} is processed again within a minute."


def _facts(webhook: Webhook) -> list[tuple[str, Any]]:
    return [
        ("What", str(webhook)),
        ("Attempts so far", webhook.attempts),
        ("Last error", webhook.last_error),
        (
            "What will happen",
            "It is processed again, with six new attempts. What it reports is posted at most once.",
        ),
    ]


add_object_action(
    "payments.webhook",
    ObjectAction(
        name="retry",
        title="Process again",
        permission="ledger.change_reconciliationexception",
        perform=_retry,
        icon="replay",
        forecast=_facts,
        is_available=lambda webhook: webhook.parked_at is not None,
    ),
)
