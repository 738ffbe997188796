"""API views of refunds, and of cancelling orders with their refunds. No method calls the gateway."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, get_actor, get_etag, idempotent
from apps.core.api.pagination import whole_list
from apps.core.ids import decode
from apps.core.models import public_pk
from apps.orders import selectors as orders
from apps.payments.filters import RefundFilterSet
from apps.payments.models import Refund
from apps.payments.openapi.refunds import describe_order_cancellations, describe_refunds
from apps.payments.permissions import RefundPermission
from apps.payments.selectors import refunds as selectors
from apps.payments.serializers.payments import EmptyRequest
from apps.payments.serializers.refunds import (
    CancelledOrderResponse,
    CancelOrderRequest,
    ConfirmTransferRequest,
    RefundReasonRequest,
    RefundResponse,
    RequestRefundRequest,
)
from apps.payments.services import order_cancellation
from apps.payments.services.refunds import amounts, approvals, bank_transfers, requests


@describe_refunds
class RefundViewSet(ListModelMixin, ApiViewSet):
    """Refunds: of the customer's own orders, or all for staff who may view refunds."""

    permission_classes = [IsAuthenticated, RefundPermission]
    serializer_class = RefundResponse
    request_serializer_classes = {
        "create": RequestRefundRequest,
        "approve": EmptyRequest,
        "reject": RefundReasonRequest,
        "retry": EmptyRequest,
        "cancel": RefundReasonRequest,
        "hold_for_transfer": EmptyRequest,
        "confirm_transfer": ConfirmTransferRequest,
    }
    filterset_class = RefundFilterSet
    lookup_url_kwarg = "refund_id"

    def get_queryset(self) -> "QuerySet[Refund]":
        return selectors.list_visible_refunds(user=self.request.user)

    def get_object(self) -> Refund:
        refund_id = public_pk(Refund, self.kwargs["refund_id"])
        refund = selectors.get_visible_refund(user=self.request.user, refund_id=refund_id)
        self.check_object_permissions(self.request, refund)
        return refund

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        asked = self.read_body()
        order = orders.get_visible_order(user=request.user, order_id=asked.pop("order_id"))
        self.check_object_permissions(request, order)
        refunds = _request_refunds(order_id=order.pk, actor=get_actor(request), now=clock.now(), **asked)
        data = self.get_serializer(refunds, many=True).data
        return accepted(whole_list(data), location=f"/api/v1/refunds/{refunds[0].public_id}")

    def retrieve(self, request: Request, refund_id: str) -> Response:
        refund = self.get_object()
        return self.answer(self.get_serializer(refund).data, etag=get_etag(refund))

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def approve(self, request: Request, refund_id: str) -> Response:
        self.read_body()
        refund = selectors.get_refund(public_pk(Refund, refund_id))
        return self._watch(approvals.approve_refund(refund_id=refund.pk, actor=get_actor(request), now=clock.now()))

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def reject(self, request: Request, refund_id: str) -> Response:
        reason = self.read_body()["reason"]
        refund = selectors.get_refund(public_pk(Refund, refund_id))
        return self._shown(
            approvals.reject_refund(refund_id=refund.pk, reason=reason, actor=get_actor(request), now=clock.now())
        )

    @action(detail=True, methods=["post"])
    @idempotent(required=True)
    def retry(self, request: Request, refund_id: str) -> Response:
        self.read_body()
        refund = selectors.get_refund(public_pk(Refund, refund_id))
        return self._watch(requests.retry_refund(refund_id=refund.pk, actor=get_actor(request), now=clock.now()))

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def cancel(self, request: Request, refund_id: str) -> Response:
        reason = self.read_body()["reason"]
        refund = self.get_object()
        return self._shown(
            approvals.cancel_refund(refund_id=refund.pk, reason=reason, actor=get_actor(request), now=clock.now())
        )

    @action(detail=True, methods=["post"], url_path="hold-for-transfer")
    @idempotent(required=True)
    def hold_for_transfer(self, request: Request, refund_id: str) -> Response:
        self.read_body()
        refund = selectors.get_refund(public_pk(Refund, refund_id))
        return self._shown(
            bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=get_actor(request), now=clock.now())
        )

    @action(detail=True, methods=["post"], url_path="confirm-transfer")
    @idempotent(required=True)
    def confirm_transfer(self, request: Request, refund_id: str) -> Response:
        reference = self.read_body()["reference"]
        refund = selectors.get_refund(public_pk(Refund, refund_id))
        return self._shown(
            bank_transfers.confirm_refund_transfer(
                refund_id=refund.pk, reference=reference, actor=get_actor(request), now=clock.now()
            )
        )

    def _shown(self, refund: Refund) -> Response:
        return Response(self.get_serializer(refund).data, headers={"ETag": get_etag(refund)})

    def _watch(self, refund: Refund) -> Response:
        return accepted(self.get_serializer(refund).data, location=f"/api/v1/refunds/{refund.public_id}")


def _request_refunds(
    *, lines: Sequence[Mapping[str, Any]] = (), amount: int | None = None, **values: Any
) -> list[Refund]:
    """Request what a body asks for: lines, an amount, or all that is left."""
    if lines:
        units = [amounts.RefundLineInput(**line) for line in lines]
        return requests.request_refund_by_lines(lines=units, amount=amount, **values)
    if amount is not None:
        return requests.request_refund_by_amount(amount=amount, **values)
    return requests.request_full_refund(**values)


@describe_order_cancellations
class OrderCancellationViewSet(ApiViewSet):
    """Cancelling an order, paid or not."""

    serializer_class = CancelledOrderResponse
    request_serializer_classes = {"create": CancelOrderRequest}

    @idempotent(required=False)
    def create(self, request: Request, order_id: str) -> Response:
        reason = self.read_body()["reason"]
        visible = orders.get_changeable_order(user=request.user, order_id=decode("ord", order_id))
        now = clock.now()
        order = order_cancellation.cancel_order(order_id=visible.pk, actor=get_actor(request), reason=reason, now=now)
        context = {"refunds": selectors.list_refunds_of_order(order.pk)}
        return Response(CancelledOrderResponse(order, context=context).data, headers={"ETag": get_etag(order)})
