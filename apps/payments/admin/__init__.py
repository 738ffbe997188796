"""The back office's pages of money: to look at. Nothing is changed here but through services."""

from apps.payments.admin import (
    cancelling,
    disputes,
    headlines,
    linking,
    money,
    refund_requests,
    refunds,
    reviewing,
    search,
    settlements,
    webhooks,
)

__all__ = [
    "cancelling",
    "disputes",
    "headlines",
    "linking",
    "money",
    "refund_requests",
    "refunds",
    "reviewing",
    "search",
    "settlements",
    "webhooks",
]
