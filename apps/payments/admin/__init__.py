"""Admin pages of payments, refunds and disputes. All are read-only; actions call services."""

from apps.payments.admin import (
    disputes,
    downtimes,
    headlines,
    order_cancellation,
    payment_links,
    payment_reviews,
    payments,
    refund_requests,
    refunds,
    webhooks,
)

__all__ = [
    "disputes",
    "downtimes",
    "headlines",
    "order_cancellation",
    "payment_links",
    "payment_reviews",
    "payments",
    "refund_requests",
    "refunds",
    "webhooks",
]
