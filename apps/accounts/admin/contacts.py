"""Reading a phone number or an e-mail address whole: a click that is recorded, for one page and five minutes."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve, reverse

from apps.accounts import services
from apps.core import clock
from apps.core.admin_actions import act_for
from apps.core.admin_contacts import SHOW_CONTACTS, SHOWN_FOR, show_contacts_on
from apps.core.admin_site import SitePage, add_site_page, site_context


def show_contacts(request: HttpRequest) -> HttpResponse:
    """Ask whether contacts are to be shown on a page; once that is confirmed, record it and show them there."""
    page = request.GET.get("page", "")
    if not _is_page_of_ours(page):
        return HttpResponseRedirect(reverse("admin:index"))
    if request.method == "POST":
        user: Any = request.user
        services.record_contacts_shown(user_id=user.pk, page=page, actor=act_for(request), now=clock.now())
        show_contacts_on(request, page)
        return HttpResponseRedirect(page)
    minutes = int(SHOWN_FOR.total_seconds() // 60)
    context = {
        **site_context(request),
        "title": SHOW_CONTACTS,
        "object_action": {"title": SHOW_CONTACTS, "is_danger": False},
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


def _is_page_of_ours(page: str) -> bool:
    """Return whether a path is of the page of one object; a person who may not open it is refused there."""
    try:
        found = resolve(page)
    except Resolver404:
        return False
    return found.app_name == "admin" and str(found.url_name).endswith("_change")


add_site_page(SitePage(path="contacts/show/", name="show_contacts", view=show_contacts))
