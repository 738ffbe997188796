"""API views of disputes, for staff only."""

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, get_actor, get_etag, idempotent
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.payments.filters import DisputeFilterSet
from apps.payments.models import Dispute
from apps.payments.openapi.disputes import describe_disputes
from apps.payments.selectors import disputes as selectors
from apps.payments.serializers.disputes import ContestDisputeRequest, DisputeResponse
from apps.payments.services.disputes import responses


@describe_disputes
class DisputeViewSet(ListModelMixin, ApiViewSet):
    """Disputes: staff with the view permission read them, staff with the change permission respond to them."""

    permission_classes = [requires("payments.change_dispute")]
    staff_permissions = {"list": "payments.view_dispute", "retrieve": "payments.view_dispute"}
    serializer_class = DisputeResponse
    request_serializer_classes = {"contest": ContestDisputeRequest}
    filterset_class = DisputeFilterSet
    lookup_url_kwarg = "dispute_id"

    def get_queryset(self) -> "QuerySet[Dispute]":
        return selectors.list_disputes()

    def retrieve(self, request: Request, dispute_id: str) -> Response:
        dispute = selectors.get_dispute(public_pk(Dispute, dispute_id))
        return self.answer(self.get_serializer(dispute).data, etag=get_etag(dispute))

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def accept(self, request: Request, dispute_id: str) -> Response:
        pk = public_pk(Dispute, dispute_id)
        return self._watch(responses.accept_dispute(dispute_id=pk, actor=get_actor(request), now=clock.now()))

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def contest(self, request: Request, dispute_id: str) -> Response:
        summary = self.read_body()["summary"]
        pk = public_pk(Dispute, dispute_id)
        return self._watch(
            responses.contest_dispute(dispute_id=pk, summary=summary, actor=get_actor(request), now=clock.now())
        )

    def _watch(self, dispute: Dispute) -> Response:
        return accepted(self.get_serializer(dispute).data, location=f"/api/v1/disputes/{dispute.public_id}")
