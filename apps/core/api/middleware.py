"""Every request has an id, and leaves one line in the log."""

import re
import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from apps.core import ids
from apps.core.events import current_request_id

log = structlog.get_logger(__name__)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.:-]{8,80}")
_QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class RequestIdMiddleware:
    """
    Take the caller's X-Request-Id or make one; send it back, bind it to logs and events, log the request when it is done.

    Query strings are not logged: they can hold what people typed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get("X-Request-Id", "")
        request_id = sent if _ACCEPTED_ID.fullmatch(sent) else ids.encode("req", ids.new())
        token = current_request_id.set(request_id)
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = self.get_response(request)
                self._log(request, response, started)
            finally:
                current_request_id.reset(token)
        response["X-Request-Id"] = request_id
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        if request.path in _QUIET_PATHS:
            return
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
            user=_known_user(request),
        )


def _known_user(request: HttpRequest) -> str | None:
    # A log line asks the database nothing: who is signed in is told only where somebody has looked already.
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None
