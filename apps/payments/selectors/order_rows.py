"""Queries of the rows of orders that record events."""

from collections.abc import Collection
from uuid import UUID

from apps.core.models import Subject
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund


def list_rows_of_orders(order_ids: Collection[UUID]) -> dict[str, list[tuple[UUID, Subject]]]:
    """Return the rows of some orders that record events, by kind, each with its order's id."""
    payments = Payment.objects.filter(order_id__in=order_ids)
    attempts = PaymentAttempt.objects.filter(payment__order_id__in=order_ids).select_related("payment")
    refunds = Refund.objects.filter(order_id__in=order_ids)
    return {
        "payments": [(one.order_id, one) for one in payments],
        "attempts": [(one.payment.order_id, one) for one in attempts],
        "refunds": [(one.order_id, one) for one in refunds],
        "disputes": [(one.order_id, one) for one in Dispute.objects.filter(order_id__in=order_ids)],
    }
