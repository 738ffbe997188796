"""Money over HTTP, by moment."""

from apps.payments.views.collecting import OrderLedgerView, PaymentQrView, PaymentView, RazorpayWebhookView
from apps.payments.views.refunding import OrderCancellationView, RefundView

__all__ = [
    "OrderCancellationView",
    "OrderLedgerView",
    "PaymentQrView",
    "PaymentView",
    "RazorpayWebhookView",
    "RefundView",
]
