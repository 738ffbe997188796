"""What drf-spectacular needs to be told: our errors, ids and lists."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.serializers import ListSerializer

from apps.core.api.pagination import whole_list

_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "code", "message", "request_id"],
            "properties": {
                "type": {"type": "string", "examples": ["invalid_request"]},
                "code": {"type": "string", "examples": ["insufficient_stock"]},
                "message": {"type": "string", "examples": ["Only 2 of this are left."]},
                "param": {"type": "string", "examples": ["lines[0].quantity"]},
                "details": {"type": "array", "items": {"type": "object"}},
                "request_id": {"type": "string", "examples": ["req_01jf3z8k4q0000000000000000"]},
            },
        }
    },
}
_ERROR_TEXTS = {
    "400": "The request is wrong; sending it again does not help.",
    "401": "Sign in first.",
    "403": "This function is not yours.",
    "404": "There is no such object, or it is somebody else's.",
    "409": "Not possible in the present state.",
    "413": "The body is larger than 1 MB.",
    "415": "Send application/json.",
    "429": "Too many requests; see Retry-After.",
    "503": "Something that we depend on does not answer; nothing was done.",
}


_REST_FRAMEWORK: dict[str, Any] = settings.REST_FRAMEWORK
_AUTHENTICATION: str = _REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"][0]


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes how clients show who they are, so that the docs page has a place for the token."""

    target_class = _AUTHENTICATION
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ApiSchema(AutoSchema):
    """Names operations by resource and deed, and adds the Idempotency-Key header where a method takes one."""

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.removeprefix("/api/v1/").split("/") if part and not part.startswith("{")]
        return [parts[0]] if parts else ["operations"]

    def _is_list_view(self, serializer: Any = None) -> bool:
        # A list is described by its envelope, one object. Guessing by the method's name would make an array of envelopes of it.
        return isinstance(serializer, ListSerializer)

    def get_override_parameters(self) -> list[Any]:
        parameters = list(super().get_override_parameters())
        method = getattr(self.view, getattr(self.view, "action", "") or "", None)
        required = getattr(method, "idempotency_required", None)
        if required is not None:
            parameters.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    str,
                    OpenApiParameter.HEADER,
                    required=required,
                    description="A text of your own, unique to this request. The same request with the same key gets the same answer.",
                )
            )
        return parameters


def page_parameters(*sorts: str) -> list[OpenApiParameter]:
    """Return the query parameters of a list that comes in pages; the first sort is the one that holds if none is given."""
    return [
        OpenApiParameter("limit", int, description="1 to 100; 20 if not given."),
        OpenApiParameter("cursor", str, description="`next_cursor` or `prev_cursor` of another page."),
        OpenApiParameter("sort", str, enum=sorts),
    ]


def page_example(*items: dict[str, Any], name: str = "A page") -> OpenApiExample:
    """Return the example of a page with these items, as a response."""
    return OpenApiExample(name, response_only=True, value=whole_list([*items]))


def add_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Give every operation the one error shape."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = _ERROR_SCHEMA
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for path in result.get("paths", {}).values():
        for operation in path.values():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            for status in _statuses_of(operation):
                operation["responses"].setdefault(status, {"description": _ERROR_TEXTS[status], "content": answer})
    return result


def _statuses_of(operation: dict[str, Any]) -> list[str]:
    statuses = ["400", "404", "429", "503"]
    if operation.get("security", [{}]) != [{}]:
        statuses += ["401", "403"]
    if "requestBody" in operation:
        statuses += ["409", "413", "415"]
    return sorted(statuses)
