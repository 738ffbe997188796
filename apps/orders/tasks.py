"""What the clock starts."""

from celery import shared_task

from apps.core import clock
from apps.orders.services import closure, expiry


@shared_task(name="orders.expire_orders")
def expire_orders(**_: object) -> None:
    """Close the orders that were not paid in time."""
    expiry.expire_orders(now=clock.now())


@shared_task(name="orders.close_orders")
def close_orders(**_: object) -> None:
    """Close the completed orders whose return window is over."""
    closure.close_orders(now=clock.now())
