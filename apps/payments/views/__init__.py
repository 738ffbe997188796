"""Money over HTTP, by moment."""

from apps.payments.views.attempts import AttemptView
from apps.payments.views.collecting import OrderLedgerView, PaymentQrView, PaymentView, RazorpayWebhookView
from apps.payments.views.disputing import DisputeView
from apps.payments.views.linking import PaymentLinkView, QrCodeView
from apps.payments.views.refunding import OrderCancellationView, RefundView
from apps.payments.views.settling import ReconciliationExceptionView, SettlementImportView, SettlementView

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
