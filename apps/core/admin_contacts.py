"""
Customers' phone numbers and e-mail addresses in the back office: masked on every page, for all who may not read them.

They are masked where pages leave, so that no page can forget to. Who needs one has it shown on one page, for five minutes; that is
recorded by the app that owns people.
"""

import json
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from apps.core import clock
from apps.core.masking import mask_in_data, mask_in_page

SHOW_CONTACTS: Final = "Show phone and e-mail"
SHOW_DURATION: Final = timedelta(minutes=5)
_SHOWN: Final = "contacts_shown_until"


def can_read_contacts(request: HttpRequest) -> bool:
    """Return whether who works at a page reads contacts whole, everywhere."""
    user: Any = request.user
    return bool(user.has_perm(settings.CONTACT_DETAILS_PERMISSION))


def show_contacts_on(request: HttpRequest, path: str) -> None:
    """Let contacts be shown on the page at a path, to this session alone, for five minutes."""
    now = clock.now().timestamp()
    live = {page: until for page, until in request.session.get(_SHOWN, {}).items() if until > now}
    request.session[_SHOWN] = {**live, path: now + SHOW_DURATION.total_seconds()}


def are_contacts_shown(request: HttpRequest) -> bool:
    """Return whether contacts are shown whole on the page that is asked for."""
    until = request.session.get(_SHOWN, {}).get(request.path, 0)
    return can_read_contacts(request) or until > clock.now().timestamp()


def show_contacts_button(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the button of a page on which contacts are masked, or nothing."""
    if are_contacts_shown(request):
        return []
    href = f"{reverse('admin:show_contacts')}?{urlencode({'page': request.path})}"
    return [{"title": SHOW_CONTACTS, "icon": "visibility", "is_destructive": False, "href": href}]


def mask_response(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Mask the contacts in an answer of the back office, unless they are shown; one's own e-mail address stays."""
    user: Any = request.user
    if not user.is_authenticated or are_contacts_shown(request):
        return response
    own = frozenset(filter(None, (user.email, user.phone)))

    def mask(rendered: Any) -> None:
        kind = rendered.headers.get("Content-Type", "")
        if rendered.streaming or not kind.startswith(("text/html", "application/json")):
            return
        text = rendered.content.decode(rendered.charset)
        if kind.startswith("text/html"):
            masked = mask_in_page(text, except_for=own)
        else:
            masked = json.dumps(mask_in_data(json.loads(text), except_for=own))
        rendered.content = masked.encode(rendered.charset)

    if hasattr(response, "add_post_render_callback"):
        response.add_post_render_callback(mask)
    else:
        mask(response)
    return response
