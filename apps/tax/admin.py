"""Registrations and rates in the back office. Both change through services, and neither is ever deleted."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core import clock
from apps.core.admin_actions import staff_actor
from apps.core.admin_fields import PercentField
from apps.core.admin_site import ServiceAdmin
from apps.tax import messages as sentences
from apps.tax import rules, services
from apps.tax.models import Registration, TaxRate


@admin.register(Registration)
class RegistrationAdmin(ServiceAdmin):
    """The GSTINs that the shop sells under. Names and address may be corrected; the number, state and prefix stay."""

    list_display = ("gstin", "trade_name", "legal_name", "state", "city", "invoice_prefix", "is_default", "is_active")
    list_filter = ("is_active", "state")
    search_fields = ("gstin", "legal_name", "trade_name")
    ordering = ("gstin",)
    actions = ("make_default",)
    fields = ("gstin", *services.EDITABLE_REGISTRATION_FIELDS, "invoice_prefix", "state", "is_default", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("state", "is_default", "is_active")
        return ("gstin", "invoice_prefix", "state", "is_default", "is_active")

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Registration:
        self._warn_of_pin(request, values["pin"])
        has_default = Registration.objects.filter(is_default=True).exists()
        return services.add_registration(
            **values, is_default=not has_default, actor=staff_actor(request), now=clock.now()
        )

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Registration:
        if "pin" in changes:
            self._warn_of_pin(request, changes["pin"])
        return services.update_registration(
            registration_id=obj.pk, changes=changes, actor=staff_actor(request), now=clock.now()
        )

    def _warn_of_pin(self, request: HttpRequest, pin: str) -> None:
        if rules.is_pin(pin) and not rules.is_known_pin_prefix(pin):
            self.message_user(request, sentences.unknown_pin_prefix(pin), messages.WARNING)

    @admin.action(description="Sell under this registration", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[Registration]") -> None:
        chosen = list(queryset[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one registration.", messages.WARNING)
            return
        services.set_default_registration(registration_id=chosen[0].pk, actor=staff_actor(request), now=clock.now())
        self.message_user(request, f"New orders are sold under {chosen[0].gstin}.", messages.SUCCESS)


@admin.register(TaxRate)
class TaxRateAdmin(ServiceAdmin):
    """Rates by date. A new one ends the one before it; what has been in force is not changed."""

    list_display = ("tax_class", "percent", "taxability", "valid_from", "valid_to", "notification")
    list_filter = ("tax_class",)
    search_fields = ("tax_class", "notification")
    ordering = ("tax_class", "-valid_from")
    fields = ("tax_class", "rate", "valid_from", "notification")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "rate":
            return PercentField(label="Rate", help_text="In percent, such as 18 or 0.25.")
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="rate", ordering="rate")
    def percent(self, rate: TaxRate) -> str:
        return f"{rate.rate / 100:g} %"

    @admin.display(description="taxability")
    def taxability(self, rate: TaxRate) -> str:
        return rules.taxability_of(rate.tax_class, rate.rate).replace("_", "-")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> TaxRate:
        return services.set_rate(**values, actor=staff_actor(request), now=clock.now())
