"""Queries of refunds and payments that block the erasure of a customer."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from apps.orders.states import ErasureBlocker
from apps.payments.models import Payment, Refund
from apps.payments.states import OPEN_REFUNDS, SUCCESSFUL, RefundStatus

_TO_BE_DECIDED = (RefundStatus.REQUIRES_APPROVAL, RefundStatus.AWAITING_TRANSFER, *OPEN_REFUNDS)


def find_erasure_blockers(order_ids: Collection[UUID], now: datetime) -> dict[UUID, ErasureBlocker]:
    """
    Return the orders whose refunds or payments block the erasure of their customer, with the reason.

    An order is blocked by an open refund, by a failed refund without an active retry, and by an unpaid payment that is
    still polled, because it may be paid late.
    """
    refunds = Refund.objects.filter(order_id__in=order_ids)
    retried = refunds.filter(retry_of__isnull=False).exclude(status=RefundStatus.CANCELLED).values("retry_of_id")
    failed = refunds.filter(status=RefundStatus.FAILED).exclude(pk__in=retried)
    unpaid = Payment.objects.filter(order_id__in=order_ids, next_check_at__isnull=False).exclude(status__in=SUCCESSFUL)
    to_be_refunded = refunds.filter(status__in=_TO_BE_DECIDED) | failed
    return {
        **dict.fromkeys(unpaid.values_list("order_id", flat=True), ErasureBlocker.MAY_BE_PAID_LATE),
        **dict.fromkeys(to_be_refunded.values_list("order_id", flat=True), ErasureBlocker.MONEY_UNRESOLVED),
    }
