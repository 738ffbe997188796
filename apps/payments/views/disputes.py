"""API views of disputes, for staff only."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, get_actor, get_etag, idempotent, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import choices_parameter, id_parameter, page_example, page_parameters
from apps.core.models import public_pk
from apps.payments import filters, selectors, services
from apps.payments.models import Dispute
from apps.payments.serializers.disputes import (
    DISPUTE_EXAMPLE,
    ContestDisputeRequest,
    DisputeListResponse,
    DisputeResponse,
)
from apps.payments.states import DisputeStatus

_SUMMARY = "The parcel was delivered to the buyer on 20 November; the signed receipt is attached."


class DisputeView(ApiView):
    """Disputes: staff with the view permission read them, staff with the change permission respond to them."""

    params = {"list": (*KeysetPagination.PARAMS, "status", "order_id")}
    without_body = ("accept",)

    def get_permissions(self) -> list[Any]:
        action = "view" if self.action in ("list", "retrieve") else "change"
        return [*super().get_permissions(), requires(f"payments.{action}_dispute")()]

    @extend_schema(
        operation_id="list_disputes",
        summary="List disputes",
        description="Newest first.",
        parameters=[
            choices_parameter("status", DisputeStatus.values, "One or more states, separated by commas."),
            id_parameter("order_id", "ord", "Only those of this order."),
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: DisputeListResponse},
        examples=[page_example(DISPUTE_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        wanted: dict[str, Any] = {
            "statuses": filters.read_dispute_statuses(self.query.get("status")),
            "order_id": filters.read_order_id(self.query.get("order_id")),
        }
        scope = f"disputes:{request.user.pk}:{sorted(wanted.items())}"
        pagination = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope=scope)
        page = pagination.page(selectors.list_disputes(**wanted), self.query)
        return with_etag(request, page.envelope([*DisputeResponse(page.rows, many=True).data]))

    @extend_schema(
        operation_id="get_dispute",
        summary="Read a dispute",
        responses={200: DisputeResponse},
        examples=[OpenApiExample("To be answered", response_only=True, value=DISPUTE_EXAMPLE)],
    )
    def retrieve(self, request: Request, dispute_id: str) -> Response:
        dispute = selectors.get_dispute(public_pk(Dispute, dispute_id))
        return with_etag(request, DisputeResponse(dispute).data, etag=get_etag(dispute))

    @extend_schema(
        operation_id="accept_dispute",
        summary="Accept a dispute",
        description="The payer keeps the money. This cannot be taken back.",
        request=None,
        responses={202: DisputeResponse},
        examples=[
            OpenApiExample(
                "Accepted",
                response_only=True,
                status_codes=["202"],
                value={
                    **DISPUTE_EXAMPLE,
                    "response": "accepted",
                    "responded_at": "2026-11-21T06:00:00.000Z",
                    "version": 2,
                },
            )
        ],
    )
    @idempotent(required=True)
    def accept(self, request: Request, dispute_id: str) -> Response:
        pk = public_pk(Dispute, dispute_id)
        return _watch(services.accept_dispute(dispute_id=pk, actor=get_actor(request), now=clock.now()))

    @extend_schema(
        operation_id="contest_dispute",
        summary="Contest a dispute",
        description="What we say goes to the bank with the proof of the sale: `GET /disputes/{id}/evidence`, invoice and credit notes.",
        request=ContestDisputeRequest,
        responses={202: DisputeResponse},
        examples=[
            OpenApiExample("What we say", request_only=True, value={"summary": _SUMMARY}),
            OpenApiExample(
                "Contested",
                response_only=True,
                status_codes=["202"],
                value={
                    **DISPUTE_EXAMPLE,
                    "response": "contested",
                    "summary": _SUMMARY,
                    "responded_at": "2026-11-21T06:00:00.000Z",
                    "version": 2,
                },
            ),
        ],
    )
    @idempotent(required=True)
    def contest(self, request: Request, dispute_id: str) -> Response:
        summary = self.read(ContestDisputeRequest, request)["summary"]
        pk = public_pk(Dispute, dispute_id)
        return _watch(
            services.contest_dispute(dispute_id=pk, summary=summary, actor=get_actor(request), now=clock.now())
        )


def _watch(dispute: Dispute) -> Response:
    return accepted(DisputeResponse(dispute).data, location=f"/api/v1/disputes/{dispute.public_id}")
