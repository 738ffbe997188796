"""Completion of an order: it is invoiced, each unit is delivered, cancelled or refunded, and its balance is zero."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.events import Actor
from apps.core.transactions import transactional
from apps.fulfilment import selectors
from apps.invoicing import selectors as invoicing
from apps.orders import services as orders
from apps.orders.locks import lock_order
from apps.orders.states import OrderStatus
from apps.payments import selectors as payments

if TYPE_CHECKING:
    from apps.orders.models import Order


@transactional
def complete_order_if_done(*, order_id: UUID, actor: Actor, now: datetime) -> bool:
    """
    Complete an invoiced order in fulfilment if nothing of it is left to be sent, refunded or decided.

    Returns whether it was completed.

    :raises OrderNotFound: if there is none
    """
    order = lock_order(order_id)

    return complete_locked_order_if_done(order=order, actor=actor, now=now)


def complete_locked_order_if_done(*, order: "Order", actor: Actor, now: datetime) -> bool:
    """
    Complete an order in fulfilment, which the caller has locked, if it is done, and return whether it was.

    An order without an invoice is not: either a worker has still to issue it, or (`INVOICE_AT=dispatch`) nothing was sent,
    and staff cancel it.
    """
    is_done = (
        order.status == OrderStatus.IN_FULFILMENT
        and payments.is_balanced(order, now=now)
        and selectors.is_order_done(order)
        and bool(invoicing.list_invoices_of_order(order.pk))
    )
    if is_done:
        orders.complete_order(order=order, actor=actor, now=now)
    return is_done
