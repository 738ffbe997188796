"""API views of settlements, for finance staff. No method calls the gateway."""

from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, get_actor, get_etag, idempotent
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.settlements import selectors
from apps.settlements.models import BankStatementImport, Settlement
from apps.settlements.openapi import describe_bank_statements, describe_settlement_imports, describe_settlements
from apps.settlements.pagination import BankStatementPagination, SettlementLinePagination, SettlementPagination
from apps.settlements.serializers import (
    BankLineResponse,
    BankStatementResponse,
    ImportSettlementsRequest,
    SettlementImportResponse,
    SettlementLineResponse,
    SettlementResponse,
)
from apps.settlements.services import report_imports


@describe_settlements
class SettlementViewSet(ListModelMixin, ApiViewSet):
    """Settlements: the gateway's transfers to our bank."""

    permission_classes = [requires("settlements.view_settlement")]
    queryset = Settlement.objects.all()
    serializer_class = SettlementResponse
    serializer_classes = {"lines": SettlementLineResponse}
    list_actions = ("list", "lines")
    pagination_class = SettlementPagination
    lookup_url_kwarg = "settlement_id"

    def get_object(self) -> Settlement:
        return selectors.get_settlement(public_pk(Settlement, self.kwargs["settlement_id"]))

    def retrieve(self, request: Request, settlement_id: str) -> Response:
        settlement = self.get_object()
        return self.answer(self.get_serializer(settlement).data, etag=get_etag(settlement))

    @action(detail=True, methods=["get"], pagination_class=SettlementLinePagination)
    def lines(self, request: Request, settlement_id: str) -> Response:
        rows = self.paginate_queryset(selectors.list_settlement_lines(self.get_object().pk))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)


@describe_settlement_imports
class SettlementImportViewSet(ApiViewSet):
    """Imports of settlement reports."""

    permission_classes = [requires("settlements.add_settlementimport")]
    serializer_class = SettlementImportResponse
    request_serializer_classes = {"create": ImportSettlementsRequest}

    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        day = self.read_body()["day"]
        report = report_imports.request_settlement_import(day=day, actor=get_actor(request), now=clock.now())
        return accepted(self.get_serializer(report).data, location="/api/v1/settlements")


@describe_bank_statements
class BankStatementViewSet(ListModelMixin, ApiViewSet):
    """Imports of bank statements, and the lines that each added."""

    permission_classes = [requires("settlements.view_bankstatementimport")]
    queryset = BankStatementImport.objects.all()
    serializer_class = BankStatementResponse
    serializer_classes = {"lines": BankLineResponse}
    list_actions = ("list", "lines")
    pagination_class = BankStatementPagination
    lookup_url_kwarg = "bank_statement_import_id"

    def get_object(self) -> BankStatementImport:
        return selectors.get_bank_statement(public_pk(BankStatementImport, self.kwargs["bank_statement_import_id"]))

    def retrieve(self, request: Request, bank_statement_import_id: str) -> Response:
        statement = self.get_object()
        return self.answer(self.get_serializer(statement).data, etag=get_etag(statement))

    @action(detail=True, methods=["get"], pagination_class=SettlementLinePagination)
    def lines(self, request: Request, bank_statement_import_id: str) -> Response:
        rows = self.paginate_queryset(selectors.list_bank_lines(self.get_object().pk))
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)
