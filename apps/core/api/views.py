"""The base of every view."""

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from apps.core.api.admission import check_admission
from apps.core.api.contacts import mask_contacts
from apps.core.api.parser import LengthRequired, UnexpectedBody
from apps.core.api.permissions import requires
from apps.core.api.rate_limits import check_write_limit
from apps.core.api.requests import METHODS_WITHOUT_BODY, has_body, read_query_params
from apps.core.api.responses import PRIVATE, with_etag
from apps.core.models import Subject

_ANYTHING: Final = "*/*"


class ApiViewSet(GenericViewSet[Any]):
    """
    A resource: one method per action, each parse -> one service or selector -> serialize.

    Responses have the shape of `serializer_class`, or of the action's in `serializer_classes`; bodies that of the action's in
    `request_serializer_classes`, and actions without one refuse a body. Queries have the
    parameters of the action's shape in `query_serializer_classes`, in lists also those of `filterset_class` and
    `pagination_class`; others are refused.
    Actions in `staff_permissions` are for staff who hold that Django permission, the others follow `permission_classes`.
    Contact details in a response, except in a client error, are masked for staff who may not read them;
    `shows_own_contacts` turns masking off for a view whose responses hold only the requester's own data.
    """

    serializer_classes: ClassVar[Mapping[str, type[Any]]] = {}
    request_serializer_classes: ClassVar[Mapping[str, type[Any]]] = {}
    query_serializer_classes: ClassVar[Mapping[str, type[Any]]] = {}
    staff_permissions: ClassVar[Mapping[str, str]] = {}
    filterset_class: Any = None
    list_actions: tuple[str, ...] = ("list",)
    #: Actions that read the bytes of the body themselves.
    raw_body_actions: tuple[str, ...] = ()
    #: Actions that make work for the workers, which are refused while buyers wait too long for them.
    admission_actions: tuple[str, ...] = ()
    shows_own_contacts = False
    cache_control: Any = PRIVATE

    @property
    def allowed_methods(self) -> list[str]:
        """Return the methods of this route, for `Allow`: DRF's own list has OPTIONS in it, which no view of Bahi answers."""
        return sorted(method.upper() for method in self.action_map or {})

    @property
    def is_list(self) -> bool:
        """Return whether the action answers with a list."""
        return self.action in self.list_actions

    def get_permissions(self) -> list[Any]:
        permission = self.staff_permissions.get(self.action or "")
        return [requires(permission)()] if permission else [*super().get_permissions()]

    def get_serializer_class(self) -> type[Any]:
        shape = self.serializer_classes.get(self.action)
        return super().get_serializer_class() if shape is None else shape

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # DRF writes instants in the zone of the thread, which is India's for the sake of the back office.
        with timezone.override(UTC):
            return super().dispatch(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002 - REST framework's
        # What REST framework comes to as well, but by reading media types letter by letter.
        [first, *others] = self.renderer_classes
        accepted = request.META.get("HTTP_ACCEPT", _ANYTHING)
        if not others and self.format_kwarg is None and accepted in (_ANYTHING, first.media_type):
            return first(), first.media_type
        return super().perform_content_negotiation(request, force)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action in self.admission_actions:
            check_admission(request)
        check_write_limit(request)
        if "HTTP_TRANSFER_ENCODING" in request.META:
            raise LengthRequired  # Django reads as many bytes as Content-Length says: of chunks none
        if self.action is None or request.method == "OPTIONS":
            return  # no method was called, so there is nothing to record
        if not self._takes_body(request) and has_body(request):
            raise UnexpectedBody
        self.query = read_query_params(request, self._query_params())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(response, Response) and response.status_code < HTTPStatus.BAD_REQUEST:
            # Errors have no contacts, and masking reads the permissions from the database, which may be unavailable.
            response.data = mask_contacts(request, response.data)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = PRIVATE
        return response

    def read_body(self) -> dict[str, Any]:
        """
        Return the body of the request in the shape of the action.

        :raises ValidationError: if it does not have that shape
        """
        serializer = self.request_serializer_classes[self.action](data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def read_query(self) -> dict[str, Any]:
        """
        Return the query parameters in the shape of the action.

        :raises Invalid: if they do not have that shape
        """
        shape: Any = self.query_serializer_classes[self.action]
        if not self.query and _may_be_empty(shape):
            return {}
        serializer = shape(data=self.query)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def answer(self, data: Any, *, etag: str | None = None, subject: Subject | None = None) -> Response:
        """Answer a GET with an ETag, or with 304 if the client has that answer."""
        return with_etag(self.request, data, etag=etag, subject=subject, cache_control=self.cache_control)

    def _takes_body(self, request: Request) -> bool:
        if request.method in METHODS_WITHOUT_BODY:
            return False
        return self.action in self.request_serializer_classes or self.action in self.raw_body_actions

    def _query_params(self) -> tuple[str, ...]:
        shape: Any = self.query_serializer_classes.get(self.action)
        own = _list_fields(shape) if shape else ()
        if not self.is_list:
            return own
        paginator: Any = self.paginator
        filters = self.filterset_class.base_filters if self.filterset_class else ()
        return (*own, *filters, *(paginator.PARAMS if paginator else ()))


@cache
def _list_fields(shape: Any) -> tuple[str, ...]:
    return tuple(shape().fields)


@cache
def _may_be_empty(shape: Any) -> bool:
    """Return whether nothing comes of a query without parameters: none is required, and none has a default."""
    return all(not field.required and field.default is serializers.empty for field in shape().fields.values())
