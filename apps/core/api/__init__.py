"""The plumbing of the REST API: parser, renderer, errors, pagination, idempotency, conditional requests, schema."""

from apps.core.api.idempotency import idempotent
from apps.core.api.pagination import KeysetPagination
from apps.core.api.requests import actor_of, client_ip, known_params, parse_instant
from apps.core.api.responses import accepted, check_if_match, etag_of, etag_of_page, with_etag
from apps.core.api.serializers import (
    IdField,
    RequestSerializer,
    ResponseSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    list_response,
)
from apps.core.api.views import ApiView

__all__ = [
    "ApiView",
    "IdField",
    "KeysetPagination",
    "RequestSerializer",
    "ResponseSerializer",
    "StrictBooleanField",
    "StrictCharField",
    "StrictIntegerField",
    "accepted",
    "actor_of",
    "check_if_match",
    "client_ip",
    "etag_of",
    "etag_of_page",
    "idempotent",
    "known_params",
    "list_response",
    "parse_instant",
    "with_etag",
]
