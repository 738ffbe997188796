"""Models of payments, webhooks, refunds, disputes and downtimes."""

from apps.payments.models.disputes import Dispute, DisputeEvidence, DisputeNotFound
from apps.payments.models.downtimes import PaymentDowntime
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
    "PaymentDowntime",
    "PaymentNotFound",
    "PaymentQuerySet",
    "Refund",
    "RefundLine",
    "RefundNotFound",
    "Webhook",
    "WebhookNotFound",
]
