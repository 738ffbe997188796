"""Handlers of fulfilment for its own events and those of apps below."""

from datetime import datetime

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.relay import calls_external
from apps.fulfilment.services import completion, packing_slips


def complete_order(*, event: Event, now: datetime) -> None:
    """Complete an order whose last money was decided after its last parcel had arrived."""
    assert event.root_id is not None  # noqa: S101 - events of an order's money have the order as root
    completion.complete_order_if_done(order_id=event.root_id, actor=SYSTEM, now=now)


@calls_external
def render_packing_slip(*, event: Event, now: datetime) -> None:
    """Render the packing slip of a shipment, which has changed or was requested; outside a transaction, as it writes a file."""
    packing_slips.render_packing_slip(shipment_id=event.subject_id)


@calls_external
def delete_packing_slips(*, event: Event, now: datetime) -> None:
    """Delete the packing slips of an erased customer; outside a transaction, as it deletes files."""
    packing_slips.delete_packing_slips(customer_id=event.subject_id)
