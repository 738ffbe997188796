"""Handlers of fulfilment for events of apps below."""

from datetime import datetime

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.fulfilment.services import completion


def complete_order(*, event: Event, now: datetime) -> None:
    """Complete an order whose last money was decided after its last parcel had arrived."""
    assert event.root_id is not None  # noqa: S101 - events of an order's money have the order as root
    completion.complete_order_if_done(order_id=event.root_id, actor=SYSTEM, now=now)
