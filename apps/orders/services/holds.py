"""Orders on hold: nothing of them is packed or sent until they are released."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import Conflict, Invalid
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.orders import events, locks, states
from apps.orders.models import Order
from apps.orders.services.personal_text import text_to_record
from apps.orders.states import OrderStatus


class HoldReasonRequired(Invalid):
    """An order is held or released for a reason, which is kept. Send `reason`."""

    message = "Enter the reason, which is kept with the order."


class OrderNotHoldable(Conflict):
    """Only a confirmed order of which nothing is packed can be held. Read the order."""

    message = "Order {0} cannot be held: it is {1}. Only a confirmed order with nothing packed can be held."


class OrderNotOnHold(Conflict):
    """Only an order on hold can be released. Read the order."""

    message = "Order {0} is not on hold: it is {1}."


@transactional
def hold_order(*, order_id: UUID, reason: str, actor: Actor, now: datetime) -> Order:
    """
    Hold a confirmed order, so that nothing of it is packed or sent; it keeps its stock.

    :raises OrderNotFound: if there is none
    :raises HoldReasonRequired: if no reason is given
    :raises OrderNotHoldable: if it is not confirmed, or is being packed already
    """
    order = locks.lock_order(order_id)

    if not reason.strip():
        raise HoldReasonRequired(param="reason")
    if order.status != OrderStatus.CONFIRMED:
        raise OrderNotHoldable(order.number, order.get_status_display().lower())

    return _move(order, events.ORDER_HELD, to=OrderStatus.ON_HOLD, reason=reason, actor=actor, now=now)


@transactional
def release_order(*, order_id: UUID, reason: str, actor: Actor, now: datetime) -> Order:
    """
    Release an order that is on hold: it is confirmed again and can be packed.

    :raises OrderNotFound: if there is none
    :raises HoldReasonRequired: if no reason is given
    :raises OrderNotOnHold: if it is not on hold
    """
    order = locks.lock_order(order_id)

    if not reason.strip():
        raise HoldReasonRequired(param="reason")
    if order.status != OrderStatus.ON_HOLD:
        raise OrderNotOnHold(order.number, order.get_status_display().lower())

    return _move(order, events.ORDER_RELEASED, to=OrderStatus.CONFIRMED, reason=reason, actor=actor, now=now)


def _move(order: Order, event_type: str, *, to: OrderStatus, reason: str, actor: Actor, now: datetime) -> Order:
    change(
        order,
        event_type,
        {"status": states.transition(OrderStatus(order.status), to=to)},
        root=order.pk,
        actor=actor,
        event_reason=text_to_record(order, reason.strip(), actor=actor),
        now=now,
    )
    return order
