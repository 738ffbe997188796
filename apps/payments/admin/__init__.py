"""The back office's pages of money: to look at. Nothing is changed here but through services."""

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
