"""
What staff may do to one thing of the back office: a page of its own that says beforehand what will happen.

An app adds actions to the pages of apps below it, as it adds panels. Nothing happens but through the function that an action names,
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


#: What an action means for the person who is about to do it, in the same form.
ForecastForActor = Callable[[Any, Actor], Sequence[tuple[str, Any]]]


def _always(_: Any) -> bool:
    return True


def _nothing(_: Any) -> Sequence[tuple[str, Any]]:
    return ()


def _nothing_for_actor(_: Any, __: Actor) -> Sequence[tuple[str, Any]]:
    return ()


def _no_obstacle(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class ObjectAction:
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
    forecast_for_actor: ForecastForActor = _nothing_for_actor
    obstacle: Callable[[Any], str] = _no_obstacle
    is_danger: bool = False


_object_actions: dict[str, list[ObjectAction]] = {}
_further: dict[tuple[str, str], list[Forecast]] = {}


def add_object_action(model_label: str, action: ObjectAction) -> None:
    """Offer an action on the admin page of a model, as `orders.order`; called from an admin module of the same app or of one above."""
    _object_actions.setdefault(model_label, []).append(action)


def add_forecast(model_label: str, name: str, forecast: Forecast) -> None:
    """Say on the page of an action what else will happen; called from the admin module of an app above the one that does it."""
    _further.setdefault((model_label, name), []).append(forecast)


def object_actions_of(model: type[Model]) -> list[ObjectAction]:
    """Return what can be done on the page of a model."""
    return _object_actions.get(model._meta.label_lower, [])


def act_for(request: HttpRequest) -> Actor:
    """Return who works at a page, as events keep it."""
    user: Any = request.user
    return Actor(kind="user", id=user.public_id, label=str(user))


class WithObjectActions:
    """A page of the back office that offers actions."""

    model: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        label = self.model._meta.label_lower
        page = path(
            "<path:object_id>/do/<slug:name>/",
            self.admin_site.admin_view(self.object_action_view),
            name=f"{label.replace('.', '_')}_do",
        )
        return [page, *super().get_urls()]  # type: ignore[misc]

    def object_actions_for(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Return the buttons of an object's page: what this member of staff may do to it now."""
        return [
            {
                "title": action.title,
                "icon": action.icon,
                "is_danger": action.is_danger,
                "href": self._address(obj, action.name),
            }
            for action in object_actions_of(self.model)
            if request.user.has_perm(action.permission) and action.is_offered(obj)
        ]

    def object_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Show what an action will do, and do it when it is confirmed."""
        page: Any = self
        action = next((one for one in object_actions_of(self.model) if one.name == name), None)
        obj = page.get_object(request, object_id)
        if action is None or obj is None:
            return HttpResponseRedirect(reverse("admin:index"))
        if not page.has_view_permission(request, obj) or not request.user.has_perm(action.permission):
            raise PermissionDenied
        if not action.is_offered(obj):
            page.message_user(request, f"{obj}: “{action.title}” is not possible any more.", messages.WARNING)
            return HttpResponseRedirect(self._page_of(obj))
        form = action.form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                said = action.does(obj, user=request.user, actor=act_for(request), now=clock.now(), **form.cleaned_data)
            except BahiError as error:
                page.message_user(request, error.text, messages.ERROR)
            else:
                page.message_user(request, said, messages.SUCCESS)
                return HttpResponseRedirect(self._page_of(obj))
        return self._ask(request, action, obj, form)

    def _ask(self, request: HttpRequest, action: ObjectAction, obj: Any, form: forms.Form) -> HttpResponse:
        obstacle = action.obstacle(obj)
        forecasts = (
            [] if obstacle else [action.forecast, *_further.get((self.model._meta.label_lower, action.name), [])]
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.title}: {obj}",
            "opts": self.model._meta,
            "object_action": action,
            "object": obj,
            "form": form,
            "obstacle": obstacle,
            "forecast": [
                *(row for forecast in forecasts for row in forecast(obj)),
                *(() if obstacle else action.forecast_for_actor(obj, act_for(request))),
            ],
            "back": self._page_of(obj),
        }
        return TemplateResponse(request, "admin/object_action.html", context)

    def _page_of(self, obj: Any) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_change", args=[obj.pk])

    def _address(self, obj: Any, name: str) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_do", args=[obj.pk, name])
