"""The totals of payments, refunds and disputes that an order stores; only this module writes them."""

from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.events import Actor
from apps.orders import services as orders
from apps.payments.selectors import disputes, payments, refund_sums
from apps.payments.states import IN_PROGRESS_PAYMENTS

if TYPE_CHECKING:
    from apps.orders.models import Order
    from apps.payments.models import Payment


def show_live_payment(order: "Order", payment: "Payment", *, actor: Actor, now: datetime) -> None:
    """Store in a locked order that a payment was started; it has moved no money, so that the totals stay as they are."""
    orders.update_payment_totals(
        order=order,
        paid_amount=order.paid_amount,
        payment_live_until=payment.live_until,
        is_payment_processing=payment.status in IN_PROGRESS_PAYMENTS,
        actor=actor,
        now=now,
    )


def sync_order_totals(*, order: "Order", actor: Actor, now: datetime) -> None:
    """Update the payment totals of a locked order from its payments, refunds and disputes, and confirm it once paid."""
    live = payments.find_live_payment(order.pk)
    orders.update_payment_totals(
        order=order,
        paid_amount=payments.sum_captured(order.pk, currency=order.currency),
        refunded_amount=refund_sums.order_refunded_amount(order.pk, currency=order.currency),
        disputed_amount=disputes.sum_disputed(order.pk),
        lost_amount=disputes.sum_lost(order.pk, currency=order.currency),
        under_review_amount=payments.sum_under_review(order.pk, currency=order.currency),
        payment_live_until=live.live_until if live else None,
        is_payment_processing=live is not None and live.status in IN_PROGRESS_PAYMENTS,
        actor=actor,
        now=now,
    )
