"""Admin page of downtimes of payment methods."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core import clock
from apps.core.admin_site import ReadOnlyAdmin
from apps.payments.messages.downtimes import downtime_subject
from apps.payments.models import PaymentDowntime
from apps.payments.selectors import downtimes as selectors


class DowntimeState(admin.SimpleListFilter):
    """A filter by whether a downtime is over."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Under way or to come")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.value() != "open":
            return queryset
        return queryset.filter(pk__in=selectors.list_open_downtimes(now=clock.now()).order_by().values("pk"))


@admin.register(PaymentDowntime)
class PaymentDowntimeAdmin(ReadOnlyAdmin):
    """Downtimes of payment methods, as the gateway reports them."""

    list_display = ("what", "severity", "status", "begins_at", "ends_at", "gateway_downtime_id")
    list_filter = (DowntimeState, "severity", "begins_at")
    ordering = ("-created_at", "-id")
    readonly_fields = ("what",)

    @admin.display(description="What may fail")
    def what(self, downtime: PaymentDowntime) -> str:
        return downtime_subject(downtime.method, downtime.instrument)
