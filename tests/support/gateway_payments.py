"""Orders whose money the sandbox has."""

from typing import Any

from apps.core import clock
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import gateway_orders, polling
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import make_payment


def pay_at_gateway(order: Order, sandbox: Any, *, payment: Payment | None = None) -> Payment:
    """Pay an order at the sandbox, by a payment of its own or a new one, and return the payment."""
    payment = payment or make_payment(order, is_ready=False)
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    polling.sync_payment(payment_id=payment.pk, now=clock.now())
    order.refresh_from_db()
    return payment


def make_orders_paid_at_gateway(owner: Any, sandbox: Any, count: int) -> list[Order]:
    """Return a number of orders of the same goods that are paid at the sandbox."""
    variant = make_variant(stock=count)
    orders = [make_order(owner, [variant]) for _ in range(count)]
    for order in orders:
        pay_at_gateway(order, sandbox)
    return orders
