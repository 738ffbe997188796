"""API views of payments and of the gateways' webhooks."""

import io
from typing import Any
from uuid import UUID

import segno
from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, client_ip, get_actor, idempotent
from apps.core.models import is_staff_with, public_pk
from apps.payments.filters import PaymentFilterSet
from apps.payments.models import Payment
from apps.payments.openapi.payments import (
    describe_payment_qr,
    describe_payments,
)
from apps.payments.selectors import payments as selectors
from apps.payments.serializers.payments import (
    EmptyRequest,
    PaymentResponse,
    StartPaymentRequest,
    SvgRenderer,
    VerifyPaymentRequest,
)
from apps.payments.services import checkout_signatures, polling
from apps.payments.services import payments as payment_services


@describe_payments
class PaymentViewSet(ListModelMixin, ApiViewSet):
    """Payments: the customer's own, or all for staff who may view payments. No method calls the gateway."""

    serializer_class = PaymentResponse
    request_serializer_classes = {
        "create": StartPaymentRequest,
        "verify": VerifyPaymentRequest,
        "cancel": EmptyRequest,
        "sync": EmptyRequest,
    }
    admission_actions = ("create",)
    filterset_class = PaymentFilterSet
    lookup_url_kwarg = "payment_id"

    def get_queryset(self) -> "QuerySet[Payment]":
        return selectors.list_visible_payments(user=self.request.user)

    def get_object(self) -> Any:
        payment_id = public_pk(Payment, self.kwargs["payment_id"])
        return selectors.get_shown_payment(user=self.request.user, payment_id=payment_id)

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        payment = payment_services.start_payment(
            order_id=self.read_body()["order_id"],
            customer_id=_customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
            payer_ip=client_ip(request),
            payer_user_agent=request.headers.get("User-Agent", ""),
        )
        return self._watch(payment)

    def retrieve(self, request: Request, payment_id: str) -> Response:
        # The ETag is a hash: a new attempt changes this response, but not the payment's version.
        return self.answer(self.get_serializer(self.get_object()).data)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def verify(self, request: Request, payment_id: str) -> Response:
        callback = self.read_body()
        payment = checkout_signatures.verify_checkout(
            payment_id=public_pk(Payment, payment_id),
            customer_id=_customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
            **callback,
        )
        return self._watch(payment)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def cancel(self, request: Request, payment_id: str) -> Response:
        self.read_body()
        payment = payment_services.cancel_payment(
            payment_id=public_pk(Payment, payment_id),
            customer_id=None if is_staff_with(request.user, "payments.add_payment") else _customer_id(request),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(payment).data)

    @action(detail=True, methods=["post"])
    @idempotent(required=False)
    def sync(self, request: Request, payment_id: str) -> Response:
        self.read_body()
        visible = self.get_object()
        payment = polling.request_payment_sync(payment_id=visible.pk, actor=get_actor(request), now=clock.now())
        return self._watch(payment)

    def _watch(self, payment: Payment) -> Response:
        return accepted(self.get_serializer(payment).data, location=f"/api/v1/payments/{payment.public_id}")


def _customer_id(request: Request) -> UUID:
    user: Any = request.user
    return UUID(str(user.pk))


@describe_payment_qr
class PaymentQrViewSet(ApiViewSet):
    """The UPI link of a payment as an image."""

    renderer_classes = [SvgRenderer]

    def retrieve(self, request: Request, payment_id: str) -> Response:
        payment = selectors.get_shown_payment(user=request.user, payment_id=public_pk(Payment, payment_id))
        image = io.BytesIO()
        qr = segno.make(selectors.get_upi_link(payment), error="m", micro=False)
        qr.save(image, kind="svg", border=4, scale=6, xmldecl=False)
        return Response(image.getvalue(), content_type="image/svg+xml")

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # An `img` tag accepts images, an API client JSON: both receive the image, and errors are JSON.
        return SvgRenderer(), SvgRenderer.media_type
