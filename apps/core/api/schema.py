"""What drf-spectacular needs to be told: our errors, ids and lists."""

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.fields import empty
from rest_framework.serializers import ListSerializer

from apps.core.api.error_responses import describe_answers
from apps.core.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, whole_list

_IDEMPOTENCY_KEY = {"type": "string", "minLength": 8, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
_CURSOR = {"type": "string", "minLength": 1, "maxLength": 2000}
_ID_CHARACTERS = "[0-7][0-9a-hjkmnp-tv-z]{25}"

_REST_FRAMEWORK: dict[str, Any] = settings.REST_FRAMEWORK
_AUTHENTICATION: str = _REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"][0]


class BearerToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes how clients show who they are, so that the docs page has a place for the token."""

    target_class = _AUTHENTICATION
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": r'^(\*|(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*)$'},
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag that you last read.",
)


class _RequestShape(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A request body holds no field that is not described."""

    target_class = "apps.core.api.serializers.RequestSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        shape = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**shape, "additionalProperties": False}


class _ResponseShape(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A response holds all its fields, those with a default too; `object` says what it is."""

    target_class = "apps.core.api.serializers.ResponseSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        shape = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        fields = force_instance(self.target).fields  # type: ignore[no-untyped-call]
        held = [
            name for name, field in fields.items() if field.required or field.default is not empty or field.read_only
        ]
        if held:
            shape["required"] = sorted(held)
        kind = fields.get("object")
        if kind is not None and isinstance(kind.default, str):
            shape["properties"]["object"] = {"type": "string", "const": kind.default}
        return shape


class _IdShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """An id of one kind."""

    target_class = "apps.core.api.serializers.IdField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return {"type": "string", "pattern": id_pattern(self.target.prefix)}


class ApiSchema(AutoSchema):
    """Names operations by resource and deed, adds the Idempotency-Key header where a method takes one, and all that may be answered."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and (prefix := _prefix_of(parameter["name"])):
                    parameter["schema"].setdefault("pattern", id_pattern(prefix))
            raised = getattr(self.view, "raises", {}).get(getattr(self.view, "action", ""), ())
            describe_answers(operation, method=self.method, raised=raised)
        return operation

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        # The generator adds Request itself.
        return str(super().get_serializer_name(serializer, direction)).removesuffix("Request")

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
                    _IDEMPOTENCY_KEY,
                    OpenApiParameter.HEADER,
                    required=required,
                    description="A text of your own, unique to this request. The same request with the same key gets the same answer.",
                )
            )
        return parameters


def _prefix_of(parameter: str) -> str | None:
    """Return the prefix of the ids that a parameter of a path takes: `attempt_id` those of PaymentAttempt."""
    name = parameter.removesuffix("_id")
    kind = "User" if name == "customer" else "".join(part.title() for part in name.split("_"))
    if not parameter.endswith("_id"):
        return None
    models = [model for model in apps.get_models() if hasattr(model, "PREFIX") and model.__name__.endswith(kind)]
    exact = [model for model in models if model.__name__ == kind]
    return (exact or models)[0].PREFIX if models else None


def id_pattern(prefix: str) -> str:
    """Return the pattern of the public ids of one kind."""
    return f"^{prefix}_{_ID_CHARACTERS}$"


def id_parameter(name: str, prefix: str, description: str) -> OpenApiParameter:
    """Return a query parameter that takes one id."""
    return OpenApiParameter(name, {"type": "string", "pattern": id_pattern(prefix)}, description=description)


def choices_parameter(name: str, choices: Iterable[str], description: str) -> OpenApiParameter:
    """Return a query parameter that takes one or more of some choices, separated by commas."""
    one = "|".join(choices)
    return OpenApiParameter(name, {"type": "string", "pattern": f"^({one})(,({one}))*$"}, description=description)


def instant_parameter(name: str, description: str) -> OpenApiParameter:
    """Return a query parameter that takes an instant."""
    return OpenApiParameter(name, OpenApiTypes.DATETIME, description=f"{description} RFC 3339 with its time zone.")


def page_parameters(*sorts: str) -> list[OpenApiParameter]:
    """Return the query parameters of a list that comes in pages; the first sort is the one that holds if none is given."""
    parameters = [
        OpenApiParameter("limit", _LIMIT, description="1 to 100; 20 if not given."),
        OpenApiParameter("cursor", _CURSOR, description="`next_cursor` or `prev_cursor` of another page."),
    ]
    return [*parameters, OpenApiParameter("sort", str, enum=sorts)] if sorts else parameters


def page_example(*items: dict[str, Any], name: str = "A page") -> OpenApiExample:
    """Return the example of a page with these items, as a response."""
    return OpenApiExample(name, response_only=True, value=whole_list([*items]))
