"""API views of payments and of the gateways' webhooks."""

import io
from typing import Any
from uuid import UUID

import segno
from django_ratelimit.core import is_ratelimited
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import (
    ApiView,
    KeysetPagination,
    accepted,
    client_ip,
    get_actor,
    idempotent,
    with_etag,
)
from apps.core.api.parser import BodyTooLarge
from apps.core.api.schema import choices_parameter, id_parameter, page_example, page_parameters
from apps.core.errors import NotFound, RateLimited
from apps.core.models import is_staff_with, public_pk
from apps.orders import selectors as orders
from apps.payments import filters, selectors, services
from apps.payments.models import Payment
from apps.payments.serializers.payments import (
    CANCELLED_EXAMPLE,
    READY_EXAMPLE,
    STARTED_EXAMPLE,
    SUCCEEDED_EXAMPLE,
    EmptyRequest,
    PaymentListResponse,
    PaymentResponse,
    StartPaymentRequest,
    SvgRenderer,
    VerifyPaymentRequest,
    WebhookAcknowledgementResponse,
)
from apps.payments.states import PaymentStatus

_MAX_WEBHOOK_BYTES = 262_144
#: The rate limit of webhooks with an invalid signature, per IP address. Webhooks with a valid signature are not
#: counted.
_FORGERIES = "300/m"


class UpiLinkNotFound(NotFound):
    """The payment has no UPI link now. Wait until its `next_action` has one; a payment that has ended has none."""

    message = "This payment has no UPI link at the moment."


_SIGNATURE = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_EVENT_ID = {"type": "string", "maxLength": 80}


class PaymentView(ApiView):
    """Payments: the customer's own, or all for staff who may view payments. No method calls the gateway."""

    raises = {
        "create": (
            orders.OrderNotFound(),
            services.OrderNotPayable("ORD-2627-000123", "cancelled"),
            services.NothingToPay("ORD-2627-000123"),
        ),
        "verify": (services.InvalidCheckoutSignature(param="signature"),),
        "cancel": (services.PaymentNotCancellable("succeeded"),),
    }

    params = {"list": (*KeysetPagination.PARAMS, "status", "order_id")}

    @extend_schema(
        operation_id="start_payment",
        summary="Ask to pay an order",
        description=(
            "Begins to collect what is due of an order and answers at once; follow `Location` until `next_action` is there. "
            "If a payment of the order is under way already, that one is returned."
        ),
        request=StartPaymentRequest,
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample("An order", request_only=True, value={"order_id": STARTED_EXAMPLE["order_id"]}),
            OpenApiExample("Begun", response_only=True, status_codes=["202"], value=STARTED_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        order_id = self.read(StartPaymentRequest, request)["order_id"]
        payment = services.start_payment(
            order_id=order_id,
            customer_id=_customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
            payer_ip=client_ip(request),
            payer_user_agent=request.headers.get("User-Agent", ""),
        )
        return _watch(payment)

    @extend_schema(
        operation_id="list_payments",
        summary="List payments",
        description="Newest first, each with its attempts. Customers see their own, staff all.",
        parameters=[
            choices_parameter("status", PaymentStatus.values, "One or more states, separated by commas."),
            id_parameter("order_id", "ord", "Those of one order."),
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: PaymentListResponse},
        examples=[page_example(SUCCEEDED_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        statuses = filters.read_statuses(self.query.get("status"))
        order_id = filters.read_order_id(self.query.get("order_id"))
        payments = selectors.list_visible_payments(user=request.user, statuses=statuses, order_id=order_id)
        scope = f"payments:{request.user.pk}:{statuses}:{order_id}"
        pagination = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope=scope)
        page = pagination.page(payments, self.query)
        return with_etag(request, page.envelope(list(PaymentResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_payment",
        summary="Read a payment",
        description="With its attempts, and with what the buyer's device does next.",
        responses={200: PaymentResponse},
        examples=[
            OpenApiExample("Waiting for the buyer", response_only=True, value=READY_EXAMPLE),
            OpenApiExample("Paid", response_only=True, value=SUCCEEDED_EXAMPLE),
        ],
    )
    def retrieve(self, request: Request, payment_id: str) -> Response:
        payment = selectors.get_visible_payment(user=request.user, payment_id=public_pk(Payment, payment_id))
        # The ETag is a hash: a new attempt changes this response, but not the payment's version.
        return with_etag(request, PaymentResponse(payment).data)

    @extend_schema(
        operation_id="verify_payment",
        summary="Hand in what Checkout returned",
        description=(
            "Checks the signature and has a worker ask the gateway, whose answer alone decides. Follow `Location`; "
            "the payment also completes without this call."
        ),
        request=VerifyPaymentRequest,
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample(
                "From Checkout",
                request_only=True,
                value={
                    "gateway_order_id": "order_NQxk3a7bGfD1Ye",
                    "gateway_payment_id": "pay_NQxlPq2WmR8sTz",
                    "signature": "b28b3b1cf11aae4ef55eae124e6c88b095949cbffe7aa624916fac870061a92b",
                },
            ),
            OpenApiExample("Being asked", response_only=True, status_codes=["202"], value=READY_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def verify(self, request: Request, payment_id: str) -> Response:
        callback = self.read(VerifyPaymentRequest, request)
        payment = services.verify_checkout(
            payment_id=public_pk(Payment, payment_id),
            customer_id=_customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
            **callback,
        )
        return _watch(payment)

    @extend_schema(
        operation_id="cancel_payment",
        summary="Give up a payment",
        description=(
            "Possible until money is authorised; staff do it for any customer. A payment link or QR code is closed at the "
            "gateway. Money that still arrives is booked and shown as late."
        ),
        request=EmptyRequest,
        responses={200: PaymentResponse},
        examples=[
            OpenApiExample("Nothing to say", request_only=True, value={}),
            OpenApiExample("Cancelled", response_only=True, value=CANCELLED_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def cancel(self, request: Request, payment_id: str) -> Response:
        self.read(EmptyRequest, request)
        payment = services.cancel_payment(
            payment_id=public_pk(Payment, payment_id),
            customer_id=None if is_staff_with(request.user, "payments.add_payment") else _customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(PaymentResponse(payment).data)

    @extend_schema(
        operation_id="sync_payment",
        summary="Have the gateway asked about a payment",
        description="For the buyer and for staff, when a payment seems to hang. A worker asks; follow `Location`.",
        request=EmptyRequest,
        responses={202: PaymentResponse},
        examples=[
            OpenApiExample("Nothing to say", request_only=True, value={}),
            OpenApiExample("Being asked", response_only=True, status_codes=["202"], value=READY_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def sync(self, request: Request, payment_id: str) -> Response:
        self.read(EmptyRequest, request)
        visible = selectors.get_visible_payment(user=request.user, payment_id=public_pk(Payment, payment_id))
        payment = services.request_payment_sync(payment_id=visible.pk, actor=get_actor(request), now=clock.now())
        return _watch(payment)


def _customer_id(request: Request) -> UUID:
    user: Any = request.user
    return UUID(str(user.pk))


def _watch(payment: Payment) -> Response:
    return accepted(PaymentResponse(payment).data, location=f"/api/v1/payments/{payment.public_id}")


class PaymentQrView(ApiView):
    """The UPI link of a payment as an image."""

    raises = {
        "retrieve": (UpiLinkNotFound(),),
    }

    renderer_classes = [SvgRenderer]

    @extend_schema(
        operation_id="get_payment_qr",
        summary="Read the UPI link as a QR code",
        description="The very link of `next_action.upi`, unchanged, as an SVG image.",
        responses={(200, "image/svg+xml"): OpenApiTypes.STR},
        examples=[OpenApiExample("An image", response_only=True, media_type="image/svg+xml", value="<svg>...</svg>")],
    )
    def retrieve(self, request: Request, payment_id: str) -> Response:
        payment = selectors.get_visible_payment(user=request.user, payment_id=public_pk(Payment, payment_id))
        link = payment.next_action.get("upi", {}).get("link")
        if not link:
            raise UpiLinkNotFound
        image = io.BytesIO()
        segno.make(link, error="m", micro=False).save(image, kind="svg", border=4, scale=6, xmldecl=False)
        return Response(image.getvalue(), content_type="image/svg+xml")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # An `img` tag accepts images, an API client JSON: both receive the image, and errors are JSON.
        return SvgRenderer(), SvgRenderer.media_type


class RazorpayWebhookView(ApiView):
    """The webhook endpoint of Razorpay. The signature over the raw bytes is the only credential."""

    raises = {
        "create": (services.InvalidWebhookSignature(),),
    }

    authentication_classes = []
    permission_classes = [AllowAny]
    parser_classes = []

    @extend_schema(
        operation_id="receive_razorpay_webhook",
        summary="Take a webhook of Razorpay",
        description=(
            "Signed with `X-Razorpay-Signature` over the raw body. It is kept before the answer; one that comes again "
            "changes nothing."
        ),
        parameters=[
            OpenApiParameter("X-Razorpay-Signature", _SIGNATURE, OpenApiParameter.HEADER, required=True),
            OpenApiParameter("X-Razorpay-Event-Id", _EVENT_ID, OpenApiParameter.HEADER, required=False),
        ],
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: WebhookAcknowledgementResponse},
        examples=[
            OpenApiExample(
                "A captured payment",
                request_only=True,
                value={"entity": "event", "event": "payment.captured", "contains": ["payment"], "payload": {}},
            ),
            OpenApiExample(
                "Kept", response_only=True, value={"id": "whk_01jf3z8k4qe7tv2w9x0y1z2a3b", "object": "webhook"}
            ),
        ],
    )
    def create(self, request: Request) -> Response:
        try:
            webhook = services.receive_webhook(
                raw=_raw_body(request),
                signature=request.headers.get("X-Razorpay-Signature", ""),
                event_id=request.headers.get("X-Razorpay-Event-Id", ""),
                now=clock.now(),
            )
        except services.InvalidWebhookSignature:
            # Limited only after the signature was found invalid: genuine webhooks are never refused, however many there
            # are.
            if is_ratelimited(
                request._request,
                group="forged_webhooks",
                key=lambda _group, _request: client_ip(request),
                rate=_FORGERIES,
                increment=True,
            ):
                raise RateLimited(retry_after=60)
            raise
        return Response(WebhookAcknowledgementResponse(webhook).data)


def _raw_body(request: Request) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) < 10) or int(length) > _MAX_WEBHOOK_BYTES:
        raise BodyTooLarge
    return request._request.body
