"""API views of payments, refunds and disputes."""

from apps.payments.views.attempts import AttemptView
from apps.payments.views.disputes import DisputeView
from apps.payments.views.payment_links import PaymentLinkView, QrCodeView
from apps.payments.views.payments import PaymentQrView, PaymentView, RazorpayWebhookView
from apps.payments.views.refunds import OrderCancellationView, RefundView

__all__ = [
    "AttemptView",
    "DisputeView",
    "OrderCancellationView",
    "PaymentLinkView",
    "PaymentQrView",
    "PaymentView",
    "QrCodeView",
    "RazorpayWebhookView",
    "RefundView",
]
