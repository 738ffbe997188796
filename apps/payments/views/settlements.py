"""API views of settlements and reconciliation exceptions, for finance staff. No method calls the gateway."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, get_actor, get_etag, idempotent, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import choices_parameter, id_pattern, page_example, page_parameters
from apps.core.models import public_pk
from apps.payments import filters, selectors, services
from apps.payments.models import ReconciliationException, Settlement
from apps.payments.serializers.settlements import (
    ASSIGNED_EXAMPLE,
    EXCEPTION_EXAMPLE,
    IMPORT_EXAMPLE,
    LINE_EXAMPLE,
    RESOLVED_EXAMPLE,
    SETTLEMENT_EXAMPLE,
    AssignExceptionRequest,
    ImportSettlementsRequest,
    ReconciliationExceptionListResponse,
    ReconciliationExceptionResponse,
    ResolveExceptionRequest,
    SettlementImportResponse,
    SettlementLineListResponse,
    SettlementLineResponse,
    SettlementListResponse,
    SettlementResponse,
)
from apps.payments.states import ExceptionReason

_OWNER = {"type": "string", "pattern": f"{id_pattern('cus')}|^me$|^none$"}


def _pk_of(request: Request) -> UUID:
    user: Any = request.user
    return UUID(str(user.pk))


class SettlementView(ApiView):
    """Settlements: the gateway's transfers to our bank."""

    permission_classes = [requires("payments.view_settlement")]
    params = {"list": KeysetPagination.PARAMS, "lines": KeysetPagination.PARAMS}

    @extend_schema(
        operation_id="list_settlements",
        summary="List settlements",
        description="Transfers of the gateway to our bank, newest first. For finance.",
        parameters=page_parameters("-settled_at", "settled_at"),
        responses={200: SettlementListResponse},
        examples=[page_example(SETTLEMENT_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        pagination = KeysetPagination(sorts={"settled_at": "settled_at"}, default="-settled_at", scope="settlements")
        page = pagination.page(Settlement.objects.all(), self.query)
        return with_etag(request, page.envelope(list(SettlementResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_settlement",
        summary="Read a settlement",
        description="With its sums and the bank's reference (UTR). For finance.",
        responses={200: SettlementResponse},
        examples=[OpenApiExample("A settlement", response_only=True, value=SETTLEMENT_EXAMPLE)],
    )
    def retrieve(self, request: Request, settlement_id: str) -> Response:
        settlement = selectors.get_settlement(public_pk(Settlement, settlement_id))
        return with_etag(request, SettlementResponse(settlement).data, etag=get_etag(settlement))

    @extend_schema(
        operation_id="list_settlement_lines",
        summary="List the lines of a settlement",
        description="As the gateway reported them, in its order, each with how it was booked. For finance.",
        parameters=page_parameters("id", "-id"),
        responses={200: SettlementLineListResponse},
        examples=[page_example(LINE_EXAMPLE)],
    )
    def lines(self, request: Request, settlement_id: str) -> Response:
        settlement = selectors.get_settlement(public_pk(Settlement, settlement_id))
        pagination = KeysetPagination(sorts={"id": "id"}, default="id", scope=f"settlement_lines:{settlement.pk}")
        page = pagination.page(selectors.list_settlement_lines(settlement.pk), self.query)
        return with_etag(request, page.envelope(list(SettlementLineResponse(page.rows, many=True).data)))


class SettlementImportView(ApiView):
    """Imports of settlement reports."""

    permission_classes = [requires("payments.add_settlementimport")]

    @extend_schema(
        operation_id="import_settlements",
        summary="Have a settlement report read",
        description="A worker reads the report of a day from the gateway. Doing it again changes nothing. For finance.",
        request=ImportSettlementsRequest,
        responses={202: SettlementImportResponse},
        examples=[
            OpenApiExample("A day", request_only=True, value={"day": "2026-04-30"}),
            OpenApiExample("Waiting", response_only=True, status_codes=["202"], value=IMPORT_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        asked = self.read(ImportSettlementsRequest, request)
        report = services.request_settlement_import(day=asked["day"], actor=get_actor(request), now=clock.now())
        return accepted(SettlementImportResponse(report).data, location="/api/v1/settlements")


class ReconciliationExceptionView(ApiView):
    """The queue of reconciliation exceptions."""

    params = {"list": (*KeysetPagination.PARAMS, "reason", "state", "owner_id")}

    def get_permissions(self) -> list[Any]:
        action = "change" if self.action in ("resolve", "assign") else "view"
        return [requires(f"payments.{action}_reconciliationexception")()]

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
