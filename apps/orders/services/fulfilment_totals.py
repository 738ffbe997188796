"""An order's copies of fulfilment: the counters of its lines, its fulfilment status, and the states that follow from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.catalog import services as stock
from apps.catalog.states import ReservationStatus
from apps.core.events import Actor, change, changed_values
from apps.core.transactions import transactional
from apps.orders import events, rules, selectors, states
from apps.orders.models import Order, OrderLine
from apps.orders.states import OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FulfilledQuantities:
    """The dispatched units of an order line, and the delivered ones of them, in thousandths."""

    dispatched_milli: int
    delivered_milli: int


@transactional
def update_fulfilment_totals(
    *, order: Order, lines: Mapping[UUID, FulfilledQuantities], actor: Actor, now: datetime
) -> Order:
    """
    Store what was dispatched and delivered of the lines of an order that the caller has locked, and its fulfilment status.

    A line that is not named stays as it is. A confirmed order is in fulfilment afterwards: the caller has packed a shipment of it.
    """
    stored = selectors.list_lines(order.pk)
    for line in stored:
        if line.pk in lines:
            line.dispatched_milli = lines[line.pk].dispatched_milli
            line.delivered_milli = lines[line.pk].delivered_milli

    changed = changed_values(order, {"fulfilment_status": _derive_status(stored)})
    event_type = events.ORDER_FULFILMENT_UPDATED
    if order.status == OrderStatus.CONFIRMED:
        event_type = events.ORDER_FULFILMENT_STARTED
        changed["status"] = states.transition(OrderStatus(order.status), to=OrderStatus.IN_FULFILMENT)

    _save(stored, now=now)
    if changed:
        change(order, event_type, changed, root=order.pk, actor=actor, now=now)

    return order


@transactional
def complete_order(*, order: Order, actor: Actor, now: datetime) -> Order:
    """
    Complete an order that the caller has locked: the units that were not dispatched count as cancelled, and their stock is released.

    The caller has made sure that each line is delivered, cancelled or refunded, and that the order's balance is zero.

    :raises InvalidTransition: if it is not in fulfilment
    """
    completed = states.transition(OrderStatus(order.status), to=OrderStatus.COMPLETED)
    lines = selectors.list_lines(order.pk)
    left = [line for line in lines if line.dispatched_milli < line.quantity_milli]

    for line in left:
        line.cancelled_milli = line.quantity_milli - line.dispatched_milli
    _save(left, now=now)
    values: dict[str, Any] = {"status": completed, "completed_at": now, "fulfilment_status": _derive_status(lines)}
    change(order, events.ORDER_COMPLETED, values, root=order.pk, actor=actor, now=now)
    if left:
        stock.release_reservations(
            references=[line.pk for line in left], to=ReservationStatus.RELEASED, actor=actor, now=now
        )

    return order


def _derive_status(lines: Iterable[OrderLine]) -> states.FulfilmentStatus:
    return rules.fulfilment_status(
        rules.LineCounts(
            ordered=line.quantity_milli,
            dispatched=line.dispatched_milli,
            delivered=line.delivered_milli,
            returned=line.returned_milli,
            cancelled=line.cancelled_milli,
        )
        for line in lines
    )


def _save(lines: Iterable[OrderLine], *, now: datetime) -> None:
    rows = list(lines)
    for line in rows:
        line.updated_at = now
    OrderLine.objects.bulk_update(rows, ["dispatched_milli", "delivered_milli", "cancelled_milli", "updated_at"])
