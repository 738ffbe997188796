"""Cancellation of orders."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from apps.catalog import selectors as goods
from apps.catalog import services as stock
from apps.catalog.states import ReservationStatus
from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.orders import events, locks, rules, selectors, states
from apps.orders.models import Order
from apps.orders.services.personal_text import text_to_record, text_to_store
from apps.orders.states import OrderStatus

#: What an app above does within a cancellation, with the order locked. Called with the order, the actor and the instant.
CancellationEffect = Callable[[Order, Actor, datetime], None]

_effects: Final[list[CancellationEffect]] = []


class OrderNotCancellable(Conflict):
    """A parcel of the order was dispatched. Request a refund of what did not arrive or comes back."""

    message = (
        "A parcel of order {0} was dispatched, so that the order can no longer be cancelled. Request a refund of what did not"
        " arrive or comes back."
    )


class OrderPaymentInProgress(OrderNotCancellable):
    """A payment of the order is open. Cancel the payment first, or wait until it has ended."""

    message = "A payment of order {0} is open. Cancel the payment first, or wait until it has ended."
    code = OrderNotCancellable.code


class OrderPartlyPaid(OrderNotCancellable):
    """A part of the order's total is paid. Refund it, or wait for the rest; without it the order expires."""

    message = "{1} of the {2} of order {0} is paid. Refund it, or wait for the rest; without it the order expires."
    code = OrderNotCancellable.code


class OrderMoneyUnderReview(OrderNotCancellable):
    """Money of the order awaits a decision of staff. Cancel the order on its own page, which also refunds that money."""

    message = "{1} has arrived for order {0} and awaits a decision. Cancel the order on its own page, which also refunds that money."
    code = OrderNotCancellable.code


class OrderPaid(OrderNotCancellable):
    """The order is paid, and this cancels unpaid orders only. Cancel the order on its own page, which also refunds its money."""

    message = "Order {0} is paid and {1}. Cancel it on its own page, which also refunds the money."
    code = OrderNotCancellable.code


class OrderCompleted(OrderNotCancellable):
    """The order is completed or closed. Request a refund of what comes back."""

    message = "Order {0} is {1}, so that it can no longer be cancelled. Request a refund of what comes back."
    code = OrderNotCancellable.code


class OrderExpired(OrderNotCancellable):
    """The order has expired because it was not paid in time; nothing is reserved for it. No action is needed."""

    message = "Order {0} expired because it was not paid in time, and nothing is reserved for it. No action is needed."
    code = OrderNotCancellable.code


class OrderIsDraft(OrderNotCancellable):
    """The order is a draft, which was never placed. No action is needed."""

    message = "Order {0} is a draft that was never placed, so that there is nothing to cancel. No action is needed."
    code = OrderNotCancellable.code


class OrderAlreadyCancelled(OrderNotCancellable):
    """The order is already cancelled. No action is needed."""

    message = "Order {0} is already cancelled."
    code = OrderNotCancellable.code


def add_cancellation_effect(effect: CancellationEffect) -> None:
    """Register what an app above does when an order is cancelled; called when the apps are loaded."""
    _effects.append(effect)


@transactional
def cancel_unpaid_order(
    *, order_id: UUID, is_refunded_by_caller: bool = False, actor: Actor, reason: str, now: datetime
) -> Order:
    """
    Cancel an order that nothing was paid for, and release its stock.

    `is_refunded_by_caller`: the caller refunds what has arrived and is under review.

    :raises OrderNotFound: if there is none
    :raises OrderNotCancellable: if money has moved, a payment is under way, or the order is already closed
    """
    order = locks.lock_order(order_id)

    if not rules.can_cancel(
        status=order.status,
        paid=order.paid_amount,
        live_until=order.payment_live_until,
        under_review=0 if is_refunded_by_caller else order.under_review_amount,
        now=now,
    ):
        raise _refusal_of(order, now=now)

    return _cancel(order, actor=actor, reason=reason, now=now)


@transactional
def cancel_paid_order(*, order: Order, actor: Actor, reason: str, now: datetime) -> Order:
    """
    Cancel a paid order that the caller has locked, and release its stock. The caller refunds the money.

    :raises OrderNotCancellable: if it is not confirmed, on hold or in fulfilment, or something of it was dispatched
    """
    if not rules.can_cancel_paid(status=order.status, is_dispatched=_is_any_dispatched(order)):
        raise _refusal_of(order, now=now)

    return _cancel(order, actor=actor, reason=reason, now=now)


def _is_any_dispatched(order: Order) -> bool:
    return goods.is_any_dispatched(selectors.list_line_ids(order.pk))


def _refusal_of(order: Order, *, now: datetime) -> OrderNotCancellable:
    """Return why an order cannot be cancelled, and what to do instead."""
    match OrderStatus(order.status):
        case OrderStatus.PENDING_PAYMENT:
            return _refusal_of_unpaid(order, now=now)
        case OrderStatus.CANCELLED:
            return OrderAlreadyCancelled(order.number)
        case OrderStatus.EXPIRED:
            return OrderExpired(order.number)
        case OrderStatus.COMPLETED | OrderStatus.CLOSED:
            return OrderCompleted(order.number, order.get_status_display().lower())
        case OrderStatus.DRAFT:
            return OrderIsDraft(order.number)
        case OrderStatus.CONFIRMED | OrderStatus.ON_HOLD | OrderStatus.IN_FULFILMENT:
            if _is_any_dispatched(order):
                return OrderNotCancellable(order.number)
            return OrderPaid(order.number, order.get_status_display().lower())


def _refusal_of_unpaid(order: Order, *, now: datetime) -> OrderNotCancellable:
    if rules.is_payment_live(live_until=order.payment_live_until, now=now):
        return OrderPaymentInProgress(order.number)
    if order.under_review_amount:
        return OrderMoneyUnderReview(order.number, rupees(order.under_review_amount))
    return OrderPartlyPaid(order.number, rupees(order.paid_amount), rupees(order.total_amount))


def _cancel(order: Order, *, actor: Actor, reason: str, now: datetime) -> Order:
    change(
        order,
        events.ORDER_CANCELLED,
        {
            "status": states.transition(OrderStatus(order.status), to=OrderStatus.CANCELLED),
            "cancelled_at": now,
            "cancel_reason": text_to_store(order, reason),
        },
        root=order.pk,
        actor=actor,
        event_reason=text_to_record(order, reason, actor=actor),
        now=now,
    )
    for effect in _effects:
        effect(order, actor, now)
    # Stock rows are locked after all that the effects lock.
    stock.release_reservations(
        references=selectors.list_line_ids(order.pk), to=ReservationStatus.RELEASED, actor=actor, now=now
    )

    return order
