"""Reminders of captured money that waits for a decision."""

from datetime import datetime

import structlog
from django.conf import settings

from apps.core.incidents import report_incident, resolve_incident
from apps.core.money import rupees
from apps.payments.selectors import payments as selectors

log = structlog.get_logger(__name__)

REVIEWS_OVERDUE = "payment_reviews_overdue"
_KEY = "payments"
#: This many orders are named in the incident; all of them are in the log and on the page of money in doubt.
_NAMED = 10


def report_overdue_reviews(*, now: datetime) -> int:
    """
    Open an incident while captured attempts have been under review for too long, and return how many there are.

    Each that has been for REVIEW_OVERDUE_AFTER is logged as an error. Without any the incident is resolved. Their
    orders keep their stock and wait, so that somebody has to accept or refund the money.
    """
    overdue = list(selectors.list_attempts_under_review_since(now - settings.REVIEW_OVERDUE_AFTER))
    for attempt in overdue:
        log.error(
            "attempt_review_overdue",
            attempt=attempt.public_id,
            gateway_payment=attempt.gateway_payment_id,
            order=attempt.payment.order.number,
            amount=rupees(attempt.amount),
            since=attempt.review_opened_at.isoformat() if attempt.review_opened_at else "",
        )

    if overdue:
        numbers = ", ".join(attempt.payment.order.number for attempt in overdue[:_NAMED])
        detail = f"{len(overdue)} captured payments wait to be accepted or refunded. The first orders are {numbers}."
        report_incident(kind=REVIEWS_OVERDUE, key=_KEY, detail=detail, now=now)
    else:
        resolve_incident(kind=REVIEWS_OVERDUE, key=_KEY, now=now)

    return len(overdue)
