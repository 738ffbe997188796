"""The totals of payments, refunds and disputes that an order stores; only this module writes them."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from apps.core.events import Actor
from apps.orders import services as orders
from apps.payments.selectors.order_totals import get_order_totals
from apps.payments.states import IN_PROGRESS_PAYMENTS

if TYPE_CHECKING:
    from apps.orders.models import Order
    from apps.payments.models import Payment


def show_live_payment(order: "Order", payment: "Payment", *, actor: Actor, now: datetime) -> None:
    """Store in a locked order how its live payment stands, which has moved no money, so that the totals stay as they are."""
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
    totals = get_order_totals(order_id=order.pk, currency=order.currency)
    orders.update_payment_totals(order=order, **asdict(totals), actor=actor, now=now)
