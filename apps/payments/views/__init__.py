"""API views of payments, refunds and disputes."""

from apps.payments.views.attempts import AttemptViewSet
from apps.payments.views.disputes import DisputeViewSet
from apps.payments.views.payment_links import PaymentLinkViewSet, QrCodeViewSet
from apps.payments.views.payments import PaymentQrViewSet, PaymentViewSet, RazorpayWebhookViewSet
from apps.payments.views.refunds import OrderCancellationViewSet, RefundViewSet

__all__ = [
    "AttemptViewSet",
    "DisputeViewSet",
    "OrderCancellationViewSet",
    "PaymentLinkViewSet",
    "PaymentQrViewSet",
    "PaymentViewSet",
    "QrCodeViewSet",
    "RazorpayWebhookViewSet",
    "RefundViewSet",
]
