"""API views of payments, refunds, disputes and settlements."""

from apps.payments.views.attempts import AttemptView
from apps.payments.views.disputes import DisputeView
from apps.payments.views.payment_links import PaymentLinkView, QrCodeView
from apps.payments.views.payments import OrderLedgerView, PaymentQrView, PaymentView, RazorpayWebhookView
from apps.payments.views.refunds import OrderCancellationView, RefundView
from apps.payments.views.settlements import ReconciliationExceptionView, SettlementImportView, SettlementView

__all__ = [
    "AttemptView",
    "DisputeView",
    "OrderCancellationView",
    "OrderLedgerView",
    "PaymentLinkView",
    "PaymentQrView",
    "PaymentView",
    "QrCodeView",
    "RazorpayWebhookView",
    "ReconciliationExceptionView",
    "RefundView",
    "SettlementImportView",
    "SettlementView",
]
