"""What is kept of the texts that people type about an order."""

from apps.core import ids
from apps.core.events import Actor
from apps.orders import selectors
from apps.orders.models import Order


def text_to_store(order: Order, text: str) -> str:
    """Return what a row keeps of a text that somebody typed about a locked order: nothing once its customer was erased."""
    return "" if text and selectors.is_customer_erased(order) else text


def text_to_record(order: Order, text: str, *, actor: Actor) -> str:
    """
    Return what an event, which is kept for ever, keeps of a text that somebody typed about an order.

    Nothing of what the customer typed: that stands in the row alone, where it can be erased.
    """
    is_own_order = actor.kind == "user" and actor.id == ids.encode("cus", order.customer_id)
    return "" if is_own_order else text
