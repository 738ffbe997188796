"""What an order stores of its payments, refunds and disputes, worked out from these."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.hot_path import hot_path
from apps.payments import sql
from apps.payments.selectors import disputes, payments, refund_sums
from apps.payments.states import IN_PROGRESS_PAYMENTS


@dataclass(frozen=True)
class OrderTotals:
    """The totals of an order; amounts in paise, named as the columns of the order."""

    paid_amount: int
    refunded_amount: int
    disputed_amount: int
    lost_amount: int
    under_review_amount: int
    payment_live_until: datetime | None
    is_payment_processing: bool


@hot_path("payments.get_order_totals", is_read=True)
def get_order_totals(*, order_id: UUID, currency: str) -> OrderTotals:
    """Return the totals of an order in this currency."""
    live = payments.find_live_payment(order_id)
    return OrderTotals(
        paid_amount=payments.sum_captured(order_id, currency=currency),
        refunded_amount=refund_sums.order_refunded_amount(order_id, currency=currency),
        disputed_amount=disputes.sum_disputed(order_id),
        lost_amount=disputes.sum_lost(order_id, currency=currency),
        under_review_amount=payments.sum_under_review(order_id, currency=currency),
        payment_live_until=live.live_until if live else None,
        is_payment_processing=live is not None and live.status in IN_PROGRESS_PAYMENTS,
    )


def get_order_totals_by_sql(*, order_id: UUID, currency: str) -> OrderTotals:
    """Return the same by one statement, or by two more for an order of which a payment has another amount than requested."""
    money = sql.sum_money_of_order(order_id=order_id, currency=currency)
    refunded, under_review = money.refunded, 0
    if money.has_other_amount:
        refunded = refund_sums.order_refunded_amount(order_id, currency=currency)
        under_review = payments.sum_under_review(order_id, currency=currency)
    return OrderTotals(
        paid_amount=money.paid,
        refunded_amount=refunded,
        disputed_amount=money.disputed,
        lost_amount=money.lost,
        under_review_amount=under_review,
        payment_live_until=money.live_until,
        is_payment_processing=money.live_status in IN_PROGRESS_PAYMENTS,
    )
