"""How a change of an order is written."""

from collections.abc import Mapping
from typing import Any

from apps.orders.models import Order


def store(order: Order, changed: Mapping[str, Any]) -> None:
    """Write the new values of some fields of a locked order; the news of it carries the same."""
    for name, value in changed.items():
        setattr(order, name, value)
    order.save(update_fields=[*changed, "updated_at"])
