"""Admin pages of payments, refunds, disputes and settlements. All are read-only; actions call services."""

from apps.payments.admin import (
    disputes,
    headlines,
    order_cancellation,
    payment_links,
    payment_reviews,
    payments,
    refund_requests,
    refunds,
    search,
    settlements,
    webhooks,
)

__all__ = [
    "disputes",
    "headlines",
    "order_cancellation",
    "payment_links",
    "payment_reviews",
    "payments",
    "refund_requests",
    "refunds",
    "search",
    "settlements",
    "webhooks",
]
