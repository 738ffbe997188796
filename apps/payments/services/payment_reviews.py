"""Reminding staff of captured money that nobody has decided about."""

from datetime import datetime

import structlog
from django.conf import settings

from apps.core.money import rupees
from apps.payments import selectors

log = structlog.get_logger(__name__)


def warn_of_open_reviews(*, now: datetime) -> int:
    """
    Log an error for each captured attempt that has been under review for REVIEW_ALARM_AFTER, and return how many there are.

    Its order keeps its stock and waits, so that somebody has to accept or refund the money.
    """
    overdue = list(selectors.list_attempts_under_review_since(now - settings.REVIEW_ALARM_AFTER))
    for attempt in overdue:
        log.error(
            "attempt_under_review_overdue",
            attempt=attempt.public_id,
            gateway_payment=attempt.gateway_payment_id,
            order=attempt.payment.order.number,
            amount=rupees(attempt.amount),
            since=attempt.review_opened_at.isoformat() if attempt.review_opened_at else "",
        )
    return len(overdue)
