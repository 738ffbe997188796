"""How much waits for a decision of staff."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.ledger import selectors as ledger
from apps.payments import selectors as payments

#: Nobody asks how many more there are.
MAX_COUNTED = 1_000


@dataclass(frozen=True)
class Attention:
    """What somebody has to decide, counted up to 1,001."""

    open_exceptions: int
    payment_reviews: int
    failed_refunds: int


def count_what_needs_attention() -> Attention:
    """Return how many exceptions are open, how many payments are under review and how many refunds have failed."""
    return Attention(
        open_exceptions=_count(ledger.list_exceptions(is_open=True).order_by()),
        payment_reviews=_count(payments.list_attempts_to_review()),
        failed_refunds=_count(payments.list_refunds_to_retry_or_transfer()),
    )


def _count(rows: "QuerySet[Any]") -> int:
    return rows[: MAX_COUNTED + 1].count()
