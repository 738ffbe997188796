"""API views of payment links and QR codes: payments that staff create for a buyer. No method calls the gateway."""

from django.db.models import QuerySet
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, accepted, get_actor, idempotent
from apps.payments.filters import PaymentFilterSet
from apps.payments.models import Payment
from apps.payments.openapi.payment_links import describe_payment_links, describe_qr_codes
from apps.payments.selectors import payments as selectors
from apps.payments.serializers.payments import PaymentResponse, StartPaymentRequest
from apps.payments.services import payments as payment_services
from apps.payments.states import PaymentChannel


class _LinkViewSet(ListModelMixin, ApiViewSet):
    """Payments of one channel: staff with permission create them; customers see those of their own orders."""

    channel: PaymentChannel
    staff_permissions = {"create": "payments.add_payment"}
    serializer_class = PaymentResponse
    request_serializer_classes = {"create": StartPaymentRequest}
    filterset_class = PaymentFilterSet

    def get_queryset(self) -> "QuerySet[Payment]":
        return selectors.list_visible_payments(user=self.request.user, channel=self.channel)

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        order_id = self.read_body()["order_id"]
        payment = payment_services.start_link_payment(
            order_id=order_id, channel=self.channel, actor=get_actor(request), now=clock.now()
        )
        return accepted(self.get_serializer(payment).data, location=f"/api/v1/payments/{payment.public_id}")


@describe_payment_links
class PaymentLinkViewSet(_LinkViewSet):
    """Payment links."""

    channel = PaymentChannel.PAYMENT_LINK


@describe_qr_codes
class QrCodeViewSet(_LinkViewSet):
    """QR codes."""

    channel = PaymentChannel.QR_CODE
