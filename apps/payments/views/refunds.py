"""API views of refunds, and of cancelling orders with their refunds. No method calls the gateway."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, get_actor, get_etag, idempotent, with_etag
from apps.core.api.pagination import whole_list
from apps.core.api.schema import choices_parameter, id_parameter, page_example, page_parameters
from apps.core.errors import Forbidden
from apps.core.ids import decode
from apps.core.models import is_staff_with, public_pk
from apps.orders import selectors as orders
from apps.orders.services import OrderNotCancellable
from apps.payments import filters, selectors, services
from apps.payments.models import Refund
from apps.payments.serializers.payments import EmptyRequest
from apps.payments.serializers.refunds import (
    APPROVED_EXAMPLE,
    CANCELLED_ORDER_EXAMPLE,
    PROCESSED_EXAMPLE,
    REFUND_EXAMPLE,
    REFUND_LINE_ASKED,
    RETRIED_EXAMPLE,
    TRANSFERRED_EXAMPLE,
    WAITING_EXAMPLE,
    WITHDRAWN_EXAMPLE,
    CancelledOrderResponse,
    CancelOrderRequest,
    ConfirmTransferRequest,
    RefundListResponse,
    RefundReasonRequest,
    RefundResponse,
    RequestRefundRequest,
)
from apps.payments.states import RefundStatus

_DECIDE = "payments.change_refund"
_NOTHING = OpenApiExample("Nothing to say", request_only=True, value={})


class RefundNotPermitted(Forbidden):
    """The account may not decide about this refund. Ask staff who may approve refunds."""

    message = "Your account may not decide about this refund."


class RefundView(ApiView):
    """Refunds: of the customer's own orders, or all for staff who may view refunds."""

    raises = {
        "create": (
            orders.OrderNotFound(),
            services.RefundExceedsPayment("ORD-2627-000123", "₹499.00", "₹500.00", param="amount"),
            services.NothingToRefund("ORD-2627-000123"),
        ),
        "approve": (
            services.SelfApprovalForbidden("ORD-2627-000123-R1"),
            services.RefundNotAwaitingApproval("ORD-2627-000123-R1", "processed"),
        ),
        "reject": (
            RefundNotPermitted(),
            services.RefundNotAwaitingApproval("ORD-2627-000123-R1", "processed"),
        ),
        "retry": (
            RefundNotPermitted(),
            services.RefundNotFailed("ORD-2627-000123-R1", "processed"),
        ),
        "cancel": (
            RefundNotPermitted(),
            services.RefundNotCancellable("ORD-2627-000123-R1", "processed"),
        ),
        "confirm_transfer": (
            services.SecondPersonRequired("ORD-2627-000123"),
            services.RefundNotTransferable("ORD-2627-000123-R1", "processed"),
        ),
    }

    params = {"list": (*KeysetPagination.PARAMS, "status", "order_id")}

    @extend_schema(
        operation_id="request_refund",
        summary="Request a refund",
        description=(
            "Of an order: `amount`, `lines`, or all that is left; staff may give an `amount` for `lines`. Who may not decide alone gets "
            "a refund that awaits approval: customers, support, staff about an order of their own, and finance above the limit of "
            "an order. Usually one refund; one for each payment that it is taken of."
        ),
        request=RequestRefundRequest,
        responses={202: RefundListResponse},
        examples=[
            OpenApiExample(
                "A line",
                request_only=True,
                value={
                    "order_id": REFUND_EXAMPLE["order_id"],
                    "lines": [REFUND_LINE_ASKED],
                    "reason": "goods_returned",
                    "note": "Too small",
                },
            ),
            OpenApiExample(
                "Awaits approval",
                response_only=True,
                status_codes=["202"],
                value=whole_list([WAITING_EXAMPLE]),
            ),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        asked = self.read(RequestRefundRequest, request)
        order = _order_to_refund(request.user, asked.pop("order_id"))
        units = [services.RefundLineInput(**line) for line in asked.pop("lines", [])]
        refunds = services.request_refund(
            order_id=order.pk, lines=units, actor=get_actor(request), now=clock.now(), **asked
        )
        data = RefundResponse(refunds, many=True).data
        return accepted(whole_list(data), location=f"/api/v1/refunds/{refunds[0].public_id}")

    @extend_schema(
        operation_id="list_refunds",
        summary="List refunds",
        description="Newest first. Customers see those of their own orders, staff all.",
        parameters=[
            choices_parameter("status", RefundStatus.values, "One or more states, separated by commas."),
            id_parameter("order_id", "ord", "Those of one order."),
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: RefundListResponse},
        examples=[page_example(PROCESSED_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        statuses = filters.read_refund_statuses(self.query.get("status"))
        order_id = filters.read_order_id(self.query.get("order_id"))
        refunds = selectors.list_visible_refunds(user=request.user, statuses=statuses, order_id=order_id)
        scope = f"refunds:{request.user.pk}:{statuses}:{order_id}"
        pagination = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope=scope)
        page = pagination.page(refunds, self.query)
        return with_etag(request, page.envelope([*RefundResponse(page.rows, many=True).data]))

    @extend_schema(
        operation_id="get_refund",
        summary="Read a refund",
        responses={200: RefundResponse},
        examples=[OpenApiExample("Processed", response_only=True, value=PROCESSED_EXAMPLE)],
    )
    def retrieve(self, request: Request, refund_id: str) -> Response:
        refund = selectors.get_visible_refund(user=request.user, refund_id=public_pk(Refund, refund_id))
        return with_etag(request, RefundResponse(refund).data, etag=get_etag(refund))

    @extend_schema(
        operation_id="approve_refund",
        summary="Approve a refund",
        description=(
            "For finance. 403 `self_approval_forbidden` for the person who requested it, and for the customer of the order."
        ),
        request=EmptyRequest,
        responses={202: RefundResponse},
        examples=[
            _NOTHING,
            OpenApiExample("On its way", response_only=True, status_codes=["202"], value=APPROVED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def approve(self, request: Request, refund_id: str) -> Response:
        self.read(EmptyRequest, request)
        refund = self._decidable(request, refund_id)
        return _watch(services.approve_refund(refund_id=refund.pk, actor=get_actor(request), now=clock.now()))

    @extend_schema(
        operation_id="reject_refund",
        summary="Refuse a refund",
        description=(
            "For finance: one that awaits approval, or is held for a bank transfer that will not be made. Its amount can be refunded again."
        ),
        request=RefundReasonRequest,
        responses={200: RefundResponse},
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "The goods did not come back"}),
            OpenApiExample("Refused", response_only=True, value=WITHDRAWN_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def reject(self, request: Request, refund_id: str) -> Response:
        reason = self.read(RefundReasonRequest, request)["reason"]
        refund = self._decidable(request, refund_id)
        return _shown(
            services.reject_refund(refund_id=refund.pk, reason=reason, actor=get_actor(request), now=clock.now())
        )

    @extend_schema(
        operation_id="retry_refund",
        summary="Retry a failed refund",
        description="For finance. A new refund with a new key; the failed one stays as it is.",
        request=EmptyRequest,
        responses={202: RefundResponse},
        examples=[
            _NOTHING,
            OpenApiExample("Retried", response_only=True, status_codes=["202"], value=RETRIED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def retry(self, request: Request, refund_id: str) -> Response:
        self.read(EmptyRequest, request)
        refund = self._decidable(request, refund_id)
        return _watch(services.retry_refund(refund_id=refund.pk, actor=get_actor(request), now=clock.now()))

    @extend_schema(
        operation_id="cancel_refund",
        summary="Withdraw a refund",
        description="For the person who requested it and for finance, until it has been submitted to the gateway.",
        request=RefundReasonRequest,
        responses={200: RefundResponse},
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "I keep it after all"}),
            OpenApiExample("Withdrawn", response_only=True, value=WITHDRAWN_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def cancel(self, request: Request, refund_id: str) -> Response:
        reason = self.read(RefundReasonRequest, request)["reason"]
        refund = selectors.get_visible_refund(user=request.user, refund_id=public_pk(Refund, refund_id))
        actor = get_actor(request)
        if refund.requested_by != str(actor) and not is_staff_with(request.user, _DECIDE):
            raise RefundNotPermitted
        return _shown(services.cancel_refund(refund_id=refund.pk, reason=reason, actor=actor, now=clock.now()))

    @extend_schema(
        operation_id="confirm_refund_transfer",
        summary="Pay a failed refund by bank transfer",
        description=(
            "For finance: with a reference the money has gone, without one its sum is held for the transfer. 403 "
            "`second_person_required` for the person who requested the refund, and above the limit for the one who agreed to the transfer."
        ),
        request=ConfirmTransferRequest,
        responses={200: RefundResponse},
        examples=[
            OpenApiExample("A transfer", request_only=True, value={"reference": "NEFT N326261234567"}),
            OpenApiExample("Paid by transfer", response_only=True, value=TRANSFERRED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def confirm_transfer(self, request: Request, refund_id: str) -> Response:
        reference = self.read(ConfirmTransferRequest, request)["reference"]
        refund = self._decidable(request, refund_id)
        actor, now = get_actor(request), clock.now()
        if not reference:
            return _shown(services.hold_refund_for_transfer(refund_id=refund.pk, actor=actor, now=now))
        return _shown(services.confirm_refund_transfer(refund_id=refund.pk, reference=reference, actor=actor, now=now))

    def _decidable(self, request: Request, refund_id: str) -> Refund:
        """Return a refund that the user may decide about; staff with the permission may decide about all."""
        if not is_staff_with(request.user, _DECIDE):
            raise RefundNotPermitted
        return selectors.get_refund(public_pk(Refund, refund_id))


class OrderCancellationView(ApiView):
    """Cancelling an order, paid or not."""

    raises = {
        "create": (
            orders.OrderChangeForbidden(),
            OrderNotCancellable("ORD-2627-000123"),
        ),
    }

    @extend_schema(
        operation_id="cancel_order",
        summary="Cancel an order",
        description=(
            "Possible while nothing was sent and no payment is open. The stock is released; what was paid is refunded, "
            "see `refunds`: at once if the caller may decide alone about the amount, else after approval."
        ),
        request=CancelOrderRequest,
        responses={200: CancelledOrderResponse},
        examples=[
            OpenApiExample("A reason", request_only=True, value={"reason": "Ordered by mistake"}),
            OpenApiExample("Cancelled", response_only=True, value=CANCELLED_ORDER_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def create(self, request: Request, order_id: str) -> Response:
        reason = self.read(CancelOrderRequest, request)["reason"]
        visible = orders.get_changeable_order(user=request.user, order_id=decode("ord", order_id))
        now = clock.now()
        order = services.cancel_order(order_id=visible.pk, actor=get_actor(request), reason=reason, now=now)
        context = {"refunds": selectors.list_refunds_of_order(order.pk)}
        return Response(CancelledOrderResponse(order, context=context).data, headers={"ETag": get_etag(order)})


def _order_to_refund(user: Any, order_id: Any) -> Any:
    """Return an order that a user may request a refund of: their own, or any for staff with `payments.add_refund`."""
    order = orders.get_visible_order(user=user, order_id=order_id)
    if order.customer_id != user.pk and not is_staff_with(user, "payments.add_refund"):
        raise RefundNotPermitted
    return order


def _shown(refund: Refund) -> Response:
    return Response(RefundResponse(refund).data, headers={"ETag": get_etag(refund)})


def _watch(refund: Refund) -> Response:
    return accepted(RefundResponse(refund).data, location=f"/api/v1/refunds/{refund.public_id}")
