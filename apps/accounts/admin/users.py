"""People, their sessions, codes and addresses. Whatever changes somebody's access goes through services."""

import json
from importlib import import_module
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts import rules, selectors
from apps.accounts.models import Address, Challenge, Session, User
from apps.accounts.services import profiles, sessions, staff
from apps.accounts.states import MANAGE_PEOPLE, Role
from apps.core import clock
from apps.core.admin_actions import staff_actor
from apps.core.admin_lists import KeySearch
from apps.core.admin_site import ReadOnlyAdmin, ServiceAdmin
from apps.core.dates import format_instant
from apps.core.errors import BahiError
from apps.core.masking import mask
from apps.core.search import SearchTerm


class StaffForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new member of staff. Customers make their accounts themselves."""

    email = forms.EmailField(widget=UnfoldAdminEmailInputWidget())
    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget())
    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}), strip=False, max_length=128
    )
    role = forms.ChoiceField(choices=Role.choices, widget=UnfoldAdminSelectWidget())

    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        try:
            email = rules.normalise_email(self.cleaned_data["email"])
        except ValueError as error:
            raise forms.ValidationError("This is not an e-mail address.") from error
        if selectors.find_user_at(email) is not None:
            raise forms.ValidationError("Another account has this e-mail address.")
        return email

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(
            password, user=User(email=self.cleaned_data.get("email"), name=self.cleaned_data.get("name", ""))
        )
        return password


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A person's name, roles and, if need be, a new password."""

    name = forms.CharField(max_length=120, required=False, widget=UnfoldAdminTextInputWidget())
    roles = forms.MultipleChoiceField(
        choices=Role.choices, required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="A change ends all sessions of this person. You cannot change your own.",
    )  # fmt: skip
    new_password = forms.CharField(
        required=False, strip=False, max_length=128,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Leave it empty to keep the current password. A new password ends all sessions of this person.",
    )  # fmt: skip

    class Meta:
        model = User
        fields = ("name",)

    #: Set by the page: who is logged in.
    manager_id: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "roles" in self.fields:
            self.initial["roles"] = selectors.list_roles(self.instance)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        changes_access = data.get("new_password") or self.has_role_change(data)
        if changes_access and self.instance.pk == self.manager_id:
            raise forms.ValidationError("You cannot change your own access. Ask another administrator.")
        if data.get("new_password"):
            try:
                validate_password(data["new_password"], user=self.instance)
            except forms.ValidationError as error:
                self.add_error("new_password", error)
        return data

    def has_role_change(self, data: dict[str, Any]) -> bool:
        return "roles" in data and sorted(data["roles"]) != self.initial.get("roles")


@admin.register(User)
class UserAdmin(KeySearch, ServiceAdmin):
    """Customers and staff."""

    shows_contacts = True
    list_filter = ("is_staff", "is_active")
    indexed_filters = ("is_staff__exact=1",)
    search_fields = ("phone__exact", "email__exact")
    search_help_text = "A name, a whole phone number, a whole e-mail address or a GSTIN."
    ordering = ("-id",)
    sortable_by = ()
    actions = ("deactivate", "reactivate")

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        return selectors.search_visible_people(term, user=request.user).order_by().values_list("pk")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return ("shown_name", "phone", "email", "is_staff", "is_active", "created_at")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            return StaffForm
        kwargs["form"] = type("UserForm", (UserForm,), {"manager_id": request.user.pk})
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ((None, {"fields": ("email", "name", "password", "role")}),)
        if not (obj.is_staff or self.has_change_permission(request, obj)):
            # A customer has no roles, and support has no business with what only their access is about.
            account = (("created_at", "logged_in"), ("is_active", "public_id"), "erased_at")
            return ((None, {"fields": ("name", ("phone", "email"), *account)}),)
        access = ("roles", "new_password") if self.has_change_permission(request, obj) else ("shown_roles",)
        return (
            (None, {"fields": ("name", ("phone", "email"), ("email_confirmed_at", "public_id"))}),
            ("Access", {"fields": (*access, ("is_active", "is_staff", "is_superuser"))}),
            ("Times", {"fields": (("created_at", "last_login"), ("version", "session_version"))}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return (
            "phone", "email", "email_confirmed_at", "public_id", "shown_roles", "is_active",
            "is_staff", "is_superuser", "created_at", "last_login", "logged_in", "version", "session_version", "erased_at",
        )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._can_manage_users(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_erased = obj is not None and obj.erased_at is not None
        return self._can_manage_users(request) and not is_erased

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return self._can_manage_users(request)

    def _can_manage_users(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm(MANAGE_PEOPLE))

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        return self._log(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> LogEntry:
        return self._log(request, obj, CHANGE, message)

    def _log(self, request: HttpRequest, obj: User, action: int, message: Any) -> LogEntry:
        """Log a change without the person's name, which Django would keep."""
        return LogEntry.objects.create(
            user=cast("User", request.user),
            content_type=ContentType.objects.get_for_model(User),
            object_id=str(obj.pk),
            object_repr=obj.public_id,
            action_flag=action,
            change_message=json.dumps(message) if isinstance(message, list) else message,
        )

    @admin.display(description="name")
    def shown_name(self, user: User) -> str:
        return user.name or "(no name)"

    @admin.display(description="latest log-in")
    def logged_in(self, user: User) -> str:
        latest = selectors.list_log_ins(user_id=user.pk, limit=1)
        return format_instant(latest[0].created_at) if latest else "never"

    @admin.display(description="id")
    def public_id(self, user: User) -> str:
        return user.public_id

    @admin.display(description="roles")
    def shown_roles(self, user: User) -> str:
        return ", ".join(selectors.list_roles(user)) or "none"

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        now, actor, data = clock.now(), staff_actor(request), form.cleaned_data
        if not change:
            made = staff.create_staff(
                email=data["email"],
                name=data["name"],
                password=data["password"],
                role=data["role"],
                actor=actor,
                now=now,
            )
            obj.__dict__.update(made.__dict__)
            return
        if "name" in form.changed_data:
            held = selectors.get_user(obj.pk)
            profiles.change_name(user_id=obj.pk, name=data["name"], version=held.version, actor=actor, now=now)
        if form.has_role_change(data):
            staff.set_roles(user_id=obj.pk, roles=data["roles"], actor=actor, reason="back office", now=now)
        if data.get("new_password"):
            staff.set_password(user_id=obj.pk, password=data["new_password"], actor=actor, now=now)

    @admin.action(description="Deactivate and end all sessions", permissions=["manage"])
    def deactivate(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        self._for_each(request, queryset, staff.deactivate_user)

    @admin.action(description="Reactivate", permissions=["manage"])
    def reactivate(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        self._for_each(request, queryset, staff.reactivate_user)

    def _for_each(self, request: HttpRequest, queryset: "QuerySet[User]", service: Any) -> None:
        done = 0
        for user in queryset:
            try:
                service(user_id=user.pk, actor=staff_actor(request), reason="back office", now=clock.now())
            except BahiError as error:
                self.message_user(request, f"{user}: {error.text}", messages.WARNING)
            else:
                done += 1
        if done:
            self.message_user(request, f"Done: {done}.", messages.SUCCESS)


@admin.register(Session)
class SessionAdmin(KeySearch, ReadOnlyAdmin):
    """Log-ins on devices."""

    list_display = ("created_at", "user", "transport", "user_agent", "last_used_at", "ended_at", "end_reason")
    list_filter = ("transport", "end_reason")
    list_select_related = ("user",)
    search_fields = ("user__phone__exact", "user__email__exact")
    search_help_text = "A person's whole phone number or e-mail address."
    ordering = ("-id",)
    fields = ("user", ("transport", "ip"), "user_agent", ("created_at", "last_used_at"), ("ended_at", "end_reason"))
    actions = ("end",)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        person = selectors.find_user_by_contact(term.text)
        found = Session.objects.none() if person is None else Session.objects.filter(user=person)
        return found.values_list("pk")

    def has_end_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm("accounts.change_session"))

    @admin.action(description="End these sessions", permissions=["end"])
    def end(self, request: HttpRequest, queryset: "QuerySet[Session]") -> None:
        for session in queryset.filter(ended_at__isnull=True):
            sessions.end_session(
                user_id=session.user_id, session_id=session.pk, actor=staff_actor(request), now=clock.now()
            )
        self.message_user(request, "They have ended.", messages.SUCCESS)


@admin.register(Challenge)
class ChallengeAdmin(KeySearch, ReadOnlyAdmin):
    """Codes on their way, without the codes: nobody has them."""

    list_display = ("created_at", "purpose", "channel", "masked", "send_status", "attempts", "expires_at", "used_at")
    list_filter = ("purpose", "channel", "send_status")
    search_fields = ("destination__exact", "provider_id__exact")
    search_help_text = "A whole phone number, an e-mail address or an id of the provider."
    ordering = ("-id",)
    fields = (
        ("purpose", "channel"), "masked", ("send_status", "provider_id"), ("send_failure", "send_error"),
        ("attempts", "expires_at"), ("used_at", "superseded_at"), "created_at",
    )  # fmt: skip
    readonly_fields = ("masked",)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        contact = selectors.parse_contact_or_none(term.text)
        wanted = {"destination": contact} if contact else {"provider_id": term.text}
        return Challenge.objects.filter(**wanted).values_list("pk")

    @admin.display(description="sent to")
    def masked(self, challenge: Challenge) -> str:
        return mask(challenge.destination)


@admin.register(Address)
class AddressAdmin(KeySearch, ReadOnlyAdmin):
    """Where customers are billed and receive goods."""

    shows_contacts = True
    list_display = ("name", "company", "city", "state", "pin", "gstin", "is_default", "created_at", "removed_at")
    list_filter = ("state",)
    search_fields = ("user__phone__exact", "user__email__exact", "gstin__exact", "pin__exact")
    search_help_text = "A person's whole phone number or e-mail address, a GSTIN, or a PIN code."
    ordering = ("-id",)

    def find_keys(self, term: SearchTerm, request: HttpRequest) -> "QuerySet[Any]":
        person = selectors.find_user_by_contact(term.text)
        if person is not None:
            return Address.objects.filter(user=person).values_list("pk")
        wanted = {"pin": term.digits} if term.digits else {"gstin": term.code or term.text}
        return Address.objects.filter(**wanted).values_list("pk")


import_module("django.contrib.auth.admin")  # it registers the groups, and may be loaded after this module
admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(ReadOnlyAdmin):
    """The roles of staff, as the reference data has them."""

    list_display = ("name",)
    ordering = ("name",)
    fields = ("name", "permissions")
