"""API views of payments, refunds, disputes and webhooks."""

from apps.payments.views.attempts import AttemptViewSet
from apps.payments.views.disputes import DisputeViewSet
from apps.payments.views.downtimes import PaymentDowntimeViewSet
from apps.payments.views.payment_links import PaymentLinkViewSet, QrCodeViewSet
from apps.payments.views.payments import PaymentQrViewSet, PaymentViewSet
from apps.payments.views.refunds import OrderCancellationViewSet, RefundViewSet
from apps.payments.views.webhooks import RazorpayWebhookViewSet

__all__ = [
    "AttemptViewSet",
    "DisputeViewSet",
    "OrderCancellationViewSet",
    "PaymentDowntimeViewSet",
    "PaymentLinkViewSet",
    "PaymentQrViewSet",
    "PaymentViewSet",
    "QrCodeViewSet",
    "RazorpayWebhookViewSet",
    "RefundViewSet",
]
