"""Reads of orders. Customers see their own, staff with `orders.view_order` all."""

import re
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, FilteredRelation, Prefetch, Q, QuerySet, Value, When, prefetch_related_objects

from apps.accounts import selectors as accounts
from apps.core.errors import Forbidden
from apps.core.event_replay import list_events_until, rebuild
from apps.core.hot_path import hot_path
from apps.core.models import is_staff_with
from apps.core.quantities import to_units
from apps.core.rows import find_by, find_rows
from apps.core.search import SearchTerm, any_of
from apps.orders import rules
from apps.orders.models import REVERSED_NUMBER, UNPAID, Order, OrderAddress, OrderLine
from apps.orders.models import OrderNotFound as OrderNotFound  # noqa: PLC0414 - other apps catch it from here
from apps.orders.states import HOLDS_STOCK, OrderPaymentStatus, OrderStatus

#: A whole number without the zeros that nobody reads out: `ORD-2627-3`.
_SHORT_NUMBER: Final = re.compile(r"(?P<series>[A-Z]{3}-[0-9]{4})-(?P<sequence>[1-9][0-9]{0,5})", re.ASCII)
_NUMBER: Final = re.compile(r"[A-Z]{3}(-[0-9-]*)?", re.ASCII)
#: Fewer are looked for as the whole of a number.
_FEW_DIGITS: Final = 3
_SEQUENCE_DIGITS: Final = 6
_YEAR_DIGITS: Final = 4


class OrderChangeForbidden(Forbidden):
    """The account may view this order, but not change it. Log in with an account that may."""

    message = "You may view this order, but not change it."


def get_order(order_id: UUID) -> Order:
    """
    Return an order, without a check of the caller's permissions.

    :raises OrderNotFound: if there is no such order
    """
    order = find_by(Order, id=order_id)
    if order is None:
        raise OrderNotFound
    return order


def get_order_by_number(number: str) -> Order:
    """
    Return an order by its number, without a check of the caller's permissions.

    :raises OrderNotFound: if there is no such order
    """
    order = Order.objects.filter(number=number.strip().upper()[:20]).first()
    if order is None:
        raise OrderNotFound
    return order


def get_order_as_of(order: Order, at: datetime) -> Order:
    """
    Return an order as it stood at an instant, from its events. Its lines and terms are those of the day it was placed.

    :raises OrderNotFound: if it had not been placed by then
    """
    events = list_events_until(Order, order.pk, at=at)
    if not events:
        raise OrderNotFound
    restored = rebuild(order, events)
    if restored.cancelled_at is None:
        # No event keeps it: it is that of today.
        restored.cancel_reason = ""
    return restored


def list_orders_after(after: UUID | None, *, limit: int) -> list[Order]:
    """Return the next `limit` orders placed after a given one, oldest first, to iterate over all orders in batches."""
    rows = Order.objects.all() if after is None else Order.objects.filter(pk__gt=after)
    return list(rows.order_by("pk")[:limit])


def list_orders_of_customer(customer_id: UUID) -> list[Order]:
    """Return all orders of a customer, oldest first, for any caller."""
    return list(Order.objects.filter(customer_id=customer_id).order_by("pk"))


def is_customer_erased(order: Order) -> bool:
    """Test if the customer of an order was erased; it stays so while the order is locked."""
    address = find_by(OrderAddress, id=order.billing_address_id)
    return address is not None and address.erased_at is not None


def read_addresses(order: Order) -> Order:
    """Return an order with both of its addresses at hand, by one statement."""
    wanted = [str(order.billing_address_id), str(order.shipping_address_id)]
    found = {address.pk: address for address in find_rows(OrderAddress, "WHERE it.id IN ($1, $2)", wanted)}
    order.billing_address = found[order.billing_address_id]
    order.shipping_address = found[order.shipping_address_id]
    return order


def get_visible_order(*, user: Any, order_id: UUID) -> Order:
    """
    Return an order that a user may see, with its addresses and lines.

    :raises OrderNotFound: if there is none, or it is somebody else's
    """
    order = _find_with_lines(order_id=order_id, customer_id=_customer_of(user))
    if order is None:
        raise OrderNotFound
    return order


def get_shown_order(*, user: Any, order_id: UUID) -> Any:
    """
    Return what a response shows of an order that a user may see: it has the attributes of the order, its addresses and lines.

    :raises OrderNotFound: if there is none, or it is somebody else's
    """
    order = find_shown_order(order_id=order_id, customer_id=_customer_of(user))
    if order is None:
        raise OrderNotFound
    return order


@hot_path("orders.find_shown_order", is_read=True)
def find_shown_order(*, order_id: UUID, customer_id: UUID | None) -> Any:
    """Return what is shown of an order, with its addresses and lines, of any customer or of one, or None."""
    return _find_with_lines(order_id=order_id, customer_id=customer_id)


def _find_with_lines(*, order_id: UUID, customer_id: UUID | None) -> Order | None:
    orders = Order.objects.select_related("billing_address", "shipping_address").filter(pk=order_id)
    order = (orders if customer_id is None else orders.filter(customer_id=customer_id)).first()
    return None if order is None else prefetch_lines(order)


def _customer_of(user: Any) -> UUID | None:
    """Return the customer whose orders a user may see, or None for those of all."""
    if can_view_all_orders(user):
        return None
    if user.pk is None:
        raise OrderNotFound  # nobody; None would mean anybody's
    return UUID(str(user.pk))


def get_changeable_order(*, user: Any, order_id: UUID) -> Order:
    """
    Return an order that a user may change: the customer's own, or any for staff with `orders.change_order`.

    :raises OrderNotFound: if the user may not even see it
    :raises OrderChangeForbidden: if the user may only look
    """
    order = get_visible_order(user=user, order_id=order_id)
    if order.customer_id != user.pk and not is_staff_with(user, "orders.change_order"):
        raise OrderChangeForbidden
    return order


def list_visible_orders(*, user: Any) -> QuerySet[Order]:
    """Return the orders that a user may see, newest first."""
    return _visible_to(user).order_by("-created_at", "-pk")


def filter_by_phone(orders: "QuerySet[Order]", phone: str) -> "QuerySet[Order]":
    """Narrow orders to those of the customer with a phone number, which is written as it is stored."""
    return orders.filter(customer_id=_find_customer_id(phone))


def search_orders_and_recipients(orders: "QuerySet[Order]", term: SearchTerm) -> "QuerySet[Order]":
    """Narrow orders to those that a search means: as the back office finds them, or by a part of the recipient's name."""
    if "@" in term.text:
        return orders.filter(customer=accounts.find_user_by_contact(term.text))
    if phone := accounts.parse_phone_or_none(term.text):
        return orders.filter(Q(customer_id=_find_customer_id(phone)) | Q(shipping_address__phone=phone))
    is_named = Q(pk__in=search_orders(term, among=orders.order_by()).order_by().values("pk"))
    return orders.filter(is_named if term.digits else is_named | Q(shipping_address__name__icontains=term.text))


def count_unpaid_orders(*, customer_id: UUID, variant_ids: Collection[UUID]) -> tuple[int, dict[UUID, int]]:
    """
    Count the orders of a customer that hold stock and of which nothing is paid, and the units of some variants in them.

    A variant that none of them has is left out. One statement: placing an order runs it each time.
    """
    wanted = FilteredRelation("lines", condition=Q(lines__variant_id__in=variant_ids))
    rows = Order.objects.filter(UNPAID, customer_id=customer_id).annotate(wanted=wanted).order_by()
    orders, units = set(), Counter[UUID]()
    for order_id, variant_id, milli in rows.values_list("pk", "wanted__variant_id", "wanted__quantity_milli"):
        orders.add(order_id)
        if variant_id is not None:
            units[variant_id] += to_units(milli)
    return len(orders), dict(units)


def list_lines(order_id: UUID) -> list[OrderLine]:
    """Return the lines of an order by position."""
    return find_rows(OrderLine, "WHERE it.order_id = $1 ORDER BY it.position", [str(order_id)])


def list_orders_to_send() -> "QuerySet[Order]":
    """Return the paid orders that are not completed, also those on hold, the longest confirmed first."""
    return Order.objects.filter(
        status__in=HOLDS_STOCK, confirmed_at__isnull=False, paid_amount__gte=F("total_amount")
    ).order_by("confirmed_at", "pk")


def list_lines_of_all_orders() -> "QuerySet[OrderLine]":
    """Return the lines of all orders by position, to be narrowed by apps that know what became of their units."""
    return OrderLine.objects.order_by("order_id", "position")


def prefetch_lines(order: Order) -> Order:
    """Return the order with its lines at hand, by position."""
    prefetch_related_objects([order], Prefetch("lines", queryset=OrderLine.objects.order_by("position")))
    return order


def list_line_ids(order_id: UUID) -> list[UUID]:
    """Return the ids of an order's lines: the references of its reservations."""
    return [line.pk for line in list_lines(order_id)]


def list_expirable_order_ids(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of orders whose time to be paid is over, the longest overdue first; the caller checks each again under its lock."""
    waiting = Order.objects.filter(status=OrderStatus.PENDING_PAYMENT, under_review_amount=0)
    overdue = waiting.filter(expires_at__lte=now).filter(
        Q(payment_live_until__isnull=True) | Q(payment_live_until__lte=now - rules.FINAL_POLL_GRACE)
    )
    return list(overdue.order_by("expires_at", "pk").values_list("pk", flat=True)[:limit])


def list_closable_order_ids(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of completed orders whose return window is over, the longest overdue first; each is checked again under its lock."""
    over = Order.objects.filter(status=OrderStatus.COMPLETED, completed_at__lte=now - settings.RETURN_WINDOW)
    return list(over.order_by("completed_at", "pk").values_list("pk", flat=True)[:limit])


def derive_order_payment_status(order: Order) -> OrderPaymentStatus:
    """Return how far an order is paid."""
    return rules.payment_status(
        paid=order.paid_amount,
        refunded=order.refunded_amount,
        disputed=order.disputed_amount,
        lost=order.lost_amount,
        total=order.total_amount,
        under_review=order.under_review_amount,
        is_processing=order.is_payment_processing,
    )


def has_live_payment(order: Order, now: datetime) -> bool:
    """Test if a payment of an order is open, so that the order can neither be cancelled nor expire."""
    return rules.is_payment_live(live_until=order.payment_live_until, now=now)


def _find_customer_id(destination: str) -> UUID | None:
    person = accounts.find_user_at(destination)
    return person.pk if person is not None else None


def can_view_all_orders(user: Any) -> bool:
    """Test if a user is staff who may look at everybody's orders."""
    return is_staff_with(user, "orders.view_order")


def _visible_to(user: Any) -> QuerySet[Order]:
    return Order.objects.all() if can_view_all_orders(user) else Order.objects.filter(customer_id=user.pk)


def search_orders(
    term: SearchTerm, *, customers: Collection[UUID] = (), among: "QuerySet[Order] | None" = None
) -> "QuerySet[Order]":
    """
    Return the orders that a search means: by the beginning of their number, its last digits, a public id, or who bought.

    The order whose own number is the digits comes first (`42` is ORD-2627-000042), then the newest.

    :param among: the orders that are searched; all, unless given
    """
    orders = Order.objects.all() if among is None else among
    own = f"-{term.digits:0>6}"
    found = _list_matching_orders(term, orders, own=own)
    if customers:
        found.append(orders.filter(customer_id__in=customers).order_by("-created_at", "-id"))
    keys = [orders.values_list("pk") for orders in found]
    if not keys:
        return Order.objects.none()
    first = Case(When(number__endswith=own, then=0), default=1) if term.digits else Value(0)
    return Order.objects.filter(pk__in=any_of(*keys)).order_by(first, "-created_at", "-id")


def _list_matching_orders(term: SearchTerm, orders: "QuerySet[Order]", *, own: str) -> list["QuerySet[Order]"]:
    pk = term.pk_of(Order)
    if pk is not None:
        return [orders.filter(pk=pk)]
    if term.digits:
        return [_orders_with_suffix(end, orders) for end in _number_suffixes(term.digits, own=own)]
    if not _NUMBER.fullmatch(term.code):
        return []
    begun = orders.filter(number__startswith=term.code)
    short = _SHORT_NUMBER.fullmatch(term.code)
    whole = [orders.filter(number=f"{short['series']}-{short['sequence']:0>6}")] if short else []
    return [*whole, begun]


def _number_suffixes(digits: str, *, own: str) -> list[str]:
    """Return what a number may end with: few digits are all of it, since too many orders end with them."""
    if len(digits) < _FEW_DIGITS:
        return [own]
    if len(digits) <= _SEQUENCE_DIGITS:
        return [digits]
    # The year stands before the last six, behind a dash that nobody reads out.
    return (
        [digits, f"{digits[:-_SEQUENCE_DIGITS]}-{digits[-_SEQUENCE_DIGITS:]}"]
        if len(digits) <= _YEAR_DIGITS + _SEQUENCE_DIGITS
        else []
    )


def _orders_with_suffix(end: str, orders: "QuerySet[Order]") -> "QuerySet[Order]":
    # By the index itself: numbers that have nothing but zeros before what was typed come first.
    return (
        orders.alias(reversed_number=REVERSED_NUMBER)
        .filter(reversed_number__startswith=end[::-1])
        .order_by("reversed_number")
    )
