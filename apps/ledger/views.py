"""API views of exceptions, for finance staff."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, get_actor, get_etag, idempotent
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.ledger.filters import ExceptionFilterSet
from apps.ledger.models import ReconciliationException
from apps.ledger.openapi import describe_exceptions
from apps.ledger.pagination import ExceptionPagination
from apps.ledger.selectors import exceptions as selectors
from apps.ledger.serializers import (
    AssignExceptionRequest,
    ReconciliationExceptionResponse,
    ResolveExceptionRequest,
)
from apps.ledger.services import exceptions as services

_CHANGE = "ledger.change_reconciliationexception"


@describe_exceptions
class ReconciliationExceptionViewSet(ListModelMixin, ApiViewSet):
    """The queue of reconciliation exceptions."""

    permission_classes = [requires("ledger.view_reconciliationexception")]
    staff_permissions = {"assign": _CHANGE, "resolve": _CHANGE}
    serializer_class = ReconciliationExceptionResponse
    request_serializer_classes = {"assign": AssignExceptionRequest, "resolve": ResolveExceptionRequest}
    filterset_class = ExceptionFilterSet
    pagination_class = ExceptionPagination
    lookup_url_kwarg = "exception_id"

    def get_queryset(self) -> "QuerySet[ReconciliationException]":
        return selectors.list_exceptions()

    def retrieve(self, request: Request, exception_id: str) -> Response:
        exception = selectors.get_exception(public_pk(ReconciliationException, exception_id))
        return self.answer(self.get_serializer(exception).data, etag=get_etag(exception))

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def assign(self, request: Request, exception_id: str) -> Response:
        user: Any = request.user
        exception = services.assign_exception(
            exception_id=public_pk(ReconciliationException, exception_id),
            owner_id=self.read_body().get("owner_id", user.pk),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(exception).data, headers={"ETag": get_etag(exception)})

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def resolve(self, request: Request, exception_id: str) -> Response:
        exception = services.resolve_exception(
            **self.read_body(),
            exception_id=public_pk(ReconciliationException, exception_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(exception).data)
