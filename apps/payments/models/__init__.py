"""Models of payments, webhooks, refunds and disputes."""

from apps.payments.models.disputes import Dispute, DisputeEvidence, DisputeNotFound
from apps.payments.models.payments import (
    Payment,
    PaymentAttempt,
    PaymentNotFound,
    PaymentQuerySet,
    Webhook,
    WebhookNotFound,
)
from apps.payments.models.refunds import Refund, RefundLine, RefundNotFound

__all__ = [
    "Dispute",
    "DisputeEvidence",
    "DisputeNotFound",
    "Payment",
    "PaymentAttempt",
    "PaymentNotFound",
    "PaymentQuerySet",
    "Refund",
    "RefundLine",
    "RefundNotFound",
    "Webhook",
    "WebhookNotFound",
]
