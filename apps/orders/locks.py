"""Row locks of orders. An order is locked before its payment, and before stock."""

from uuid import UUID

from apps.core.locks import lock_row
from apps.orders.models import Order, OrderNotFound

__all__ = ["OrderNotFound", "lock_order", "lock_orders_of_customer", "try_lock_order"]


def lock_order(order_id: UUID) -> Order:
    """
    Lock an order and return it as it is now.

    :raises OrderNotFound: if there is none
    """
    return lock_row(Order, order_id, missing=OrderNotFound)


def try_lock_order(order_id: UUID) -> Order | None:
    """Lock an order that nobody else is working on and return it, or None."""
    return Order.objects.select_for_update(no_key=True, of=("self",), skip_locked=True).filter(pk=order_id).first()


def lock_orders_of_customer(customer_id: UUID) -> list[Order]:
    """Lock all orders of a customer, by primary key, and return them as they are now."""
    orders = Order.objects.select_for_update(no_key=True, of=("self",))
    return list(orders.filter(customer_id=customer_id).order_by("pk"))
