"""The one place that knows HTTP numbers: every error under /api leaves in one shape."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeGuard

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django_ratelimit.exceptions import Ratelimited
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from apps.core import errors
from apps.core.api.parser import BodyIncomplete, BodyTooLarge, LengthRequired
from apps.core.api.renderer import ApiRenderer, to_json
from apps.core.events import current_request_id

log = structlog.get_logger(__name__)

_STATUSES: tuple[tuple[type[errors.BahiError], int, str], ...] = (
    (LengthRequired, 411, "invalid_request"),
    (BodyTooLarge, 413, "invalid_request"),
    (errors.Invalid, 400, "invalid_request"),
    (errors.Unauthenticated, 401, "authentication"),
    (errors.Forbidden, 403, "permission"),
    (errors.NotFound, 404, "not_found"),
    (errors.Conflict, 409, "conflict"),
    (errors.PreconditionFailed, 412, "conflict"),
    (errors.PreconditionRequired, 428, "invalid_request"),
    (errors.Unprocessable, 422, "idempotency"),
    (errors.RateLimited, 429, "rate_limit"),
    (errors.Unavailable, 503, "unavailable"),
)
_TYPES = {400: "invalid_request", 401: "authentication", 403: "permission", 404: "not_found", 405: "invalid_request",
          406: "invalid_request", 409: "conflict", 413: "invalid_request", 415: "invalid_request", 429: "rate_limit",
          503: "unavailable"}  # fmt: skip
#: In place of DRF's sentence, where nothing more is known about what is missing.
_FORBIDDEN = "Your account may not do this. Log in with an account that may."
_DATABASE_BUSY = {"55P03", "57014", "40001", "40P01"}
_LONGEST_MESSAGE = 300
_LONGEST_PARAM = 120


def error_body(
    *, error_type: str, code: str, message: str, param: str | None = None, details: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the one error shape. What it repeats of the request is short and of one line, so that logs and screens can bear it."""
    error: dict[str, Any] = {"type": error_type, "code": code, "message": _line(message, _LONGEST_MESSAGE)}
    if param:
        error["param"] = _line(param, _LONGEST_PARAM)
    if details:
        error["details"] = [_short(detail) for detail in details]
    error["request_id"] = current_request_id.get()
    return {"error": error}


def _short(detail: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _line(value, _LONGEST_MESSAGE if name == "message" else _LONGEST_PARAM)
        if isinstance(value, str)
        else value
        for name, value in detail.items()
    }


def _line(text: str, longest: int) -> str:
    cut = text if len(text) <= longest else f"{text[:longest]}..."
    return "".join(character if character.isprintable() else "\ufffd" for character in cut)


def status_of(error: errors.BahiError) -> tuple[int, str]:
    """Return the HTTP status and the error type of a domain error."""
    for kind, status, error_type in _STATUSES:
        if isinstance(error, kind):
            return status, error_type
    return 500, "internal"


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception of a view into an answer; what is not meant becomes a 500 through Django's own road."""
    response = exception_response(exc)
    if response is not None:
        set_rollback()
        # Whatever the view draws (a page, a picture), its errors are JSON.
        request = context["request"]
        request.accepted_renderer, request.accepted_media_type = ApiRenderer(), ApiRenderer.media_type
    return response


def exception_response(exc: Exception) -> Response | None:
    """Return the answer for an exception of a view, or None for one that nobody meant."""
    if isinstance(exc, errors.BahiError):
        return domain_error_response(exc)
    if isinstance(exc, Ratelimited):
        return domain_error_response(errors.RateLimited(retry_after=60))
    if isinstance(exc, RequestDataTooBig):
        return domain_error_response(BodyTooLarge())
    if isinstance(exc, UnreadablePostError):
        return domain_error_response(BodyIncomplete())
    if isinstance(exc, (OperationalError, InterfaceError)):
        return _database_response(exc)
    if isinstance(exc, Http404):
        exc = drf.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = drf.PermissionDenied()
    if isinstance(exc, drf.ValidationError):
        return _validation_response(exc)
    if isinstance(exc, drf.APIException):
        return _framework_response(exc)
    return None


def domain_error_response(error: errors.BahiError) -> Response:
    """Return the answer for a domain error."""
    status, error_type = status_of(error)
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    body = error_body(
        error_type=error_type, code=error.code, message=error.text, param=error.param, details=error.details
    )
    return Response(body, status=status, headers=headers)


def _database_response(exc: Exception) -> Response:
    state = getattr(exc.__cause__, "sqlstate", None)
    log.warning("database_unavailable", sqlstate=state, exc_info=exc)
    if state in _DATABASE_BUSY:
        error: errors.BahiError = errors.Unavailable(retry_after=1)
    else:
        error = errors.Unavailable(retry_after=5)
    return domain_error_response(error)


def _framework_response(exc: drf.APIException) -> Response:
    status = exc.status_code
    if isinstance(exc, drf.ParseError):
        code, message = "malformed_request", "The request could not be read."
    else:
        code = {403: "forbidden"}.get(status, str(exc.default_code))
        message = _FORBIDDEN if exc.detail == drf.PermissionDenied.default_detail else str(exc.detail)
    headers = {}
    wait = getattr(exc, "wait", None)
    if wait:
        headers["Retry-After"] = str(int(wait) + 1)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(
        error_body(error_type=_TYPES.get(status, "invalid_request"), code=code, message=message),
        status=status,
        headers=headers,
    )


def _validation_response(exc: drf.ValidationError) -> Response:
    details = list(_list_errors(exc.get_full_details()))
    first = details[0] if details else {"param": None, "code": "invalid", "message": "The request is not valid."}
    body = error_body(
        error_type="invalid_request",
        code=str(first["code"]),
        message=str(first["message"]),
        param=first["param"],
        details=details,
    )
    return Response(body, status=400)


def _list_errors(details: object, path: str = "") -> Iterator[dict[str, str | None]]:
    """Yield each error of nested details with the path of its field, such as `lines[0].quantity`."""
    if _is_error(details):
        yield {"param": path or None, "code": details["code"], "message": str(details["message"])}
    elif isinstance(details, dict):
        for name, inner in details.items():
            yield from _list_errors(inner, _extend_path(path, name))
    elif isinstance(details, list):
        is_about_items = any(isinstance(inner, dict) and not _has_error_keys(inner) for inner in details)
        for index, inner in enumerate(details):
            yield from _list_errors(inner, _extend_path(path, index) if is_about_items else path)


def _is_error(details: object) -> TypeGuard[dict[str, str]]:
    """Return whether details are one error, and not the errors of two fields called message and code."""
    return _has_error_keys(details) and not isinstance(details["message"], dict | list)


def _has_error_keys(details: object) -> TypeGuard[dict[str, object]]:
    return isinstance(details, dict) and set(details) == {"message", "code"}


def _extend_path(path: str, name: str | int) -> str:
    """Return the path of a field or item below another; errors of a whole object have the path of the object."""
    if name == api_settings.NON_FIELD_ERRORS_KEY:
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


def _plain(status: int, code: str, message: str) -> Callable[..., HttpResponse]:
    def handler(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        error = exception if isinstance(exception, errors.BahiError) else None
        if not request.path.startswith("/api"):
            return HttpResponse(f"{message}\n", status=status, content_type="text/plain; charset=utf-8")
        body = error_body(
            error_type=_TYPES.get(status, "internal"),
            code=error.code if error else code,
            message=error.text if error else message,
        )
        return HttpResponse(to_json(body), status=status, content_type="application/json")

    return handler


def plain_error_response(request: HttpRequest, error: errors.BahiError) -> HttpResponse:
    """Return the answer for a domain error outside of views: the one shape under /api, its sentence elsewhere."""
    status, error_type = status_of(error)
    if not request.path.startswith("/api"):
        return HttpResponse(f"{error.text}\n", status=status, content_type="text/plain; charset=utf-8")
    body = error_body(error_type=error_type, code=error.code, message=error.text)
    return HttpResponse(to_json(body), status=status, content_type="application/json")


bad_request = _plain(400, "bad_request", "The request could not be read.")
permission_denied = _plain(403, "forbidden", "You may not do this.")
not_found = _plain(404, "not_found", "There is no such page.")
server_error = _plain(500, "internal", "Something went wrong on our side. Include the request id when you contact us.")
