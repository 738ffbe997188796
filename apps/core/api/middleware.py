"""Every request has an id and leaves one line in the log; a body that cannot be read is refused before anything reads it."""

import re
import time
from collections.abc import Callable
from typing import Any

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from apps.core import ids
from apps.core.api.errors import plain_error_response
from apps.core.api.parser import MAX_BODY_BYTES, BodyIncomplete, BodyTooLarge, LengthRequired, UnexpectedBody
from apps.core.api.requests import METHODS_WITHOUT_BODY, client_ip, has_body
from apps.core.errors import BahiError, Invalid
from apps.core.events import current_request_id
from apps.core.logs import logged_with
from apps.core.security_log import current_client_ip

log = structlog.get_logger(__name__)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_.:-]{8,80}")
_PROXY_HEADERS = {
    f"HTTP_{name.upper().replace('-', '_')}": name
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP")
}
#: Names that routes give to parts of their paths which are not logged.
_PERSONAL_PARTS_OF_PATHS = frozenset({"gstin", "phone", "email"})
_API_ROUTES = "/api/v1/"
_QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

#: A length of more digits is not read as a number: that takes long, and it is too large anyway.
_MAX_DIGITS = 18


class RequestIdMiddleware:
    """
    Take the caller's X-Request-Id or make one; send it back, bind it to logs and events, log the request when it is done.

    Query strings are not logged: they can hold what people typed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = sent if _ACCEPTED_ID.fullmatch(sent) else ids.encode("req", ids.new())
        token = current_request_id.set(request_id)
        ip_token = current_client_ip.set(client_ip(request))
        started = time.monotonic()
        with logged_with(request_id=request_id):
            try:
                response = self.get_response(request)
                self._log(request, response, started)
            finally:
                current_request_id.reset(token)
                current_client_ip.reset(ip_token)
        response["X-Request-Id"] = request_id
        if request.method == "HEAD":
            _drop_body(response)
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        if request.path in _QUIET_PATHS:
            return
        log.info(
            "request",
            method=request.method,
            path=_path_without_personal_data(request),
            status=response.status_code,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
            user=_known_user(request),
        )


def _path_without_personal_data(request: HttpRequest) -> str:
    """Return the path, with what a route takes of a business or a person replaced by its name, whatever it looks like."""
    path, match = request.path, request.resolver_match
    for name, value in (match.kwargs if match else {}).items():
        if name in _PERSONAL_PARTS_OF_PATHS:
            path = path.replace(str(value), f"[{name}]")
    return path


class OriginMiddleware(CorsMiddleware):
    """Says to browsers which other origins may read the answer; of a request that names none it reads no other header."""

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_ORIGIN" in request.META or request.method == "OPTIONS":
            return super().__call__(request)
        response = self.get_response(request)
        if self.is_enabled(request):
            patch_vary_headers(response, ("origin",))  # type: ignore[arg-type]
        return response


class ProxyNotConfigured(Invalid):
    """The request came through a proxy, but Bahi is configured without one. The operator sets `TRUSTED_PROXY_HOPS`."""

    message = (
        "This request came through a proxy (header {0}), but TRUSTED_PROXY_HOPS is 0. Set it to the number of proxies "
        "in front of Bahi, for example TRUSTED_PROXY_HOPS=1."
    )


class ProxyHeaderMiddleware:
    """
    Refuse a request that a proxy has passed on where none is trusted.

    All clients would have the proxy's address: one of them could spend the budgets of all, and HTTPS would not be seen.
    Staging and production refuse it; elsewhere the headers are ignored.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TRUSTED_PROXY_HOPS or not settings.IS_STRICT:
            return self.get_response(request)
        header = next((name for variable, name in _PROXY_HEADERS.items() if variable in request.META), None)
        if header is None:
            return self.get_response(request)
        log.error("proxy_not_configured", header=header)
        return plain_error_response(request, ProxyNotConfigured(header))


class _PagesOnly:
    """
    Makes a middleware one of pages alone. Routes of the API know no session, so that nothing of it is prepared for their requests.

    A view of the API that is not exempt from the check of forged requests refuses every one: the check finds no cookie.
    """

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path.startswith(_API_ROUTES):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PageSessionMiddleware(_PagesOnly, SessionMiddleware):
    """Sessions, which the back office has."""


class PageCsrfMiddleware(_PagesOnly, CsrfViewMiddleware):
    """The check that a form was sent by a page of Bahi."""


class PageAuthenticationMiddleware(_PagesOnly, AuthenticationMiddleware):
    """The member of staff of a session."""


class PageMessageMiddleware(_PagesOnly, MessageMiddleware):
    """Messages for the next page."""


class RequestBodyMiddleware:
    """
    Refuse a body in chunks, one that is too large, and one that did not arrive whole, from any caller and on any page.

    The web process hands such a request over without its body, so that no view may act on a part of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        error = _body_error(request)
        return plain_error_response(request, error) if error is not None else self.get_response(request)


def _body_error(request: HttpRequest) -> BahiError | None:
    if "HTTP_TRANSFER_ENCODING" in request.META:
        return LengthRequired()
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and (len(length) > _MAX_DIGITS or int(length) > MAX_BODY_BYTES):
        return BodyTooLarge()
    # gunicorn marks a body that it could not read to its end; so does our worker, before the view is called.
    if getattr(request.META.get("wsgi.input"), "failed", False) is True:
        return BodyIncomplete()
    # A route of the API says first whether it knows the method: its view refuses the body.
    if request.method in METHODS_WITHOUT_BODY and has_body(request) and not request.path.startswith(_API_ROUTES):
        return UnexpectedBody()
    return None


def _drop_body(response: HttpResponse) -> None:
    """Leave an answer its headers alone: Django hands the body of a HEAD over too, and gunicorn warns of each."""
    if response.streaming:
        response.streaming_content = ()  # type: ignore[attr-defined]
        return
    response.headers.setdefault("Content-Length", str(len(response.content)))
    response.content = b""


def _known_user(request: HttpRequest) -> str | None:
    # Logging makes no query: the user is named only if the request has loaded them already.
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None
