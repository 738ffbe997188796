"""Errors in the OpenAPI document: which statuses an operation can answer with, their headers, and an example of each that fits it."""

import re
from collections.abc import Iterable
from typing import Any

from rest_framework import exceptions as drf
from rest_framework.response import Response

from apps.core import errors
from apps.core.api.errors import exception_response
from apps.core.api.parser import BodyTooLarge, LengthRequired
from apps.core.api.requests import UnknownParameter
from apps.core.idempotency import IdempotencyKeyReused, RequestInFlight
from apps.core.ids import IdNotFound

_REQUEST_ID = "req_01jf3z8k4q0000000000000000"
_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Every response that is not a success has this shape.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "code", "message", "request_id"],
            "properties": {
                "type": {
                    "type": "string",
                    "enum": [
                        "invalid_request", "authentication", "permission", "not_found", "conflict", "idempotency",
                        "rate_limit", "unavailable", "internal",
                    ],
                },
                "code": {"type": "string", "description": "For programs; it does not change.", "pattern": "^[a-z0-9_]+$"},
                "message": {"type": "string", "description": "A sentence for people.", "minLength": 1},
                "param": {"type": "string", "description": "The field or parameter that is wrong, such as lines[0].quantity."},
                "details": {
                    "type": "array",
                    "description": "Each error on its own, where there are several.",
                    "items": {"type": "object"},
                },
                "request_id": {"type": "string", "description": "The same as X-Request-Id; include it when you ask for help."},
            },
        }
    },
}  # fmt: skip
_TEXTS = {
    "400": "The request is not valid; sending it again does not help.",
    "401": "Log in, or refresh the access token.",
    "403": "Your account may not do this.",
    "404": "There is no such object, or it belongs to someone else.",
    "406": "The response is application/json, which the request does not accept.",
    "409": "Not possible in the current state.",
    "411": "The body was sent without Content-Length.",
    "412": "The object has changed since you read it.",
    "413": "The body is larger than 1 MB.",
    "415": "Send application/json.",
    "422": "The Idempotency-Key was used for another request.",
    "428": "Send If-Match.",
    "429": "Too many requests; see Retry-After.",
    "500": "Something went wrong on our side.",
    "503": "Bahi, or a service that it depends on, cannot do this at the moment; nothing was done.",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The caller's, or one that Bahi generated; it is in Bahi's logs.", "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{8,80}$"},
    },
    "Retry-After": {"description": "Seconds to wait before the next attempt.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {"description": "How to log in.", "required": True, "schema": {"type": "string"}},
    "ETag": {
        "description": "The ETag of this response; for If-None-Match, and for If-Match where a change requires it.",
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    },
    "Location": {"description": "The URL of the object, or of the work in progress.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true` if this is the stored response to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
}  # fmt: skip


_INTERNAL = {
    "type": "internal",
    "code": "internal",
    "message": "Something went wrong on our side. Include the request id when you contact us.",
}
#: Statuses that say the same everywhere, unless an operation has errors of its own for them.
_SHARED: dict[str, tuple[str, Exception | None]] = {
    "401": ("NotAuthenticated", drf.NotAuthenticated()),
    "403": ("Forbidden", drf.PermissionDenied()),
    "406": ("NotAcceptable", drf.NotAcceptable()),
    "411": ("LengthRequired", LengthRequired()),
    "412": ("VersionMismatch", errors.PreconditionFailed()),
    "413": ("BodyTooLarge", BodyTooLarge()),
    "415": ("UnsupportedMediaType", drf.UnsupportedMediaType("text/plain")),
    "422": ("IdempotencyKeyReused", IdempotencyKeyReused()),
    "428": ("PreconditionRequired", errors.PreconditionRequired()),
    "429": ("RateLimited", errors.RateLimited(retry_after=60)),
    "500": ("Internal", None),
    "503": ("Unavailable", errors.Unavailable(retry_after=1)),
}
#: Refused by the web server, before there is an application that could answer in JSON.
_WEB_SERVER_ERRORS = {
    "414": ("RequestLineTooLong", "The request line is longer than 8,190 bytes."),
    "431": ("HeadersTooLarge", "There are too many headers, or one is too large."),
}
_WEB_SERVER_CONTENT: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_HEADERS_OF_SUCCESS = {"200": ("ETag",), "201": ("Location", "ETag"), "202": ("Location", "Retry-After")}
_HEADERS_OF_ERROR = {
    "401": ("WWW-Authenticate",),
    "409": ("Retry-After", "Idempotent-Replayed"),
    "412": ("Idempotent-Replayed",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_COMPONENT = {"$ref": "#/components/schemas/Error"}


def add_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the one error shape and the headers, which operations refer to."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
    components.setdefault("headers", {}).update(_HEADERS)
    components.setdefault("responses", {}).update(
        {name: {"description": text, "content": _WEB_SERVER_CONTENT} for name, text in _WEB_SERVER_ERRORS.values()}
    )
    components["responses"].update(
        {name: _described(status, [_body_of(error)]) for status, (name, error) in _SHARED.items()}
    )
    return result


def describe_responses(operation: dict[str, Any], *, method: str, raised: Iterable[Exception] = ()) -> None:
    """
    Give an operation every status that it can answer with, and their headers.

    :param raised: what it raises beyond the errors that all operations of its kind share; they become the examples of their status
    """
    responses = operation["responses"]
    names = {each["name"] for each in operation.get("parameters", [])}
    for status, answer in responses.items():
        answer["headers"] = _refer(_headers_of_success(status, with_key="Idempotency-Key" in names))
    if method == "GET" and "200" in responses:
        headers = _refer(("X-Request-Id", "ETag"))
        responses["304"] = {"description": "The client already has this response (If-None-Match).", "headers": headers}

    own: dict[str, list[dict[str, Any]]] = {}
    for error in raised:
        own.setdefault(_status_of(error), []).append(_body_of(error))
    for error in _usual_errors(operation):
        own.setdefault(_status_of(error), [_body_of(error)])
    for status, (name, _) in _WEB_SERVER_ERRORS.items():
        responses[status] = {"$ref": f"#/components/responses/{name}"}
    for status in sorted({*own, *_usual_statuses(operation)}):
        responses[status] = (
            _described(status, own[status])
            if status in own
            else {"$ref": f"#/components/responses/{_SHARED[status][0]}"}
        )


def _usual_statuses(operation: dict[str, Any]) -> list[str]:
    names = {each["name"] for each in operation.get("parameters", [])}
    found = ["406", "429", "500", "503"]
    if operation.get("security", [{}]) != [{}]:
        found += ["401", "403"]
    if "requestBody" in operation:
        found += ["411", "413", "415"]
    if "If-Match" in names:
        found += ["412", "428"]
    if "Idempotency-Key" in names:
        found.append("422")
    return found


def _usual_errors(operation: dict[str, Any]) -> list[Exception]:
    """Return the errors whose example differs between operations."""
    found: list[Exception] = []
    if "requestBody" in operation:
        colour = drf.ErrorDetail("There is no field colour.", code="unknown_field")
        found.append(drf.ValidationError({"colour": colour}))
    else:
        found.append(UnknownParameter("colour", param="colour"))
    in_path = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
    if in_path:
        found.append(_not_found(in_path[-1]))
    if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", [])):
        found.append(RequestInFlight(retry_after=1))
    return found


def _status_of(error: Exception) -> str:
    return str(_response_for_error(error).status_code)


def _body_of(error: Exception | None) -> dict[str, Any]:
    body = _INTERNAL if error is None else _response_for_error(error).data["error"]
    return {"error": {**body, "request_id": _REQUEST_ID}}


def _response_for_error(error: Exception) -> Response:
    answer = exception_response(error)
    if answer is None:
        raise TypeError(f"{error!r} is not an error that the API answers with")
    return answer


def _described(status: str, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    headers = ["X-Request-Id", *_HEADERS_OF_ERROR.get(status, ())]
    return {
        "description": _TEXTS[status],
        "headers": _refer(headers),
        "content": {"application/json": {"schema": _COMPONENT, "examples": _named(bodies)}},
    }


def kind_of_parameter(parameter: str) -> str:
    """Return the kind of object that a parameter of a path names: `attempt_id` an Attempt, `customer_id` a User."""
    stem = "user" if parameter == "customer_id" else parameter.removesuffix("_id")
    return "".join(part.title() for part in stem.split("_"))


def _not_found(parameter: str) -> errors.NotFound:
    """Return the error about an object that a parameter of the path names."""
    name = f"{kind_of_parameter(parameter)}NotFound"
    kinds = {kind.__name__: kind for kind in errors.NotFound.__subclasses__()}
    return kinds.get(name, IdNotFound)()


def _headers_of_success(status: str, *, with_key: bool) -> list[str]:
    found = ["X-Request-Id", *_HEADERS_OF_SUCCESS.get(status, ())]
    return [*found, "Idempotent-Replayed"] if with_key else found


def _refer(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _named(bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """Return examples by their code; a further one of the same code has its number behind it."""
    found: dict[str, Any] = {}
    for body in bodies:
        code = re.sub(r"[^A-Za-z0-9]", "_", str(body["error"]["code"]))
        count = sum(each["value"]["error"]["code"] == body["error"]["code"] for each in found.values())
        found[f"{code}_{count + 1}" if count else code] = {"value": body}
    return found
