"""Start and cancellation of payments (at Stripe: PaymentIntents)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings

from apps.core.errors import Conflict
from apps.core.events import Actor, change, create
from apps.core.external_calls import GatewayCall
from apps.core.hot_path import hot_path
from apps.core.transactions import transactional
from apps.orders.locks import OrderNotFound, lock_order
from apps.orders.states import OrderStatus
from apps.payments import events, locks, rules, states
from apps.payments.models import Payment, PaymentNotFound
from apps.payments.selectors import payments as selectors
from apps.payments.services.order_totals import show_live_payment, sync_order_totals
from apps.payments.states import LINK_CHANNELS, LIVE, PaymentChannel, PaymentStatus

if TYPE_CHECKING:
    from apps.orders.models import Order

MINIMUM_PAISE = 100
#: After this, the poller creates the gateway's order if no worker has.
_FIRST_CHECK_AFTER = timedelta(seconds=20)


class OrderNotPayable(Conflict):
    """The order's state allows no payment, or its time to pay is over. Place a new order."""

    message = "Order {0} is {1}; it does not await a payment."


class NothingToPay(Conflict):
    """The order is paid. No action is needed."""

    message = "Nothing is left to pay for order {0}."


class PaymentInProgress(Conflict):
    """Another payment of the order is open. Finish it, or cancel it first."""

    message = "A payment of order {0} by {1} is open; cancel that payment first."


class PaymentNotCancellable(Conflict):
    """The payment's state does not allow it to be cancelled. Read the payment."""

    message = "The payment is {0} and can no longer be cancelled."


class PaymentUnderReview(Conflict):
    """A payment for the order has arrived, and staff are reviewing it. Do not pay again: it is accepted or refunded."""

    message = (
        "Money for order {0} has arrived and is being reviewed. You do not need to pay again: the order will be confirmed or"
        " the money refunded."
    )


@hot_path("payments.start_payment")
@transactional
def start_payment(
    *,
    order_id: UUID,
    customer_id: UUID,
    actor: Actor,
    now: datetime,
    payer_ip: str | None = None,
    payer_user_agent: str = "",
) -> Payment:
    """
    Start a payment of the amount due of an order, or return the one that is in progress.

    Only our row is created. A worker then calls the gateway, so that the buyer does not wait for it.

    :raises OrderNotFound: if there is no such order of this customer
    :raises OrderNotPayable: if it does not await a payment
    :raises PaymentUnderReview: if money has arrived and staff must decide about it
    :raises NothingToPay: if less than a rupee is due
    """
    order = lock_order(order_id)
    if order.customer_id != customer_id:
        raise OrderNotFound

    last = selectors.find_last_payment(order.pk)
    if last is not None and last.status in LIVE:
        return last
    due = _amount_due(order, now)

    return _begin(
        order,
        last,
        channel=PaymentChannel.CHECKOUT,
        amount=due,
        live_until=now + settings.PAYMENT_TTL,
        actor=actor,
        now=now,
        payer_ip=payer_ip,
        payer_user_agent=payer_user_agent[:300],
    )


@transactional
def start_link_payment(*, order_id: UUID, channel: PaymentChannel, actor: Actor, now: datetime) -> Payment:
    """
    Start a payment of the amount due of an order by payment link or QR code, or return the one that is in progress.

    For staff. Only our row is created. A worker then has the gateway create the link or QR code. The order keeps its
    reservations while the payment is live.

    :raises OrderNotFound: if there is no such order
    :raises PaymentInProgress: if a payment by another channel is live: an order has one live payment at a time
    :raises OrderNotPayable: if it does not await a payment
    :raises PaymentUnderReview: if money has arrived and staff must decide about it
    :raises NothingToPay: if less than a rupee is due
    """
    order = lock_order(order_id)

    last = selectors.find_last_payment(order.pk)
    if last is not None and last.status in LIVE:
        if last.channel != channel:
            raise PaymentInProgress(order.number, last.get_channel_display())
        return last
    due = _amount_due(order, now)

    live_until = now + rules.link_ttl(channel, settings.PAYMENT_LINK_TTL)
    return _begin(order, last, channel=channel, amount=due, live_until=live_until, actor=actor, now=now)


def _begin(
    order: "Order",
    last: Payment | None,
    *,
    channel: PaymentChannel,
    amount: int,
    live_until: datetime,
    actor: Actor,
    now: datetime,
    **payer: Any,
) -> Payment:
    payment = Payment(
        order_id=order.pk,
        customer_id=order.customer_id,
        sequence=last.sequence + 1 if last is not None else 1,
        channel=channel,
        amount=amount,
        currency=order.currency,
        gateway=settings.PAYMENT_GATEWAY,
        live_until=live_until,
        next_check_at=now + _FIRST_CHECK_AFTER,
        **payer,
    )
    create(payment, events.PAYMENT_CREATED, root=order.pk, actor=actor, now=now)
    payment.expect_no_attempts()

    show_live_payment(order, payment, actor=actor, now=now)

    return payment


def _amount_due(order: "Order", now: datetime) -> int:
    if order.status != OrderStatus.PENDING_PAYMENT:
        raise OrderNotPayable(order.number, OrderStatus(order.status).label.lower())
    if order.under_review_amount:
        raise PaymentUnderReview(order.number)
    if now >= order.expires_at:
        raise OrderNotPayable(order.number, "past its time")
    # As stored: it is written under the lock that the caller holds, whenever money is captured.
    due = order.total_amount - order.paid_amount
    if due < MINIMUM_PAISE:
        raise NothingToPay(order.number)
    return due


@transactional
def cancel_payment(*, payment_id: UUID, customer_id: UUID | None, actor: Actor, now: datetime) -> Payment:
    """
    Cancel a live payment without money. Money that arrives later is still booked, and shown as late.

    `customer_id` is None if staff cancel it for a customer. A worker then closes the link or QR code at the gateway.

    :raises PaymentNotFound: if there is no such payment of this customer
    :raises PaymentNotCancellable: if money is authorised or captured, or the payment is closed
    :raises PaymentUnderReview: if money has arrived and staff must decide about it
    """
    found = selectors.get_payment(payment_id)
    if customer_id is not None and found.customer_id != customer_id:
        raise PaymentNotFound
    order = lock_order(found.order_id)
    payment = locks.lock_payment(payment_id)

    if payment.status not in LIVE or payment.status == PaymentStatus.REQUIRES_CAPTURE:
        raise PaymentNotCancellable(PaymentStatus(payment.status).label.lower())
    if selectors.has_open_amount_review(payment.pk):
        raise PaymentUnderReview(order.number)

    cancel_locked_payment(payment, actor=actor, now=now)
    sync_order_totals(order=order, actor=actor, now=now)

    return payment


def cancel_locked_payment(payment: Payment, *, actor: Actor, reason: str = "", now: datetime) -> None:
    """Cancel a live payment whose money does not count for its order. The caller has locked and updates the order."""
    close_locked_payment(
        payment, events.PAYMENT_CANCELLED, to=PaymentStatus.CANCELLED, actor=actor, event_reason=reason, now=now
    )


def close_locked_payment(
    payment: Payment, event_type: str, *, to: PaymentStatus, actor: Actor, event_reason: str = "", now: datetime
) -> None:
    """
    Close a locked payment without money. The poller continues to poll it for a while, because a bank may still answer.

    The caller has locked and updates the order.
    """
    # When it is polled next depends on both.
    payment.status, payment.checks = states.transition(payment.status, to=to), 0
    next_check_at = schedule_payment_check(payment, is_known_to_gateway=may_be_at_gateway(payment), now=now)
    change(
        payment,
        event_type,
        {"status": payment.status, "next_action": {}, "checks": 0, "next_check_at": next_check_at},
        root=payment.order_id,
        actor=actor,
        event_reason=event_reason,
        now=now,
    )


def may_be_at_gateway(payment: Payment) -> bool:
    """Return whether the gateway may hold an order, a link or a QR code for a payment."""
    return payment.gateway_reference is not None or payment.gateway_call in (GatewayCall.UNKNOWN, GatewayCall.SUCCEEDED)


def schedule_payment_check(payment: Payment, *, is_known_to_gateway: bool, now: datetime) -> datetime | None:
    """Return when a payment is polled next, or None; its `checks` counts the polls since its status changed."""
    return rules.next_payment_check(
        status=payment.status,
        checks=payment.checks,
        live_until=payment.live_until,
        is_known_to_gateway=is_known_to_gateway,
        is_by_link=payment.channel in LINK_CHANNELS,
        is_link_closed=payment.link_closed_at is not None,
        now=now,
    )


def enqueue_payment_sync(payment: Payment, *, actor: Actor, now: datetime, reason: str) -> Payment:
    """Have a worker poll a locked payment at the gateway; a second request before that changes nothing."""
    is_waiting = payment.next_check_at is not None and payment.next_check_at <= now
    if is_waiting:
        return payment

    change(
        payment,
        events.PAYMENT_SYNC_REQUESTED,
        {"next_check_at": now},
        root=payment.order_id,
        actor=actor,
        event_reason=reason,
        now=now,
    )

    return payment
