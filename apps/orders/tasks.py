"""What the clock starts."""

from celery import shared_task

from apps.core import clock
from apps.orders.services import expiry


@shared_task(name="orders.expire_orders")
def expire_orders(**_: object) -> None:
    """Close the orders that were not paid in time."""
    expiry.expire_orders(now=clock.now())
