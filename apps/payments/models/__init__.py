"""Models of payments, webhooks, refunds, disputes, settlements and the ledger."""

from apps.payments.models.disputes import Dispute, DisputeEvidence, DisputeNotFound
from apps.payments.models.ledger import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction
from apps.payments.models.payments import (
    Payment,
    PaymentAttempt,
    PaymentNotFound,
    PaymentQuerySet,
    Webhook,
    WebhookNotFound,
)
from apps.payments.models.refunds import Refund, RefundLine, RefundNotFound, RefundQuerySet
from apps.payments.models.settlements import (
    ReconciliationException,
    ReconciliationExceptionNotFound,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementNotFound,
    SettlementReportRow,
)

__all__ = [
    "Account",
    "BalanceCheckpoint",
    "Dispute",
    "DisputeEvidence",
    "DisputeNotFound",
    "LedgerEntry",
    "LedgerTransaction",
    "Payment",
    "PaymentAttempt",
    "PaymentNotFound",
    "PaymentQuerySet",
    "ReconciliationException",
    "ReconciliationExceptionNotFound",
    "Refund",
    "RefundLine",
    "RefundNotFound",
    "RefundQuerySet",
    "Settlement",
    "SettlementImport",
    "SettlementLine",
    "SettlementNotFound",
    "SettlementReportRow",
    "Webhook",
    "WebhookNotFound",
]
