"""Lists: keyset pages in both directions, with the id as tie-breaker, so that rows coming and going skip or double nothing."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.core import signing
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.responses import with_etag
from apps.core.errors import Invalid
from apps.core.pages import MAX_ROWS, PageRequest, PageStart, cut_page, list_page_rows

DEFAULT_LIMIT = 20
MAX_LIMIT = MAX_ROWS - 1
#: How the parameters of a page are described.
LIMIT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
CURSOR: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 2000}
_QUERY: dict[str, Any] = {"in": "query"}
_SALT = "cursor"


class InvalidLimit(Invalid):
    """`limit` is not a number from 1 to 100. Send one that is."""

    message = "limit must be a number from 1 to 100."


class InvalidSort(Invalid):
    """The list cannot be sorted by this field. Choose one of those that the message names."""

    message = "sort must be one of: {0}."


class InvalidCursor(Invalid):
    """The cursor is malformed or belongs to another list, filter or account. Begin at the first page."""

    message = "This cursor is not valid for this list. Use next_cursor or prev_cursor of a page of this list."


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and the cursors to both sides."""

    rows: list[Any]
    next_cursor: str | None
    prev_cursor: str | None

    def envelope(self, data: list[Any]) -> dict[str, Any]:
        """Return the list as the API writes it."""
        return {
            "object": "list",
            "data": data,
            "has_more": self.next_cursor is not None,
            "next_cursor": self.next_cursor,
            "prev_cursor": self.prev_cursor,
        }


def whole_list(data: Iterable[Any]) -> dict[str, Any]:
    """Return a list that is never cut into pages as the API writes it."""
    return Page(rows=[], next_cursor=None, prev_cursor=None).envelope(list(data))


class WholeListPagination(BasePagination):
    """Write a short list in the envelope of a page, and never cut it."""

    PARAMS: tuple[str, ...] = ()

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request, self.view = request, view
        return list(queryset)

    def get_paginated_response(self, data: Any) -> Response:
        return with_etag(self.request, whole_list(data), cache_control=self.view.cache_control)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []


class KeysetPagination(BasePagination):
    """
    Cut a queryset into pages by (sort key, id).

    `sorts` maps the API's names (`created_at`) to columns; a leading `-` turns the direction. Columns must not be null.
    Cursors are signed and bound to the sort and to `scope`: which list it is, whose, and with which filters.
    """

    PARAMS: tuple[str, ...] = ("limit", "cursor", "sort")

    sorts: Mapping[str, str] = {"created_at": "created_at"}
    default = "-created_at"
    sort_description = ""

    def __init__(self, *, sorts: Mapping[str, str] | None = None, default: str | None = None, scope: str = "") -> None:
        self.sorts = self.sorts if sorts is None else sorts
        self.default = self.default if default is None else default
        self.scope = scope

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        return self.paginate(request, view, lambda wanted: list_page_rows(queryset, wanted))

    def paginate(self, request: Request, view: Any, list_rows: Callable[[PageRequest], list[Any]]) -> list[Any]:
        """Return the rows of the page that a request asks for, of those that `list_rows` reads for it."""
        self.request, self.view = request, view
        self.scope = self.get_scope(request)
        wanted = self.read_request({name: str(text) for name, text in request.query_params.items()})
        self.current = self.make_page(list_rows(wanted), wanted)
        return self.current.rows

    def get_paginated_response(self, data: Any) -> Response:
        return with_etag(self.request, self.get_envelope(data), cache_control=self.view.cache_control)

    def get_envelope(self, data: Any) -> dict[str, Any]:
        """Return the body of the answer with these items of the page."""
        return self.current.envelope(list(data))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = [
            {**_QUERY, "name": "limit", "schema": LIMIT, "description": "1 to 100; 20 if not given."},
            {
                **_QUERY,
                "name": "cursor",
                "schema": CURSOR,
                "description": "`next_cursor` or `prev_cursor` of another page.",
            },
        ]
        if "sort" in self.PARAMS:
            described = {"description": self.sort_description} if self.sort_description else {}
            parameters.append(
                {**_QUERY, "name": "sort", "schema": {"type": "string", "enum": self.sort_choices()}, **described}
            )
        return parameters

    def get_scope(self, request: Request) -> str:
        """Return what cursors of this list are bound to: its path, who reads it, and its filters."""
        return f"{request.path}:{self.get_audience(request)}:{self.get_filters(request)}"

    def get_audience(self, request: Request) -> str:
        """Return who may use the same cursor: the reader alone."""
        return str(request.user.pk)

    def get_filters(self, request: Request) -> list[tuple[str, Any]]:
        return sorted((name, text) for name, text in request.query_params.items() if name not in self.PARAMS)

    def sort_choices(self) -> list[str]:
        """Return what `sort` may be."""
        return sorted(direction + name for name in self.sorts for direction in ("", "-"))

    def page(self, queryset: "QuerySet[Any]", params: dict[str, str]) -> Page:
        """
        Return one page of a queryset.

        :raises InvalidLimit: if the limit is not 1 to 100
        :raises InvalidSort: if the sort is not one of this list's
        :raises InvalidCursor: if the cursor was not made by us for this list and sort
        """
        wanted = self.read_request(params)
        return self.make_page(list_page_rows(queryset, wanted), wanted)

    def read_request(self, params: Mapping[str, str]) -> PageRequest:
        """
        Return which page is asked for.

        :raises InvalidLimit: if the limit is not 1 to 100
        :raises InvalidSort: if the sort is not one of this list's
        :raises InvalidCursor: if the cursor was not made by us for this list and sort
        """
        limit = _limit(params.get("limit"))
        sort = params.get("sort", self.default)
        name = sort.removeprefix("-")
        if name not in self.sorts:
            raise InvalidSort(", ".join(f"{name}, -{name}" for name in self.sorts), param="sort")
        start = self._read(params.get("cursor"), sort)
        return PageRequest(limit=limit, sort=sort, column=self.sorts[name], start=start)

    def make_page(self, rows: list[Any], wanted: PageRequest) -> Page:
        """Return the page that these rows are, with one more if there are more, in the order in which they were read."""
        rows, has_next, has_prev = cut_page(
            rows, limit=wanted.limit, goes_back=wanted.goes_back, has_start=wanted.start is not None
        )
        return Page(
            rows=rows,
            next_cursor=self._write(wanted, rows[-1], back=False) if has_next else None,
            prev_cursor=self._write(wanted, rows[0], back=True) if has_prev else None,
        )

    def _digest(self) -> str:
        # Not the scope itself: filters can be long and hold what nobody else is to read, and a cursor travels in URLs. With the
        # columns: a cursor of a release that sorted by others is refused.
        return hashlib.sha256(f"{self.scope}:{sorted(self.sorts.items())}".encode()).hexdigest()[:16]

    def _write(self, wanted: PageRequest, row: Any, *, back: bool) -> str:
        key = row
        for part in wanted.column.split("__"):
            key = getattr(key, part)
        payload = orjson.dumps([wanted.sort, self._digest(), key, row.pk, back], default=str)
        packed = base64.urlsafe_b64encode(payload).decode().rstrip("=")
        return signing.Signer(salt=_SALT).sign(packed)

    def _read(self, cursor: str | None, sort: str) -> PageStart | None:
        if cursor is None:
            return None
        try:
            packed = signing.Signer(salt=_SALT).unsign(cursor[:2000])
            payload = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            made_for, of_list, key, tie, back = orjson.loads(payload)
        except (signing.BadSignature, ValueError) as error:
            raise InvalidCursor(param="cursor") from error
        if made_for != sort or of_list != self._digest():
            raise InvalidCursor(param="cursor")
        return PageStart(key=key, id=tie, goes_back=bool(back))


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidLimit(param="limit")
    return int(text)
