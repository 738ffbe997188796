"""API views of payment links and QR codes: payments that staff create for a buyer. No method calls the gateway."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, accepted, get_actor, idempotent, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import choices_parameter, id_parameter, page_example, page_parameters
from apps.payments import filters, selectors, services
from apps.payments.serializers.payment_links import (
    LINK_READY_EXAMPLE,
    LINK_STARTED_EXAMPLE,
    QR_READY_EXAMPLE,
    QR_STARTED_EXAMPLE,
)
from apps.payments.serializers.payments import PaymentListResponse, PaymentResponse, StartPaymentRequest
from apps.payments.states import PaymentChannel, PaymentStatus

_PAGE = [
    choices_parameter("status", PaymentStatus.values, "One or more states, separated by commas."),
    id_parameter("order_id", "ord", "Those of one order."),
    *page_parameters("-created_at", "created_at"),
]
_ORDER = OpenApiExample("An order", request_only=True, value={"order_id": LINK_STARTED_EXAMPLE["order_id"]})


class _LinkView(ApiView):
    """Payments of one channel: staff with permission create them; customers see those of their own orders."""

    channel: PaymentChannel
    params = {"list": (*KeysetPagination.PARAMS, "status", "order_id")}

    def get_permissions(self) -> list[Any]:
        more = [requires("payments.add_payment")()] if self.action == "create" else []
        return [*super().get_permissions(), *more]

    def _start(self, request: Request) -> Response:
        order_id = self.read(StartPaymentRequest, request)["order_id"]
        payment = services.start_link(
            order_id=order_id, channel=self.channel, actor=get_actor(request), now=clock.now()
        )
        return accepted(PaymentResponse(payment).data, location=f"/api/v1/payments/{payment.public_id}")

    def _page(self, request: Request) -> Response:
        wanted: dict[str, Any] = {
            "statuses": filters.read_statuses(self.query.get("status")),
            "order_id": filters.read_order_id(self.query.get("order_id")),
            "channel": self.channel,
        }
        payments = selectors.list_visible_payments(user=request.user, **wanted)
        scope = f"payments:{request.user.pk}:{sorted(wanted.items())}"
        pagination = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope=scope)
        page = pagination.page(payments, self.query)
        return with_etag(request, page.envelope([*PaymentResponse(page.rows, many=True).data]))


class PaymentLinkView(_LinkView):
    """Payment links."""

    channel = PaymentChannel.PAYMENT_LINK

    @extend_schema(
        operation_id="start_payment_link",
        summary="Send a buyer a payment link",
        description=(
            "For staff. Begins to collect what is due of an order by a link, which the buyer is sent by SMS and "
            "e-mail, as far as they have them, as soon as it is there; the order holds its"
            " goods until then. Follow `Location` until `next_action` has its `url`. A link "
            "of the order that is under way already is returned; any other payment must be cancelled first."
        ),
        request=StartPaymentRequest,
        responses={202: PaymentResponse},
        examples=[
            _ORDER,
            OpenApiExample("Begun", response_only=True, status_codes=["202"], value=LINK_STARTED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        return self._start(request)

    @extend_schema(
        operation_id="list_payment_links",
        summary="List payment links",
        description="The payments by link, newest first. Customers see their own, staff all.",
        parameters=_PAGE,
        responses={200: PaymentListResponse},
        examples=[page_example(LINK_READY_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        return self._page(request)


class QrCodeView(_LinkView):
    """QR codes."""

    channel = PaymentChannel.QR_CODE

    @extend_schema(
        operation_id="start_qr_code",
        summary="Show a buyer a QR code",
        description=(
            "For staff, at a counter or a door. Begins to collect what is due of an order by a UPI QR code that can be paid "
            "once, for at most two hours. Follow `Location` until `next_action` has its `image_url`. A code of the order that "
            "is under way already is returned; any other payment must be cancelled first."
        ),
        request=StartPaymentRequest,
        responses={202: PaymentResponse},
        examples=[
            _ORDER,
            OpenApiExample("Begun", response_only=True, status_codes=["202"], value=QR_STARTED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        return self._start(request)

    @extend_schema(
        operation_id="list_qr_codes",
        summary="List QR codes",
        description="The payments by QR code, newest first. Customers see their own, staff all.",
        parameters=_PAGE,
        responses={200: PaymentListResponse},
        examples=[page_example(QR_READY_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        return self._page(request)
