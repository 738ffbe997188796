"""Admin pages of exceptions."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from apps.accounts import selectors as accounts
from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action, staff_actor
from apps.core.admin_lists import KeySearch
from apps.core.admin_site import ReadOnlyAdmin, age
from apps.core.errors import BahiError
from apps.core.money import amount_text, rupees
from apps.core.search import SearchTerm
from apps.ledger.models import ReconciliationException
from apps.ledger.selectors.exceptions import search_exceptions
from apps.ledger.services import exceptions as services
from apps.ledger.states import Resolution


class ExceptionState(admin.SimpleListFilter):
    """A filter by state: open (the default) or resolved."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset if self.value() is None else queryset.filter(resolved_at__isnull=self.value() == "open")


class Owner(admin.SimpleListFilter):
    """A filter by owner."""

    title = "owner"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "Mine"), ("nobody", "Nobody's")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.value() == "mine":
            return queryset.filter(owner_id=request.user.pk)
        return queryset.filter(owner_id__isnull=True) if self.value() == "nobody" else queryset


@admin.register(ReconciliationException)
class ReconciliationExceptionAdmin(KeySearch, ReadOnlyAdmin):
    """Differences between the gateway's data and our books, open until they are resolved."""

    list_display = ("entity_id", "reason", "held", "how_old", "owner", "resolution_label")
    list_filter = (ExceptionState, Owner, "reason", "opened_at")
    indexed_filters = ("state=open",)
    list_select_related = ("owner",)
    ordering = ("-opened_at", "-id")
    search_fields = ("entity_id__exact",)
    search_help_text = "A gateway's id of a payment, refund, dispute or settlement."
    readonly_fields: Any = ("how_old", "reported", "resolution_label")
    fieldsets: Any = (
        (
            None,
            {
                "fields": (("entity_id", "gateway"), "reason", "description"),
            },
        ),
        ("Amounts", {"fields": (("expected_amount", "reported"), ("held_amount", "currency"))}),
        (
            "Deciding",
            {
                "fields": (
                    ("opened_at", "how_old"),
                    ("owner", "resolution_label"),
                    ("resolved_at", "resolved_by"),
                    "note",
                )
            },
        ),
    )
    actions = ("take", "write_off", "clear", "count_as_paid_outside", "note_as_explained")

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        return search_exceptions(term).order_by().values("pk")

    @admin.display(description="Age", ordering="opened_at")
    def how_old(self, exception: ReconciliationException) -> str:
        return age(exception.opened_at, exception.resolved_at or clock.now())

    @admin.display(description="Resolution")
    def resolution_label(self, exception: ReconciliationException) -> str:
        return exception.get_resolution_display() or "Open"

    @admin.display(description="Reported")
    def reported(self, exception: ReconciliationException) -> str:
        return _reported(exception) or "-"

    @admin.display(description="In suspense")
    def held(self, exception: ReconciliationException) -> str:
        return rupees(exception.held_amount)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Test if the member of staff may decide about exceptions."""
        return request.user.has_perm(services.RESOLVE_PERMISSION)

    @admin.action(description="Assign these exceptions to me", permissions=["decide"])
    def take(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Make the user the owner of the selected exceptions."""
        user: Any = request.user
        self._each(request, queryset, services.assign_exception, owner_id=user.pk)

    @admin.action(description="Write off as a cost or gain of the gateway", permissions=["decide"])
    def write_off(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Resolve the selected exceptions as costs or gains."""
        self._resolve(request, queryset, Resolution.WRITTEN_OFF)

    @admin.action(description="Clear against what the gateway owes us", permissions=["decide"])
    def clear(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Resolve the selected exceptions against the receivable from the gateway."""
        self._resolve(request, queryset, Resolution.CLEARED)

    @admin.action(description="Paid outside of settlements, by or to our bank", permissions=["decide"])
    def count_as_paid_outside(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Resolve the selected exceptions against the bank account."""
        self._resolve(request, queryset, Resolution.PAID_OUTSIDE)

    @admin.action(description="Explained; no money is held", permissions=["decide"])
    def note_as_explained(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """Resolve the selected exceptions that hold no amount in suspense."""
        self._resolve(request, queryset, Resolution.NOTED)

    def _resolve(self, request: HttpRequest, queryset: "QuerySet[Any]", resolution: Resolution) -> None:
        note = f"{resolution.label}; decided in the back office"
        self._each(request, queryset, services.resolve_exception, resolution=resolution.value, note=note)

    def _each(self, request: HttpRequest, queryset: "QuerySet[Any]", action: Any, **how: Any) -> None:
        actor = staff_actor(request)
        for exception in queryset:
            try:
                action(exception_id=exception.pk, actor=actor, now=clock.now(), **how)
            except BahiError as error:
                self.message_user(request, f"{exception.entity_id}: {error.text}", messages.ERROR)
            else:
                self.message_user(request, f"{exception.entity_id}: done.", messages.SUCCESS)


class ResolveForm(forms.Form):
    """Where the amount in suspense is posted, and why."""

    resolution = forms.ChoiceField(
        choices=[(one.value, one.label) for one in services.STAFF_RESOLUTIONS], widget=UnfoldAdminSelectWidget()
    )
    note = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="The reason, for those who read the books later.",
    )


class OwnerForm(forms.Form):
    """The new owner of the exception."""

    owner = forms.ChoiceField(choices=(), widget=UnfoldAdminSelectWidget())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["owner"]
        people = accounts.list_staff_with_permission(services.RESOLVE_PERMISSION)
        field.choices = [(str(user.pk), str(user)) for user in people]


def _take(exception: ReconciliationException, *, user: Any, actor: Any, now: Any) -> str:
    services.assign_exception(exception_id=exception.pk, owner_id=user.pk, actor=actor, now=now)
    return f"You own {exception.entity_id}."


def _give(exception: ReconciliationException, *, user: Any, actor: Any, now: Any, owner: str) -> str:
    services.assign_exception(exception_id=exception.pk, owner_id=UUID(owner), actor=actor, now=now)
    return f"{accounts.get_user(UUID(owner))} owns {exception.entity_id}."


def _resolve(exception: ReconciliationException, *, user: Any, actor: Any, now: Any, resolution: str, note: str) -> str:
    services.resolve_exception(exception_id=exception.pk, resolution=resolution, note=note, actor=actor, now=now)
    return f"{exception.entity_id} is resolved: {Resolution(resolution).label.lower()}."


def _facts(exception: ReconciliationException) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [("What", f"{exception.get_reason_display()}: {exception.entity_id}")]
    if exception.expected_amount is not None:
        rows.append(("Expected", rupees(exception.expected_amount)))
    if exception.actual_amount is not None:
        rows.append(("Reported", _reported(exception)))
    if exception.description:
        rows.append(("Description", exception.description))
    owed = services.owed_amount(exception)
    if owed:
        rows.append(
            (
                "Still owed",
                f"{rupees(owed)}. Writing it off, or recording it as paid outside of settlements, ends what the gateway owes us for it.",
            )
        )
    return [*rows, ("Held in suspense", rupees(exception.held_amount))]


def _reported(exception: ReconciliationException) -> str:
    if exception.actual_amount is None:
        return ""
    return amount_text(exception.actual_amount, exception.actual_currency or exception.currency)


def _is_open(exception: ReconciliationException) -> bool:
    return exception.resolved_at is None


for _action in (
    ObjectAction(
        name="take", title="Assign to me", permission=services.RESOLVE_PERMISSION, perform=_take, icon="person", forecast=_facts,
        is_available=_is_open,
    ),
    ObjectAction(
        name="give", title="Assign to somebody else", permission=services.RESOLVE_PERMISSION, perform=_give, icon="group", form=OwnerForm,
        forecast=_facts, is_available=_is_open,
    ),
    ObjectAction(
        name="resolve", title="Resolve", permission=services.RESOLVE_PERMISSION, perform=_resolve, icon="task_alt", form=ResolveForm,
        forecast=_facts, is_available=_is_open,
    ),
):  # fmt: skip
    add_object_action("ledger.reconciliationexception", _action)
