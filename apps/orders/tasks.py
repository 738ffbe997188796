"""What the clock starts."""

from celery import shared_task

from apps.core import clock
from apps.orders.services import cancellation


@shared_task(name="orders.expire_orders")
def expire_orders(**_: object) -> None:
    """Close the orders that were not paid in time."""
    cancellation.expire_orders(now=clock.now())
