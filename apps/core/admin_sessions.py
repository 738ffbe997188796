"""How long a log-in of the back office lasts: 30 minutes without a request, and 8 hours in any case."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from apps.core import clock
from apps.core.fixed_paths import path_of

STARTED_AT = "started_at"
USED_AT = "used_at"
#: A request does not renew a session that another one has renewed within this time: parallel ones would overwrite each other.
_RENEWED_FOR_SECONDS = 30


class BackOfficeSessionMiddleware:
    """
    End a log-in of the back office that is too old, or has not been used for too long, before anything is done with it.

    Both instants are kept in the session. A session without them begins with this request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(path_of("admin:index")):
            return self.get_response(request)

        now = clock.now()
        _begin(request, now)
        if SESSION_KEY in request.session:
            ended = _why_ended(request, now)
            if ended:
                request.session.flush()
                request.user = AnonymousUser()
                messages.info(request, ended)
            else:
                _renew(request, now)

        response = self.get_response(request)

        _begin(request, now)  # the view may have logged somebody in
        return response


def _begin(request: HttpRequest, now: datetime) -> None:
    if SESSION_KEY in request.session and not {STARTED_AT, USED_AT} <= set(request.session.keys()):
        request.session[STARTED_AT] = request.session[USED_AT] = int(now.timestamp())


def _why_ended(request: HttpRequest, now: datetime) -> str:
    started_at, used_at = request.session[STARTED_AT], request.session[USED_AT]
    if now.timestamp() - started_at >= settings.ADMIN_SESSION_LIFETIME.total_seconds():
        hours = int(settings.ADMIN_SESSION_LIFETIME.total_seconds() // 3600)
        return f"You were logged out because you logged in {hours} hours ago. Log in again."
    if now.timestamp() - used_at >= settings.ADMIN_SESSION_IDLE.total_seconds():
        minutes = int(settings.ADMIN_SESSION_IDLE.total_seconds() // 60)
        return f"You were logged out after {minutes} minutes without activity. Log in again."
    return ""


def _renew(request: HttpRequest, now: datetime) -> None:
    if now.timestamp() - request.session[USED_AT] >= _RENEWED_FOR_SECONDS:
        request.session[USED_AT] = int(now.timestamp())
