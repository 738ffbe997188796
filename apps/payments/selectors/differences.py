"""Queries of the difference between what a payer was charged and what was requested."""

from apps.ledger import selectors as ledger
from apps.payments.models import PaymentAttempt, Refund


def sum_difference_reversed(attempt: PaymentAttempt, *, kind: str) -> int:
    """Return the part (paise, signed) of an attempt's accepted difference that its refunds have reversed."""
    refunds = Refund.objects.filter(attempt_id=attempt.pk).values("pk")
    return -ledger.sum_posted(
        source_type=Refund._meta.label_lower,
        source_ids=refunds,
        kind=kind,
        account="customer_advances",
        currency=attempt.currency,
    )
