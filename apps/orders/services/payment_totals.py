"""An order's copies of payment totals, and its confirmation once it is paid."""

from datetime import datetime
from typing import Any

from apps.catalog import services as stock
from apps.core.errors import Conflict
from apps.core.events import Actor, change, changed_values
from apps.core.hot_path import hot_path
from apps.core.transactions import transactional
from apps.orders import events, rules, selectors, states
from apps.orders.models import Order
from apps.orders.states import OrderStatus


class CustomerErased(Conflict):
    """The order expired and its customer was erased. Late money for it is refunded."""

    message = "Order {0} has expired and its customer was erased, so it can be neither sent nor invoiced."


@hot_path("orders.update_payment_totals")
@transactional
def update_payment_totals(
    *,
    order: Order,
    paid_amount: int,
    payment_live_until: datetime | None,
    is_payment_processing: bool | None = None,
    refunded_amount: int | None = None,
    disputed_amount: int | None = None,
    lost_amount: int | None = None,
    under_review_amount: int | None = None,
    actor: Actor,
    now: datetime,
) -> Order:
    """
    Store the payment totals of an order that the caller has locked, and confirm the order once it is paid.

    All amounts are in paise. `paid_amount` was captured; of it, `refunded_amount` was refunded, `disputed_amount` is
    in undecided disputes, and `lost_amount` was lost in disputes. `under_review_amount` is captured money that counts
    for nothing until staff have decided. Until `payment_live_until` a payment is open; `is_payment_processing` says
    whether the buyer is paying. An optional value that is None stays as it is. A closed order stores the totals and
    stays closed.
    """
    copies = {
        "is_payment_processing": is_payment_processing,
        "refunded_amount": refunded_amount,
        "disputed_amount": disputed_amount,
        "lost_amount": lost_amount,
        "under_review_amount": under_review_amount,
    }
    totals = {name: value for name, value in copies.items() if value is not None}
    changed = changed_values(order, {"paid_amount": paid_amount, "payment_live_until": payment_live_until, **totals})

    if not changed:
        return order

    event_type = events.ORDER_PAYMENT_UPDATED
    if rules.can_confirm(status=order.status, paid=paid_amount, total=order.total_amount):
        event_type = events.ORDER_CONFIRMED
        changed |= _confirm(order, actor=actor, now=now)

    change(order, event_type, changed, root=order.pk, actor=actor, now=now)

    return order


def _confirm(order: Order, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Commit the reservations of an order and return the fields that make it a confirmed one."""
    status = states.transition(OrderStatus(order.status), to=OrderStatus.CONFIRMED)
    stock.commit_reservations(references=selectors.list_line_ids(order.pk), actor=actor, now=now)
    return {"status": status, "confirmed_at": now}


@transactional
def revive_order(*, order: Order, actor: Actor, now: datetime) -> Order:
    """
    Confirm an expired order whose payment arrived late, and reserve its units again; the caller has locked the order.

    :raises InvalidTransition: if it has not expired
    :raises CustomerErased: if its customer was erased meanwhile, so that it can be neither sent nor invoiced
    :raises InsufficientStock: if too few units are available; then nothing is changed
    """
    if selectors.is_customer_erased(order):
        raise CustomerErased(order.number)

    confirmed = states.transition(OrderStatus(order.status), to=OrderStatus.CONFIRMED)
    stock.revive_reservations(references=selectors.list_line_ids(order.pk), actor=actor, now=now)

    change(
        order,
        events.ORDER_CONFIRMED,
        {"status": confirmed, "confirmed_at": now},
        root=order.pk,
        actor=actor,
        event_reason="the money arrived after the order had expired",
        now=now,
    )

    return order
