"""
What staff may do to one thing of the back office: a page of its own that says beforehand what will happen.

An app adds actions to the pages of apps below it, as it adds panels. Nothing happens but through the function that an action names,
which calls a service; what the service refuses is shown on the page, with what was typed. A page that is submitted twice takes
effect once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from apps.core import clock, idempotency, ids
from apps.core.errors import BahiError
from apps.core.events import Actor, user_actor

#: What will happen to an object, as pairs of a heading and a text.
Forecast = Callable[[Any], Sequence[tuple[str, Any]]]


#: What an action means for the person who is about to do it, in the same form.
ForecastForActor = Callable[[Any, Actor], Sequence[tuple[str, Any]]]

_REQUEST_KEY = re.compile(r"[0-9a-f-]{36}")
_SUBMITTED_TWICE = "This page was submitted twice; it took effect once."
_IN_FLIGHT = "The first click is still being processed. Reload this page in a second."
_OTHER_VALUES = (
    "This page was already submitted with other values, so nothing was changed this time. Open the action again."
)


class ObjectForm(forms.Form):
    """A form whose fields depend on the object that the action is done to."""

    def __init__(self, *args: Any, obj: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.obj = obj


@dataclass(frozen=True)
class Preview:
    """
    What a filled form will do: pairs of a heading and a text, and the text of the button that confirms it.

    `seen` has fields of the form that say what the reader was shown; the confirmation brings them back.
    """

    rows: Sequence[tuple[str, Any]]
    button: str
    seen: Mapping[str, Any] = field(default_factory=dict)


def _always(_: Any) -> bool:
    return True


def _nothing(_: Any) -> Sequence[tuple[str, Any]]:
    return ()


def _nothing_for_actor(_: Any, __: Actor) -> Sequence[tuple[str, Any]]:
    return ()


def _not_blocked(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class ObjectAction:
    """
    One thing that can be done, to a `model_label` such as `orders.order`.

    `perform` gets the object, the user, who acts, the time and what the form holds, and returns the sentence to show afterwards.
    `is_available` tests if it makes sense now. `blocked_reason` returns why it must wait, or nothing: then there is nothing to confirm.
    `preview` gets the object, who acts and what the form holds, where what will happen depends on it: then the form leads to a
    second page, which shows the preview and is confirmed.
    """

    name: str
    title: str
    permission: str
    perform: Callable[..., str]
    icon: str = "bolt"
    form: type[forms.Form] = forms.Form
    is_available: Callable[[Any], bool] = _always
    forecast: Forecast = _nothing
    forecast_for_actor: ForecastForActor = _nothing_for_actor
    blocked_reason: Callable[[Any], str] = _not_blocked
    preview: Callable[..., Preview] | None = None
    is_destructive: bool = False

    def form_for(self, obj: Any, data: Any = None) -> forms.Form:
        """Return the form of an object, bound if there is data."""
        return self.form(data, obj=obj) if issubclass(self.form, ObjectForm) else self.form(data)


_object_actions: dict[str, list[ObjectAction]] = {}
_added_forecasts: dict[tuple[str, str], list[Forecast]] = {}


def add_object_action(model_label: str, action: ObjectAction) -> None:
    """Offer an action on the admin page of a model, as `orders.order`; called from an admin module of the same app or of one above."""
    _object_actions.setdefault(model_label, []).append(action)


def add_forecast(model_label: str, name: str, forecast: Forecast) -> None:
    """Say on the page of an action what else will happen; called from the admin module of an app above the one that does it."""
    _added_forecasts.setdefault((model_label, name), []).append(forecast)


def object_actions_of(model: type[Model]) -> list[ObjectAction]:
    """Return what can be done on the page of a model."""
    return _object_actions.get(model._meta.label_lower, [])


def staff_actor(request: HttpRequest) -> Actor:
    """Return who works at a page, as events keep it."""
    return user_actor(request.user)


class ObjectActionsMixin:
    """A page of the back office that offers actions."""

    model: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        label = self.model._meta.label_lower
        page = path(
            "<path:object_id>/actions/<slug:name>/",
            self.admin_site.admin_view(self.object_action_view),
            name=f"{label.replace('.', '_')}_action",
        )
        return [page, *super().get_urls()]  # type: ignore[misc]

    def object_actions_for(self, request: HttpRequest, obj: Any) -> list[dict[str, Any]]:
        """Return the buttons of an object's page: what this member of staff may do to it now."""
        return [
            {
                "title": action.title,
                "icon": action.icon,
                "is_destructive": action.is_destructive,
                "href": self._action_url(obj, action.name),
            }
            for action in object_actions_of(self.model)
            if request.user.has_perm(action.permission) and action.is_available(obj)
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
        if not action.is_available(obj) and not _is_resubmitted(request):
            page.message_user(request, f"{obj}: “{action.title}” is no longer possible.", messages.WARNING)
            return HttpResponseRedirect(self._change_url(obj))
        if request.method != "POST":
            return self._render_confirmation(request, action, obj, action.form_for(obj))
        return self._submit(request, action, obj)

    def _submit(self, request: HttpRequest, action: ObjectAction, obj: Any) -> HttpResponse:
        page: Any = self
        form, is_resubmitted = action.form_for(obj, request.POST), _is_resubmitted(request)
        is_valid = form.is_valid()
        if not is_resubmitted and ("edit" in request.POST or not is_valid):
            return self._render_confirmation(request, action, obj, form)
        is_confirmed = is_resubmitted or ("confirmed" in request.POST and _request_key(request))
        try:
            if action.preview is not None and not is_confirmed:
                values = form.cleaned_data
                return self._show_preview(
                    request, action, obj, form, action.preview(obj, staff_actor(request), **values)
                )
            message, is_replay = self._perform_once(request, action, obj, form)
        except idempotency.RequestInFlight:
            page.message_user(request, _IN_FLIGHT, messages.WARNING)
        except idempotency.IdempotencyKeyReused:
            page.message_user(request, _OTHER_VALUES, messages.WARNING)
        except BahiError as error:
            page.message_user(request, error.text, messages.ERROR)
            return self._render_confirmation(request, action, obj, form)
        else:
            page.message_user(request, f"{message} {_SUBMITTED_TWICE}" if is_replay else message, messages.SUCCESS)
        return HttpResponseRedirect(self._change_url(obj))

    def _perform_once(self, request: HttpRequest, action: ObjectAction, obj: Any, form: forms.Form) -> tuple[str, bool]:
        """Do what an action names, once per page that was opened, and return its sentence and whether it had been done before."""
        actor, now = staff_actor(request), clock.now()
        return idempotency.run_once(
            principal=actor.id,
            route=f"admin {action.name} {self.model._meta.label_lower}",
            key=_request_key(request) or str(ids.new()),
            fingerprint=_fingerprint(request, action, obj),
            effect=lambda: action.perform(obj, user=request.user, actor=actor, now=now, **form.cleaned_data),
            now=now,
        )

    def _render_confirmation(
        self, request: HttpRequest, action: ObjectAction, obj: Any, form: forms.Form
    ) -> HttpResponse:
        blocked_reason = action.blocked_reason(obj)
        forecasts = [] if blocked_reason else [action.forecast, *self._added_forecasts_of(action)]
        rows = [
            *(row for forecast in forecasts for row in forecast(obj)),
            *(() if blocked_reason else action.forecast_for_actor(obj, staff_actor(request))),
        ]
        button = "Continue" if action.preview else action.title
        return self._render(
            request, action, obj, form=form, blocked_reason=blocked_reason, forecast=rows, button=button
        )

    def _show_preview(
        self, request: HttpRequest, action: ObjectAction, obj: Any, form: forms.Form, preview: Preview
    ) -> HttpResponse:
        """Show what a filled form will do, with all that was typed in hidden fields."""
        rows = [
            *preview.rows,
            *(row for forecast in self._added_forecasts_of(action) for row in forecast(obj)),
        ]
        data: QueryDict = request.POST.copy()
        for name, value in preview.seen.items():
            data[name] = str(value)
        return self._render(
            request,
            action,
            obj,
            form=action.form_for(obj, data),
            forecast=rows,
            button=preview.button,
            is_preview=True,
        )

    def _render(self, request: HttpRequest, action: ObjectAction, obj: Any, **context: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.title}: {obj}",
            "opts": self.model._meta,
            "object_action": action,
            "object": obj,
            "request_key": str(ids.new()),
            "back": self._change_url(obj),
            **context,
        }
        return TemplateResponse(request, "admin/object_action.html", context)

    def _added_forecasts_of(self, action: ObjectAction) -> list[Forecast]:
        return _added_forecasts.get((self.model._meta.label_lower, action.name), [])

    def _change_url(self, obj: Any) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_change", args=[obj.pk])

    def _action_url(self, obj: Any, name: str) -> str:
        return reverse(f"admin:{self.model._meta.label_lower.replace('.', '_')}_action", args=[obj.pk, name])


def _request_key(request: HttpRequest) -> str:
    """Return the key that the submitted page was given when it was opened, or nothing if it has none that Bahi issued."""
    key = str(request.POST.get("request_key", ""))
    return key if _REQUEST_KEY.fullmatch(key) else ""


def _is_resubmitted(request: HttpRequest) -> bool:
    """Test if the same page was submitted before and took effect."""
    key = _request_key(request) if request.method == "POST" else ""
    return bool(key) and idempotency.has_stored_response(principal=staff_actor(request).id, key=key)


def _fingerprint(request: HttpRequest, action: ObjectAction, obj: Any) -> str:
    values = {name: request.POST.getlist(name) for name in request.POST if name != "csrfmiddlewaretoken"}
    message = idempotency.canonical([obj._meta.label_lower, str(obj.pk), action.name, values])
    return hashlib.sha256(message).hexdigest()
