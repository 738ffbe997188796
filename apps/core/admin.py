"""Read-only admin pages of events, handler runs, idempotency keys, audits and incidents. One action: retry."""

from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core import clock, handler_runs
from apps.core.admin_fields import show_json
from apps.core.admin_site import ReadOnlyAdmin
from apps.core.errors import BahiError
from apps.core.models import AuditRun, Event, HandlerRun, IdempotencyKey, Incident, Outbox, Subject


class SubjectType(admin.SimpleListFilter):
    """Filters events by their subject. The choices are the models that record events: no scan of the table."""

    title = "subject"
    parameter_name = "subject_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        subjects = [model for model in apps.get_models() if issubclass(model, Subject)]
        return sorted((model._meta.label_lower, str(model._meta.verbose_name).capitalize()) for model in subjects)

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Event]") -> "QuerySet[Event]":
        return queryset.filter(subject_type=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    """What happened, who did it, and the new values."""

    list_display = ("created_at", "type", "version", "subject_type", "subject_id", "actor", "request_id")
    list_filter = (SubjectType,)
    indexed_filters = ("subject_type",)
    search_fields = ("id",)
    search_help_text = "A whole UUID of a subject or order, a request id, or an event's full name."
    ordering = ("-id",)
    exclude = ("changes",)
    readonly_fields = ("new_values",)

    @admin.display(description="new values")
    def new_values(self, event: Event) -> SafeString:
        return show_json(event.changes)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Event]", search_term: str
    ) -> tuple["QuerySet[Event]", bool]:
        return _filter_exact(
            queryset, search_term, uuids=("subject_id", "root_id"), texts=("request_id", "type")
        ), False


@admin.register(Outbox)
class OutboxAdmin(ReadOnlyAdmin):
    """Events that the relay has not processed yet. Usually empty while a relay is running."""

    list_display = ("created_at", "event")
    list_select_related = ("event",)
    ordering = ("id",)


class HandlerRunState(admin.SimpleListFilter):
    """Filters handler runs by state: parked, open or done."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("parked", "Parked"), ("open", "Open"), ("done", "Done")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[HandlerRun]") -> "QuerySet[HandlerRun]":
        if self.value() == "parked":
            return queryset.filter(parked_at__isnull=False)
        if self.value() == "open":
            return queryset.filter(done_at__isnull=True, parked_at__isnull=True)
        if self.value() == "done":
            return queryset.filter(done_at__isnull=False)
        return queryset


@admin.register(HandlerRun)
class HandlerRunAdmin(ReadOnlyAdmin):
    """Handler runs: one event and one handler each. A parked handler run can be retried."""

    list_display = ("created_at", "handler", "event", "state", "starts", "started_at", "error")
    list_filter = (HandlerRunState,)
    indexed_filters = ("state",)
    list_select_related = ("event",)
    search_fields = ("id",)
    search_help_text = "A whole UUID of an event or handler run, or a handler's full name."
    ordering = ("-id",)
    actions = ("retry",)

    @admin.display(description="state")
    def state(self, handler_run: HandlerRun) -> str:
        if handler_run.done_at:
            return "done"
        return "parked" if handler_run.parked_at else "open"

    @admin.display(description="last error")
    def error(self, handler_run: HandlerRun) -> str:
        return handler_run.last_error[:120]

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[HandlerRun]", search_term: str
    ) -> tuple["QuerySet[HandlerRun]", bool]:
        return _filter_exact(queryset, search_term, uuids=("id", "event_id"), texts=("handler",)), False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_handlerrun")

    @admin.action(description="Retry parked handler runs", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[HandlerRun]") -> None:
        now = clock.now()
        sent = 0
        for handler_run in queryset:
            try:
                handler_runs.retry_parked(handler_run_id=handler_run.pk, now=now)
            except BahiError as error:
                self.message_user(request, f"{handler_run.handler}: {error.text}", messages.WARNING)
            else:
                sent += 1
        if sent:
            self.message_user(request, f"Handler runs that will be retried: {sent}.", messages.SUCCESS)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    """Idempotency keys, without the stored response bodies, which may contain personal data of their owner."""

    list_display = ("created_at", "principal", "route", "key", "status", "expires_at")
    search_fields = ("principal__exact", "key__exact")
    search_help_text = "A whole key, or a principal's id."
    ordering = ("-id",)
    fields = ("principal", "route", "key", "fingerprint", "status", "headers", "created_at", "expires_at")


@admin.register(AuditRun)
class AuditRunAdmin(ReadOnlyAdmin):
    """Stored audits, the latest first."""

    list_display = ("started_at", "since", "checked", "result", "duration_ms")
    ordering = ("-started_at",)

    @admin.display(description="result")
    def result(self, run: AuditRun) -> str:
        return "holds" if not run.violated else f"violated: {', '.join(sorted(run.violated))}"


class IncidentState(admin.SimpleListFilter):
    """Filters incidents by state: open or resolved."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Incident]") -> "QuerySet[Incident]":
        return queryset if self.value() is None else queryset.filter(resolved_at__isnull=self.value() == "open")


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """A fault that stops part of the service until an operator repairs it; the next success closes it."""

    list_display = ("kind", "key", "first_seen_at", "last_seen_at", "count", "resolved_at", "detail")
    list_filter = (IncidentState,)
    indexed_filters = ("state=open",)
    search_fields = ("=kind", "=key")
    search_help_text = "A whole kind or key."
    ordering = ("-first_seen_at", "-id")


def _filter_exact(queryset: Any, term: str, *, uuids: tuple[str, ...], texts: tuple[str, ...]) -> Any:
    """Filter rows by exact values of a term: a search for parts of a value would scan millions of rows."""
    term = term.strip()
    if not term:
        return queryset
    wanted = Q()
    for field in texts:
        wanted |= Q(**{field: term})
    try:
        value = UUID(term)
    except ValueError:
        return queryset.filter(wanted)
    for field in uuids:
        wanted |= Q(**{field: value})
    return queryset.filter(wanted)
