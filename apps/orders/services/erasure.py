"""Erasing a customer from the orders, once nothing is open between them and the shop."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from apps.accounts import selectors as account_selectors
from apps.accounts import services as accounts
from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.orders import events, locks, messages, rules, selectors
from apps.orders.models import Order, OrderAddress
from apps.orders.states import ErasureBlocker

if TYPE_CHECKING:
    from apps.accounts.models import User
#: What an app above knows of orders, given by their ids: what speaks against erasing their customer.
FindBlockers = Callable[[Collection[UUID], datetime], Mapping[UUID, ErasureBlocker]]

_BLANK = dict.fromkeys((name for name in OrderAddress.FIELDS if name != "state"), "")


class CustomerNotErasable(Conflict):
    """
    An order of the customer is still open or its records are still needed.

    Erase the customer after that.
    """

    message = "{0}"


_finders: list[FindBlockers] = []


def add_erasure_blockers(find: FindBlockers) -> None:
    """Have an app above say which orders speak against erasing their customer; called when the apps are loaded."""
    _finders.append(find)


def check_erasable(*, customer_id: UUID, now: datetime) -> None:
    """
    Check that a customer could be erased now, without a lock, to say so beforehand.

    :raises UserNotFound, StaffNotErasable, CustomerNotErasable: as `erase_customer` does
    """
    user = account_selectors.get_user(customer_id)
    if user.is_staff:
        raise accounts.StaffNotErasable(user)
    _check_are_closed(selectors.list_orders_of_customer(customer_id), now=now)


@transactional
def erase_customer(*, customer_id: UUID, actor: Actor, reason: str = "", now: datetime) -> "User":
    """
    Erase a customer: the account, and of their orders the names, addresses, notes and reasons of a cancellation.

    What tax law keeps stays: documents with the buyer on them, amounts, and each order's state and GSTIN. Payments and
    notifications erase theirs when they receive the event. A second call changes nothing.

    :raises UserNotFound: if there is no such person
    :raises StaffNotErasable: if it is a member of staff
    :raises CustomerNotErasable: if an order waits for its payment or its delivery, may be paid late, has money about which something
        is still to be decided or refunded, or is confirmed and has been so for less than ERASURE_HOLD_DAYS,
        or is completed and can still be returned
    """
    accounts.lock_user_to_erase(user_id=customer_id)
    orders = locks.lock_orders_of_customer(customer_id)

    _check_are_closed(orders, now=now)

    user = accounts.erase_user(user_id=customer_id, actor=actor, reason=reason, now=now)
    for order in orders:
        _erase_order(order, actor=actor, now=now)

    return user


def _check_are_closed(orders: Sequence[Order], *, now: datetime) -> None:
    order_ids = [order.pk for order in orders]
    known_above = [find(order_ids, now) for find in _finders]
    for order in orders:
        _check_order_erasable(order, now=now)
        for blockers in known_above:
            if order.pk in blockers:
                raise _not_erasable(order, blockers[order.pk], now=now)


def _check_order_erasable(order: Order, *, now: datetime) -> None:
    blocker = rules.erasure_blocker(
        status=order.status,
        confirmed_at=order.confirmed_at,
        unresolved_amount=order.disputed_amount + order.under_review_amount,
        unrefunded_amount=order.paid_amount - order.refunded_amount - order.lost_amount,
        wait=settings.ERASURE_HOLD,
        now=now,
    )
    if blocker is not None:
        raise _not_erasable(order, blocker, now=now)


def _not_erasable(order: Order, blocker: ErasureBlocker, *, now: datetime) -> CustomerNotErasable:
    return CustomerNotErasable(_describe_blocker(order, blocker, confirmed_at=order.confirmed_at or now))


def _describe_blocker(order: Order, blocker: ErasureBlocker, *, confirmed_at: datetime) -> str:
    match blocker:
        case ErasureBlocker.AWAITING_PAYMENT:
            return messages.not_erasable_until_paid(order.number)
        case ErasureBlocker.MAY_BE_PAID_LATE:
            return messages.not_erasable_while_payable(order.number)
        case ErasureBlocker.MONEY_UNRESOLVED:
            return messages.not_erasable_until_decided(order.number)
        case ErasureBlocker.NOT_DELIVERED:
            return messages.not_erasable_until_delivered(order.number)
        case ErasureBlocker.CONFIRMED_RECENTLY:
            erasable_from = confirmed_at + settings.ERASURE_HOLD
            return messages.not_erasable_yet(order.number, confirmed_at=confirmed_at, erasable_from=erasable_from)
        case ErasureBlocker.RETURNABLE:
            completed_at = order.completed_at or confirmed_at
            return messages.not_erasable_while_returnable(
                order.number, completed_at=completed_at, erasable_from=completed_at + settings.RETURN_WINDOW
            )


def _erase_order(order: Order, *, actor: Actor, now: datetime) -> None:
    address_ids = {order.billing_address_id, order.shipping_address_id}
    addresses = OrderAddress.objects.filter(pk__in=address_ids, erased_at__isnull=True)
    is_changed = bool(addresses.update(**_BLANK, erased_at=now, updated_at=now))
    if not (is_changed or order.note or order.cancel_reason):
        return
    change(order, events.ORDER_ERASED, {"note": "", "cancel_reason": ""}, root=order.pk, actor=actor, now=now)
