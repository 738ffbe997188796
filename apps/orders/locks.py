"""Row locks of orders. An order is locked before its payment, and before stock."""

from uuid import UUID

from apps.orders.models import Order, OrderNotFound

__all__ = ["OrderNotFound", "lock_order", "lock_order_if_free"]


def lock_order(order_id: UUID) -> Order:
    """
    Lock an order and return it as it is now.

    :raises OrderNotFound: if there is none
    """
    order = Order.objects.select_for_update(no_key=True, of=("self",)).filter(pk=order_id).first()
    if order is None:
        raise OrderNotFound
    return order


def lock_order_if_free(order_id: UUID) -> Order | None:
    """Lock an order that nobody else is working on and return it, or None."""
    return Order.objects.select_for_update(no_key=True, of=("self",), skip_locked=True).filter(pk=order_id).first()
