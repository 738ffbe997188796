"""Queries of how much of an order's money and units is refunded or undecided, for the apps that send its goods."""

from collections.abc import Collection
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.payments.models import Refund, RefundLine
from apps.payments.selectors.erasure import find_erasure_blockers
from apps.payments.selectors.refunds import order_refundable_amount
from apps.payments.states import OF_SENT_GOODS, RESERVING_REFUNDS, RefundStatus, ReviewReason

if TYPE_CHECKING:
    from datetime import datetime

    from apps.orders.models import Order

#: The least amount that a gateway refunds, in paise: less counts as nothing left.
_NEGLIGIBLE = 100


def is_fully_refunded(order: "Order") -> bool:
    """Test if nothing of an order's money is left to be refunded, because refunds, approved or not, or disputes took it."""
    rows = Refund.objects.filter(order_id=order.pk, status__in=RESERVING_REFUNDS)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_MISMATCH)
    returned = order.lost_amount or rows.exists()
    return bool(returned) and order_refundable_amount(order.pk) < _NEGLIGIBLE


def sum_refunded_units(order_id: UUID, *, of_sent: bool = False, is_processed: bool = False) -> dict[UUID, int]:
    """
    Return the refunded units of each line of an order, in thousandths, by the line's id.

    :param of_sent: only of refunds whose reason says that the goods had been sent: returned, missing or damaged
    :param is_processed: only of processed refunds; otherwise of all that reserve their amount, approved or not
    """
    statuses = (RefundStatus.PROCESSED,) if is_processed else RESERVING_REFUNDS
    lines = list_refunded_lines(of_sent=of_sent, statuses=statuses).filter(refund__order_id=order_id)
    return dict(lines.order_by().values_list("order_line_id").annotate(Sum("quantity_milli")))


def list_refunded_lines(
    *, of_sent: bool = False, statuses: Collection[RefundStatus] = RESERVING_REFUNDS
) -> "QuerySet[RefundLine]":
    """Return the lines of refunds with these statuses, or only of those for sent goods, to be narrowed by the caller."""
    lines = RefundLine.objects.filter(refund__status__in=statuses)
    return lines.filter(refund__reason__in=OF_SENT_GOODS) if of_sent else lines


def is_balanced(order: "Order", *, now: "datetime") -> bool:
    """
    Test if an order's money is settled: nothing is disputed, under review, paid beyond the total, or still to be refunded.

    The caller has locked the order.
    """
    kept = order.paid_amount - order.refunded_amount - order.lost_amount
    if order.disputed_amount or order.under_review_amount or kept > order.total_amount:
        return False
    return order.pk not in find_erasure_blockers([order.pk], now)
