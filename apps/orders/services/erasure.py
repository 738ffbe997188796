"""Erasing a customer from the orders, once nothing is open between them and the shop."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.accounts import selectors as account_selectors
from apps.accounts import services as accounts
from apps.core.errors import Conflict
from apps.core.events import Actor, record
from apps.orders import events, locks, messages, rules, selectors
from apps.orders.models import Order, OrderAddress
from apps.orders.states import ErasureObstacle

if TYPE_CHECKING:
    from apps.accounts.models import User

_BLANK = dict.fromkeys((name for name in OrderAddress.FIELDS if name != "state"), "")


class CustomerNotErasable(Conflict):
    message = "{0}"


def check_erasable(*, customer_id: UUID, now: datetime) -> None:
    """
    Check that a customer could be erased now, without a lock, to say so beforehand.

    :raises UserNotFound, StaffNotErasable, CustomerNotErasable: as `erase_customer` does
    """
    user = account_selectors.get_user(customer_id)
    if user.is_staff:
        raise accounts.StaffNotErasable(user)
    for order in selectors.list_orders_of_customer(customer_id):
        _check_is_closed(order, now=now)


@transaction.atomic
def erase_customer(*, customer_id: UUID, actor: Actor, reason: str = "", now: datetime) -> "User":
    """
    Erase a customer: the account, and of their orders the names, addresses and notes.

    What tax law keeps stays: documents with the buyer on them, amounts, and each order's state and GSTIN. Payments and
    notifications erase theirs when they receive the event. A second call changes nothing.

    :raises UserNotFound: if there is no such person
    :raises StaffNotErasable: if it is a member of staff
    :raises CustomerNotErasable: if an order waits for its payment or its delivery, has money about which something is still to be
        decided or refunded, or is confirmed and has been so for less than ERASURE_WAIT_DAYS
    """
    user = accounts.erase_user(user_id=customer_id, actor=actor, reason=reason, now=now)
    orders = locks.lock_orders_of_customer(customer_id)

    for order in orders:
        _check_is_closed(order, now=now)

    for order in orders:
        _erase_order(order, actor=actor, now=now)

    return user


def _check_is_closed(order: Order, *, now: datetime) -> None:
    obstacle = rules.erasure_obstacle(
        status=order.status,
        confirmed_at=order.confirmed_at,
        undecided_amount=order.disputed_amount + order.under_review_amount,
        unreturned_amount=order.paid_amount - order.refunded_amount - order.lost_amount,
        wait=settings.ERASURE_WAIT,
        now=now,
    )
    if obstacle is not None:
        raise CustomerNotErasable(_describe_obstacle(order, obstacle, confirmed_at=order.confirmed_at or now))


def _describe_obstacle(order: Order, obstacle: ErasureObstacle, *, confirmed_at: datetime) -> str:
    match obstacle:
        case ErasureObstacle.AWAITS_PAYMENT:
            return messages.not_erasable_until_paid(order.number)
        case ErasureObstacle.MONEY_UNDECIDED:
            return messages.not_erasable_until_decided(order.number)
        case ErasureObstacle.NOT_DELIVERED:
            return messages.not_erasable_until_delivered(order.number)
        case ErasureObstacle.CONFIRMED_RECENTLY:
            erasable_from = confirmed_at + settings.ERASURE_WAIT
            return messages.not_erasable_yet(order.number, confirmed_at=confirmed_at, erasable_from=erasable_from)


def _erase_order(order: Order, *, actor: Actor, now: datetime) -> None:
    address_ids = {order.billing_address_id, order.shipping_address_id}
    addresses = OrderAddress.objects.filter(pk__in=address_ids, erased_at__isnull=True)
    if not addresses.update(**_BLANK, erased_at=now, updated_at=now):
        return
    order.note = ""
    order.save(update_fields=["note", "updated_at"])

    record(events.ORDER_ERASED, subject=order, root_id=order.pk, actor=actor, changed={"note": ""}, now=now)
