"""Reading a phone number or an e-mail address whole: a click that is recorded, for one page and five minutes."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve, reverse

from apps.accounts.models import User
from apps.accounts.services import contact_details
from apps.core import clock, ids
from apps.core.admin_actions import staff_actor
from apps.core.admin_contacts import SHOW_CONTACTS, SHOW_DURATION, show_contacts_on
from apps.core.admin_site import SitePage, add_site_page, site_context


@dataclass(frozen=True)
class _Shown:
    """The page of an object by its one path, and whom it shows: the object's public id and that of its person."""

    page: str
    public_ids: tuple[str, ...]


def show_contacts(request: HttpRequest) -> HttpResponse:
    """Ask whether contacts are to be shown on a page; once that is confirmed, record it and show them there."""
    shown = _find_shown(request, request.GET.get("page", ""))
    if shown is None:
        return HttpResponseRedirect(reverse("admin:index"))
    page = shown.page
    if request.method == "POST":
        user: Any = request.user
        contact_details.record_contact_details_view(
            user_id=user.pk, page=page, public_ids=shown.public_ids, actor=staff_actor(request), now=clock.now()
        )
        show_contacts_on(request, page)
        return HttpResponseRedirect(page)
    minutes = int(SHOW_DURATION.total_seconds() // 60)
    context = {
        **site_context(request),
        "title": SHOW_CONTACTS,
        "object_action": {"title": SHOW_CONTACTS, "is_destructive": False},
        "forecast": [
            (
                "What you see",
                f"Phone numbers and e-mail addresses on this page are shown whole for {minutes} minutes, to you alone.",
            ),
            ("What is recorded", f"It is recorded that you had them shown, when, and on this page: {page}."),
        ],
        "back": page,
    }
    return TemplateResponse(request, "admin/object_action.html", context)


def _find_shown(request: HttpRequest, page: str) -> _Shown | None:
    """
    Return what the page at a path shows, or None if it is no page of an object that shows contacts.

    Only the one spelling of a path is taken: what is recorded must name the object and its person.

    :raises PermissionDenied: if the object's page is closed to this member of staff
    """
    try:
        found = resolve(page)
    except Resolver404:
        return None
    model_admin = next(
        (
            one
            for model, one in admin.site._registry.items()
            if (found.app_name, found.url_name) == ("admin", f"{model._meta.app_label}_{model._meta.model_name}_change")
        ),
        None,
    )
    if model_admin is None or not getattr(model_admin, "shows_contacts", False):
        return None
    obj = model_admin.get_object(request, unquote(found.kwargs["object_id"]))
    if obj is None or page != reverse(f"admin:{found.url_name}", args=[quote(obj.pk)]):
        return None
    if not model_admin.has_view_or_change_permission(request, obj):
        raise PermissionDenied
    return _Shown(page, _public_ids_of(obj))


def _public_ids_of(obj: Any) -> tuple[str, ...]:
    """Return the public ids of an object and of the person whose contacts its page shows."""
    person = getattr(obj, "customer_id", None) or getattr(obj, "user_id", None)
    return (obj.public_id, ids.encode(User.PREFIX, person)) if person else (obj.public_id,)


add_site_page(SitePage(path="contacts/show/", name="show_contacts", view=show_contacts))
