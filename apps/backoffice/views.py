"""Views that read every app: the timeline and the ledger of an order, the evidence for a dispute, and the sales of the shop."""

from io import BytesIO
from typing import Any

from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.backoffice import openapi
from apps.backoffice.filters import DailySalesQuery, RankingQuery
from apps.backoffice.pagination import TimelinePagination
from apps.backoffice.selectors import attention, dispute_evidence, sales, timeline
from apps.backoffice.serializers import (
    AddDisputeEvidenceRequest,
    BestSellerResponse,
    DailySalesResponse,
    DisputeEvidenceResponse,
    EvidencePdfResponse,
    EvidenceResponse,
    LedgerEntryResponse,
    SalesDashboardResponse,
    TimelineEntryResponse,
    TopCustomerResponse,
)
from apps.backoffice.services import dispute_evidence as evidence_pdfs
from apps.backoffice.states import Period
from apps.core import clock, ids
from apps.core.api import ApiViewSet, WholeListPagination, get_actor, idempotent
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pdf import PdfMixin
from apps.core.api.permissions import requires
from apps.ledger import selectors as ledger
from apps.orders import selectors as orders
from apps.payments import services as payments


@openapi.describe_timeline
class OrderTimelineViewSet(ApiViewSet):
    """What happened to an order: the customer's own; any for staff who may view orders."""

    serializer_class = TimelineEntryResponse
    pagination_class = TimelinePagination

    def list(self, request: Request, order_id: str) -> Response:
        order = orders.get_visible_order(user=request.user, order_id=ids.decode("ord", order_id))
        events = self.paginate_queryset(timeline.list_timeline(user=request.user, order=order)) or []
        entries = timeline.describe_timeline([*events], order=order)
        return self.get_paginated_response(self.get_serializer(entries, many=True).data)


@openapi.describe_ledger
class OrderLedgerViewSet(ApiViewSet):
    """The ledger entries of one order, for finance staff."""

    permission_classes = [requires("ledger.view_ledgerentry")]
    serializer_class = LedgerEntryResponse
    pagination_class = WholeListPagination

    def list(self, request: Request, order_id: str) -> Response:
        order = orders.get_order(ids.decode("ord", order_id))
        entries = self.paginate_queryset(ledger.list_entries_of_order(order.pk)) or []
        return self.get_paginated_response(self.get_serializer(entries, many=True).data)


@openapi.describe_evidence
class DisputeEvidenceViewSet(ApiViewSet):
    """The evidence for a dispute, for staff who answer disputes: it has log-ins and messages of the buyer's."""

    permission_classes = [requires("payments.change_dispute")]
    serializer_class = EvidenceResponse
    serializer_classes = {"create": DisputeEvidenceResponse}
    request_serializer_classes = {"create": AddDisputeEvidenceRequest}

    def retrieve(self, request: Request, dispute_id: str) -> Response:
        evidence = dispute_evidence.get_evidence(ids.decode("disp", dispute_id))
        return self.answer(self.get_serializer(evidence).data)

    @idempotent(required=True)
    def create(self, request: Request, dispute_id: str) -> Response:
        statement = payments.add_dispute_evidence(
            dispute_id=ids.decode("disp", dispute_id),
            **self.read_body(),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(statement).data, status=201)


@openapi.describe_evidence_pdf
class DisputeEvidencePdfViewSet(PdfMixin, ApiViewSet):
    """The same as a PDF, as the bank gets it."""

    permission_classes = [requires("payments.change_dispute")]
    serializer_class = EvidencePdfResponse
    pdf_actions = ("retrieve", "create")

    def retrieve(self, request: Request, dispute_id: str) -> HttpResponseBase:
        dispute_pk = ids.decode("disp", dispute_id)
        name, content = evidence_pdfs.get_evidence_pdf(dispute_id=dispute_pk, now=clock.now())
        user: Any = request.user
        if sees_contacts_masked(user):
            # Phone and e-mail address of the buyer are masked there, but not what staff have typed into statements.
            accounts.record_contact_details_view(
                user_id=user.pk,
                page=request.path,
                public_ids=[ids.encode("disp", dispute_pk)],
                actor=get_actor(request),
                now=clock.now(),
            )
        return FileResponse(
            BytesIO(content),
            as_attachment=True,
            filename=name,
            content_type="application/pdf",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )

    @idempotent(required=False)
    def create(self, request: Request, dispute_id: str) -> Response:
        is_ready = evidence_pdfs.request_evidence_pdf(
            dispute_id=ids.decode("disp", dispute_id), actor=get_actor(request), now=clock.now()
        )
        body = {
            "object": "dispute_evidence_pdf",
            "dispute_id": dispute_id,
            "status": "ready" if is_ready else "pending",
        }
        headers = {"Location": request.path} if is_ready else {"Location": request.path, "Retry-After": "2"}
        return Response(self.get_serializer(body).data, status=200 if is_ready else 202, headers=headers)


class _SalesViewSet(ApiViewSet):
    """What is read from the projections of sales."""

    permission_classes = [requires("backoffice.view_dailysales")]
    pagination_class = WholeListPagination


@openapi.describe_sales_dashboard
class SalesDashboardViewSet(_SalesViewSet):
    """The sales of the shop at a glance."""

    serializer_class = SalesDashboardResponse

    def retrieve(self, request: Request) -> Response:
        found = sales.get_sales(now=clock.now())
        shown = {
            "object": "sales_dashboard", "as_of": found.as_of, "periods": found.periods, "days": found.days,
            "attention": attention.count_what_needs_attention(),
        }  # fmt: skip
        return self.answer(self.get_serializer(shown).data)


@openapi.describe_daily_sales
class DailySalesViewSet(ListModelMixin, _SalesViewSet):
    """The sales of each day."""

    serializer_class = DailySalesResponse
    query_serializer_classes = {"list": DailySalesQuery}

    def get_queryset(self) -> Any:
        query = self.read_query()
        return sales.list_daily_sales(sales.choose_days(query.get("day[gte]"), query.get("day[lte]")))


@openapi.describe_best_sellers
class BestSellerViewSet(ListModelMixin, _SalesViewSet):
    """The variants that sell best."""

    serializer_class = BestSellerResponse
    query_serializer_classes = {"list": RankingQuery}

    def get_queryset(self) -> Any:
        period = self.read_query().get("period", Period.LAST_30_DAYS)
        return sales.list_best_sellers(period)[: sales.RANKED]


@openapi.describe_top_customers
class TopCustomerViewSet(ListModelMixin, _SalesViewSet):
    """The customers who buy for most."""

    serializer_class = TopCustomerResponse
    query_serializer_classes = {"list": RankingQuery}

    def get_queryset(self) -> Any:
        period = self.read_query().get("period", Period.LAST_30_DAYS)
        return sales.list_top_customers(period)[: sales.RANKED]
