"""API views of settlements, for finance staff. No method calls the gateway."""

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, get_actor, get_etag, idempotent, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import page_example, page_parameters
from apps.core.models import public_pk
from apps.settlements import selectors
from apps.settlements.models import Settlement
from apps.settlements.serializers import (
    IMPORT_EXAMPLE,
    LINE_EXAMPLE,
    SETTLEMENT_EXAMPLE,
    ImportSettlementsRequest,
    SettlementImportResponse,
    SettlementLineListResponse,
    SettlementLineResponse,
    SettlementListResponse,
    SettlementResponse,
)
from apps.settlements.services import report_imports


class SettlementView(ApiView):
    """Settlements: the gateway's transfers to our bank."""

    permission_classes = [requires("settlements.view_settlement")]
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

    permission_classes = [requires("settlements.add_settlementimport")]

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
        report = report_imports.request_settlement_import(day=asked["day"], actor=get_actor(request), now=clock.now())
        return accepted(SettlementImportResponse(report).data, location="/api/v1/settlements")
