"""The plumbing of the REST API: parser, renderer, errors, pagination, idempotency, conditional requests, schema."""

from apps.core.api.filters import QueryFilterSet, ReadFilter
from apps.core.api.idempotency import idempotent
from apps.core.api.pagination import KeysetPagination, WholeListPagination
from apps.core.api.requests import client_ip, get_actor, parse_instant, read_query_params
from apps.core.api.responses import accepted, check_if_match, get_etag, get_page_etag, with_etag
from apps.core.api.serializers import (
    IdField,
    QueryField,
    RequestSerializer,
    ResponseSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    list_response,
)
from apps.core.api.views import ApiViewSet

__all__ = [
    "ApiViewSet",
    "IdField",
    "KeysetPagination",
    "QueryField",
    "QueryFilterSet",
    "ReadFilter",
    "RequestSerializer",
    "ResponseSerializer",
    "StrictBooleanField",
    "StrictCharField",
    "StrictIntegerField",
    "WholeListPagination",
    "accepted",
    "check_if_match",
    "client_ip",
    "get_actor",
    "get_etag",
    "get_page_etag",
    "idempotent",
    "list_response",
    "parse_instant",
    "read_query_params",
    "with_etag",
]
