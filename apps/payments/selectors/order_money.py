"""Queries of how much of an order's money and units is refunded or undecided, for the apps that send its goods."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.orders import selectors as orders
from apps.payments.models import Refund, RefundLine
from apps.payments.rules import LineUnits, RefundedUnits
from apps.payments.selectors.erasure import find_erasure_blockers
from apps.payments.selectors.refund_sums import order_refundable_amount
from apps.payments.states import RESERVING_REFUNDS, RefundStatus, ReviewReason

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


def sum_refunded_units(
    order_id: UUID, *, is_processed: bool = False, excluding: UUID | None = None
) -> dict[UUID, RefundedUnits]:
    """
    Return which units of each line of an order are refunded, by the line's id.

    :param is_processed: only by processed refunds; otherwise by all that reserve their amount, approved or not
    :param excluding: a refund that does not count
    """
    statuses = (RefundStatus.PROCESSED,) if is_processed else RESERVING_REFUNDS
    lines = RefundLine.objects.filter(refund__order_id=order_id, refund__status__in=statuses)
    if excluding is not None:
        lines = lines.exclude(refund_id=excluding)
    return {
        line_id: RefundedUnits(unsent=units - sent, undelivered=sent - delivered, delivered=delivered)
        for line_id, units, sent, delivered in lines.order_by()
        .values_list("order_line_id")
        .annotate(Sum("quantity_milli"), Sum("sent_milli"), Sum("delivered_milli"))
    }


def list_refunded_lines() -> "QuerySet[RefundLine]":
    """Return the lines of the refunds that reserve their amount, approved or not, to be narrowed by the caller."""
    return RefundLine.objects.filter(refund__status__in=RESERVING_REFUNDS)


def list_line_units(order_id: UUID, *, excluding: UUID | None = None) -> dict[UUID, LineUnits]:
    """Return the units of each line of an order, and which of them other refunds than the excluded one took, by the line's id."""
    refunded = sum_refunded_units(order_id, excluding=excluding)
    return {
        line.pk: LineUnits(
            ordered=line.quantity_milli,
            cancelled=line.cancelled_milli,
            dispatched=line.dispatched_milli,
            delivered=line.delivered_milli,
            refunded=refunded.get(line.pk, RefundedUnits()),
        )
        for line in orders.list_lines(order_id)
    }


def is_balanced(order: "Order", *, now: "datetime") -> bool:
    """
    Test if an order's balance is zero and stays so: nothing is disputed, under review, paid beyond the total, or still to be refunded.

    The caller has locked the order.
    """
    kept = order.paid_amount - order.refunded_amount - order.lost_amount
    if order.disputed_amount or order.under_review_amount or kept > order.total_amount:
        return False
    return order.pk not in find_erasure_blockers([order.pk], now)
