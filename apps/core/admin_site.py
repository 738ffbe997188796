"""Bases of the back office's pages, and the site itself."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Field, IntegerField, Model, QuerySet, TextChoices
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from unfold.admin import ModelAdmin, TabularInline
from unfold.sites import UnfoldAdminSite

from apps.core.admin_actions import ObjectActionsMixin
from apps.core.admin_confirmations import (
    CONFIRMED,
    Confirmation,
    ConfirmationRequired,
    require_confirmation,
    typed_values,
)
from apps.core.admin_contacts import mask_response, show_contacts_button
from apps.core.admin_fields import (
    RupeesField,
    WholeNumberField,
    as_rupees,
    as_units,
    is_money,
    money_fields,
    quantity_fields,
    refused_form,
)
from apps.core.admin_lists import UncountedChangeList, UncountedPaginator
from apps.core.admin_panels import find_headline, panels_for
from apps.core.errors import BahiError
from apps.core.models import Event, Record

_JUST_NOW = "just now"
#: The template of what stands above a list: `introduction` and `introduction_links` of its page.
INTRODUCTION = "admin/list_introduction.html"
#: What people look at last.
_BOOKKEEPING = ("metadata", "version")
#: Words of field names that people write otherwise.
_ACRONYMS = {
    word.lower(): word
    for word in (
        "CGST",
        "SGST",
        "UTGST",
        "IGST",
        "GST",
        "GSTIN",
        "HSN",
        "SKU",
        "UQC",
        "PIN",
        "ID",
        "IP",
        "RRN",
        "ARN",
        "UTR",
    )
}


for _model in (Record, Event):
    # A property without a name of its own would be headed "Public id".
    admin.display(description="ID")(_model.__dict__["public_id"].fget)


def _display_of_numbers(model: type[Model]) -> dict[str, Callable[[str], str]]:
    """Return how the paise and the thousandths of units of a model are shown where they cannot be edited."""
    return {**dict.fromkeys(money_fields(model), as_rupees), **dict.fromkeys(quantity_fields(model), as_units)}


def spell_field_name(words: str) -> str:
    """
    Return the name of a field as people write it.

    That is "CGST amount" of "cgst amount", "withdrawn" of "is withdrawn", "first day" of "first on", and "on hand" of "on hand milli".
    """
    plain = re.sub(r"^(first|last) on$", r"\1 day", words.removesuffix(" milli").removeprefix("is "))
    return " ".join(_ACRONYMS.get(word, word) for word in plain.split(" "))


def _spell_field_names(model: type[Model]) -> None:
    """Give the fields of a model the names that forms and headings show; migrations keep the name that the model gave."""
    for field in model._meta.concrete_fields:
        spelled = spell_field_name(str(field.verbose_name))
        if spelled != field.verbose_name:
            field.verbose_name = spelled


def link(href: str, text: str) -> SafeString:
    """Return a link that looks like one; the styles of the back office show a bare one as text."""
    return format_html('<a href="{}" class="font-medium text-primary-600 dark:text-primary-500">{}</a>', href, text)


def age(since: datetime, until: datetime) -> str:
    """Return how long something has been so, in its largest unit."""
    return _JUST_NOW if until - since < timedelta(minutes=1) else timesince(since, until, depth=1)


def ago(since: datetime, until: datetime) -> str:
    """Return how long ago something happened, in its largest unit."""
    how_long = age(since, until)
    return how_long if how_long == _JUST_NOW else f"{how_long} ago"


def tones(choices: type[TextChoices], **by_tone: Sequence[str]) -> dict[str, str]:
    """
    Return the colour of each choice for Unfold's labels: `success`, `info`, `warning`, `danger`, or none.

    All choices are there, since Unfold shows one that is missing as it is stored.
    """
    return dict.fromkeys(choices.values, "") | {value: tone for tone, values in by_tone.items() for value in values}


def join_nonempty(values: dict[str, Any], names: Sequence[str]) -> str:
    """Return the values that are there, parted by commas, as an address is read out."""
    return ", ".join(str(values[name]) for name in names if values.get(name))


class ChoicesView(AutocompleteJsonView):
    """The choices of a field, for forms: only of fields that a page shows as a search box."""

    def process_request(self, request: HttpRequest) -> Any:
        """
        Return what Django's view works with.

        Django answers for any field of any model, so that staff who may see people masked could list them unmasked.

        :raises PermissionDenied: if no page offers the field as a search box
        """
        found = super().process_request(request)
        field = found[2]
        page: Any = self.admin_site._registry.get(field.model) if self.admin_site else None
        if page is None or field.name not in page.get_autocomplete_fields(request):
            raise PermissionDenied
        return found


@dataclass(frozen=True)
class SitePage:
    """
    A page of the back office that belongs to no model: its path below the site's, its name for `reverse`, and its view.

    It is for staff who are signed in, unless it `is_public`.
    """

    path: str
    name: str
    view: Callable[..., HttpResponse]
    is_public: bool = False


_site_pages: list[SitePage] = []


def add_site_page(page: SitePage) -> None:
    """Add a page to the back office, or replace Django's of the same name; called from the admin module of an app."""
    _site_pages.append(page)


def site_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the frame around a page of the back office needs."""
    return dict(admin.site.each_context(request))


class BahiAdminSite(UnfoldAdminSite):
    """
    The back office as a whole.

    It has no page of Django's that changes a password: that would neither take a code nor end sessions.
    """

    def get_urls(self) -> list[Any]:
        pages = [
            path(page.path, page.view if page.is_public else self.admin_view(page.view), name=page.name)
            for page in _site_pages
        ]
        left_out = {page.name for page in _site_pages} | {"password_change", "password_change_done"}
        return [*pages, *(url for url in super().get_urls() if getattr(url, "name", None) not in left_out)]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Return a view for staff who are signed in; what it shows of customers' contacts is masked for most of them."""

        @wraps(view)
        def masked(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
            return mask_response(request, view(request, *args, **options))

        return super().admin_view(masked, cacheable)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the apps and their models, which are found when something shows them: Bahi's menu is its own, and no page does."""
        return SimpleLazyObject(lambda: super(BahiAdminSite, self).get_app_list(request, app_label))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        return ChoicesView.as_view(admin_site=self)(request)


class BahiAdmin(ObjectActionsMixin, ModelAdmin):
    """The base of every admin page."""

    #: How fields are shown where they cannot be edited, by name.
    readonly_preprocess_fields: dict[str, Callable[[str], str]] = {}
    paginator = UncountedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count
    list_disable_select_all = True
    list_per_page = 50
    #: Parameters of filters, as `status__exact` or `todo=approve`, whose rows an index finds however few they are among millions.
    indexed_filters: Sequence[str] = ()
    #: Whether an index finds the rows of a search.
    is_search_indexed = False
    compressed_fields = True
    change_form_template = "admin/change_form_with_panels.html"
    #: Whether an object's page shows phone numbers or e-mail addresses of customers, which most staff see masked.
    shows_contacts = False
    #: What stands above a list with `list_before_template = INTRODUCTION`: a text, and buttons by the names and titles of pages.
    introduction = ""
    introduction_links: Sequence[tuple[str, str]] = ()

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        _spell_field_names(model)
        self.readonly_preprocess_fields = {**_display_of_numbers(model), **self.readonly_preprocess_fields}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if self.fields:
            return fields
        return [name for name in fields if name not in _BOOKKEEPING] + [name for name in _BOOKKEEPING if name in fields]

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field of a model's field; an amount is typed in rupees, a whole number in the digits 0 to 9."""
        if is_money(db_field):
            label = str(db_field.verbose_name)
            is_required = not (db_field.blank or db_field.has_default())
            help_text = f"{db_field.help_text} Type rupees, such as 599.00.".strip()
            return RupeesField(label=label[:1].upper() + label[1:], required=is_required, help_text=help_text)
        if isinstance(db_field, IntegerField) and not db_field.choices:
            kwargs.setdefault("form_class", WholeNumberField)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UncountedChangeList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        instance = self.get_object(request, object_id)
        if instance is None or not self.has_view_permission(request, instance):
            return super().change_view(request, object_id, form_url, extra_context)
        panels = panels_for(request, instance)
        context = {
            "panels": [panel for panel in panels if panel["rows"]],
            "empty_panels": ", ".join(
                panel["title"] for panel in panels if panel["is_named_when_empty"] and not panel["rows"]
            ),
            "headline": find_headline(instance),
            "object_actions": [*self.object_actions_for(request, instance), *self._contacts_button(request)],
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _contacts_button(self, request: HttpRequest) -> list[dict[str, Any]]:
        return show_contacts_button(request) if self.shows_contacts else []

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the object with an id in its one spelling; Python reads a UUID in many, and records name a page by its path."""
        if "\x00" in object_id:
            return None
        found = super().get_object(request, object_id, from_field)
        return found if found is None or from_field or str(found.pk) == object_id else None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ServiceAdmin(BahiAdmin):
    """A page whose forms write through services, whose refusals they show; then nothing is written, and what was typed is kept."""

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> Any:
        """Make a new object of the form's values and return it."""
        raise NotImplementedError

    def change_through_service(self, request: HttpRequest, obj: Any, changes: dict[str, Any]) -> Any:
        """Change an object by the form's fields that have changed and return it."""
        raise NotImplementedError

    def required_confirmation(
        self, obj: Any, before: Mapping[str, Any], changes: Mapping[str, Any]
    ) -> Confirmation | None:
        """Return what must be confirmed before these changes of an object are saved; `before` has what its form began with."""
        return None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            confirmation = self.required_confirmation(obj, form.initial, changes)
            # First, so that nobody confirms what is refused then; Django's page rolls it back while it is unconfirmed.
            saved = self.change_through_service(request, obj, changes)
            require_confirmation(request, confirmation)
        else:
            saved = self.add_through_service(request, dict(form.cleaned_data))
        # Django's page goes on with this instance: the log, the message, the address it leads to.
        obj.__dict__.update(saved.__dict__)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ConfirmationRequired as unconfirmed:
            return self._render_save_confirmation(request, unconfirmed.confirmation)
        except BahiError as error:
            request.refusal = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the class of the form; after a refusal one that says it and keeps what was typed."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return refused_form(form, request.refusal) if hasattr(request, "refusal") else form

    def _render_save_confirmation(self, request: HttpRequest, confirmation: Confirmation) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": confirmation.title,
            "opts": self.model._meta,
            "confirmation": confirmation,
            "confirmed": CONFIRMED,
            "typed_values": typed_values(request),
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "admin/confirmation.html", context)


class ReadOnlyAdmin(BahiAdmin):
    """A page to look at. What changes money, stock or documents is a service, offered as an action where it makes sense."""

    # A click on a heading would sort millions of rows; only the default order has an index.
    sortable_by: Sequence[str] | None = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyTabularInline(TabularInline):
    """Rows of a child model, to look at."""

    readonly_preprocess_fields: dict[str, Callable[[str], str]] = {}
    extra = 0
    hide_title = True
    can_delete = False
    show_change_link = False

    def __init__(self, parent_model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(parent_model, admin_site)
        _spell_field_names(self.model)
        self.readonly_preprocess_fields = {**_display_of_numbers(self.model), **self.readonly_preprocess_fields}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows with what their columns refer to, in one query: Django would read it row by row."""
        rows: QuerySet[Any] = super().get_queryset(request)
        references = [
            field.name for field in self.model._meta.fields if field.is_relation and field.name in (self.fields or ())
        ]
        return rows.select_related(*references) if references else rows

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
