"""API views of exceptions, for finance staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, get_actor, get_etag, idempotent, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import choices_parameter, id_pattern, page_example, page_parameters
from apps.core.models import public_pk
from apps.ledger import filters
from apps.ledger.models import ReconciliationException
from apps.ledger.selectors import exceptions as selectors
from apps.ledger.serializers import (
    ASSIGNED_EXAMPLE,
    EXCEPTION_EXAMPLE,
    RESOLVED_EXAMPLE,
    AssignExceptionRequest,
    ReconciliationExceptionListResponse,
    ReconciliationExceptionResponse,
    ResolveExceptionRequest,
)
from apps.ledger.services import exceptions as services
from apps.ledger.states import ExceptionReason

_OWNER = {"type": "string", "pattern": f"{id_pattern('cus')}|^me$|^none$"}


def _pk_of(request: Request) -> UUID:
    user: Any = request.user
    return UUID(str(user.pk))


class ReconciliationExceptionView(ApiView):
    """The queue of reconciliation exceptions."""

    params = {"list": (*KeysetPagination.PARAMS, "reason", "state", "owner_id")}

    def get_permissions(self) -> list[Any]:
        action = "change" if self.action in ("resolve", "assign") else "view"
        return [requires(f"ledger.{action}_reconciliationexception")()]

    @extend_schema(
        operation_id="list_reconciliation_exceptions",
        summary="List what does not agree",
        description="Newest first, each with its reason, age and owner. For finance.",
        parameters=[
            choices_parameter("reason", ExceptionReason.values, "One or more reasons, separated by commas."),
            OpenApiParameter("state", str, enum=["open", "resolved"]),
            OpenApiParameter("owner_id", _OWNER, description="Whose: an id of staff, `me`, or `none` for nobody's."),
            *page_parameters("-opened_at", "opened_at"),
        ],
        responses={200: ReconciliationExceptionListResponse},
        examples=[page_example(EXCEPTION_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        reasons = filters.read_exception_reasons(self.query.get("reason"))
        is_open = filters.read_exception_state(self.query.get("state"))
        owner_id, is_owned = filters.read_owner(self.query.get("owner_id"), me=_pk_of(request))
        rows = selectors.list_exceptions(is_open=is_open, reasons=reasons, owner_id=owner_id, is_owned=is_owned)
        scope = f"exceptions:{reasons}:{is_open}:{owner_id}:{is_owned}"
        pagination = KeysetPagination(sorts={"opened_at": "opened_at"}, default="-opened_at", scope=scope)
        page = pagination.page(rows, self.query)
        return with_etag(request, page.envelope(list(ReconciliationExceptionResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_reconciliation_exception",
        summary="Read what does not agree",
        description="With what was expected, what came, and what is held in suspense. For finance.",
        responses={200: ReconciliationExceptionResponse},
        examples=[OpenApiExample("An exception", response_only=True, value=EXCEPTION_EXAMPLE)],
    )
    def retrieve(self, request: Request, exception_id: str) -> Response:
        exception = selectors.get_exception(public_pk(ReconciliationException, exception_id))
        return with_etag(request, ReconciliationExceptionResponse(exception).data, etag=get_etag(exception))

    @extend_schema(
        operation_id="assign_reconciliation_exception",
        summary="Assign an exception to its owner",
        description="Oneself, or another member of staff who may decide about it. For finance.",
        request=AssignExceptionRequest,
        responses={200: ReconciliationExceptionResponse},
        examples=[
            OpenApiExample("To oneself", request_only=True, value={}),
            OpenApiExample("To another", request_only=True, value={"owner_id": ASSIGNED_EXAMPLE["owner_id"]}),
            OpenApiExample("Assigned", response_only=True, value=ASSIGNED_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def assign(self, request: Request, exception_id: str) -> Response:
        asked = self.read(AssignExceptionRequest, request)
        exception = services.assign_exception(
            exception_id=public_pk(ReconciliationException, exception_id),
            owner_id=asked.get("owner_id", _pk_of(request)),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(ReconciliationExceptionResponse(exception).data, headers={"ETag": get_etag(exception)})

    @extend_schema(
        operation_id="resolve_reconciliation_exception",
        summary="Decide about what does not agree",
        description=(
            "`written_off`: a cost or gain of the gateway's; `cleared`: counted against what the gateway owes us; `paid_outside`: "
            "paid by or to our bank outside of settlements; `noted`: explained, where no money is held. What did not come (`missing_line`, "
            "`receivable_overdue`) is written off or paid outside, else 409 `receivable_outstanding`. For finance."
        ),
        request=ResolveExceptionRequest,
        responses={200: ReconciliationExceptionResponse},
        examples=[
            OpenApiExample(
                "Written off",
                request_only=True,
                value={"resolution": "written_off", "note": RESOLVED_EXAMPLE["note"]},
            ),
            OpenApiExample("Resolved", response_only=True, value=RESOLVED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def resolve(self, request: Request, exception_id: str) -> Response:
        decided = self.read(ResolveExceptionRequest, request)
        exception = services.resolve_exception(
            exception_id=public_pk(ReconciliationException, exception_id),
            actor=get_actor(request),
            now=clock.now(),
            **decided,
        )
        return Response(ReconciliationExceptionResponse(exception).data)
