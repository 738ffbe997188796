"""
What staff may do to one thing of the back office: a page of its own that says beforehand what will happen.

An app adds deeds to the pages of apps below it, as it adds panels. Nothing happens but through the function that a deed names,
which calls a service; what the service refuses is shown on the page, with what was typed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.events import Actor

#: What will happen to an object, as pairs of a heading and a text.
Forecast = Callable[[Any], Sequence[tuple[str, Any]]]


def _always(_: Any) -> bool:
    return True


def _nothing(_: Any) -> Sequence[tuple[str, Any]]:
    return ()


def _no_obstacle(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class Deed:
    """
    One thing that can be done, to a `model_label` such as `orders.order`.

    `does` gets the object, the user, who acts, the time and what the form holds, and returns the sentence to show afterwards.
    `is_offered` tests if it makes sense now. `obstacle` returns why it must wait, or nothing: then there is nothing to confirm.
    """

    name: str
    title: str
    permission: str
    does: Callable[..., str]
    icon: str = "bolt"
    form: type[forms.Form] = forms.Form
    is_offered: Callable[[Any], bool] = _always
    forecast: Forecast = _nothing
    obstacle: Callable[[Any], str] = _no_obstacle
    is_danger: bool = False


_deeds: dict[str, list[Deed]] = {}
_further: dict[tuple[str, str], list[Forecast]] = {}


def add_deed(model_label: str, deed: Deed) -> None:
    """Offer a deed on the admin page of a model, named as `orders.order`; called from an admin module of the same app or of one above."""
    _deeds.setdefault(model_label, []).append(deed)


def add_forecast(model_label: str, name: str, forecast: Forecast) -> None:
    """Say on the page of a deed what else will happen; called from the admin module of an app above the one that does it."""
    _further.setdefault((model_label, name), []).append(forecast)


def deeds_of(model: type[Model]) -> list[Deed]:
    """Return what can be done on the page of a model."""
    return _deeds.get(model._meta.label_lower, [])


def act_for(request: HttpRequest) -> Actor:
    """Return who works at a page, as events keep it."""
    user: Any = request.user
    return Actor(kind="user", id=user.public_id, label=str(user))


class WithDeeds:
    """A page of the back office that offers deeds."""

    model: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        label = self.model._meta.label_lower
        page = path(
            "<path:object_id>/do/<slug:name>/",
            self.admin_site.admin_view(self.deed_view),
            name=f"{label.replace('.', '_')}_do",
        )
        return [page, *super().get_urls()]  # type: ignore[misc]

    def deeds_for(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Return the buttons of an object's page: what this member of staff may do to it now."""
        return [
            {"title": deed.title, "icon": deed.icon, "is_danger": deed.is_danger, "href": self._address(obj, deed.name)}
            for deed in deeds_of(self.model)
            if request.user.has_perm(deed.permission) and deed.is_offered(obj)
        ]

    def deed_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Show what a deed will do, and do it when it is confirmed."""
        page: Any = self
        deed = next((one for one in deeds_of(self.model) if one.name == name), None)
        obj = page.get_object(request, object_id)
        if deed is None or obj is None:
            return HttpResponseRedirect(reverse("admin:index"))
        if not page.has_view_permission(request, obj) or not request.user.has_perm(deed.permission):
            raise PermissionDenied
        if not deed.is_offered(obj):
            page.message_user(request, f"{obj}: “{deed.title}” is not possible any more.", messages.WARNING)
            return HttpResponseRedirect(self._page_of(obj))
        form = deed.form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                said = deed.does(obj, user=request.user, actor=act_for(request), now=clock.now(), **form.cleaned_data)
            except BahiError as error:
                page.message_user(request, error.text, messages.ERROR)
            else:
                page.message_user(request, said, messages.SUCCESS)
                return HttpResponseRedirect(self._page_of(obj))
        return self._ask(request, deed, obj, form)

    def _ask(self, request: HttpRequest, deed: Deed, obj: Any, form: forms.Form) -> HttpResponse:
        obstacle = deed.obstacle(obj)
        forecasts = [] if obstacle else [deed.forecast, *_further.get((self.model._meta.label_lower, deed.name), [])]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{deed.title}: {obj}",
            "opts": self.model._meta,
            "deed": deed,
            "object": obj,
            "form": form,
            "obstacle": obstacle,
            "forecast": [row for forecast in forecasts for row in forecast(obj)],
            "back": self._page_of(obj),
        }
        return TemplateResponse(request, "admin/deed.html", context)

    def _page_of(self, obj: Any) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_change", args=[obj.pk])

    def _address(self, obj: Any, name: str) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_do", args=[obj.pk, name])
