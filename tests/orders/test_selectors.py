from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from apps.backoffice.selectors import timeline
from apps.core.events import SYSTEM
from apps.orders import selectors, services
from apps.orders.filters import OrderFilterSet
from apps.orders.models import Order, OrderNotFound
from tests.factories.accounts import make_user
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.support.events import record_event

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)


def test_an_order_is_found_by_its_id(owner: Any) -> None:
    order = make_order(owner)

    assert selectors.get_order(order.pk) == order
    with pytest.raises(OrderNotFound):
        selectors.get_order(uuid4())


def test_customers_see_their_own_and_staff_all(owner: Any, stranger: Any, support: Any, catalogue_manager: Any) -> None:
    order = make_order(owner)

    assert selectors.get_visible_order(user=owner, order_id=order.pk) == order
    assert selectors.get_visible_order(user=support, order_id=order.pk) == order
    assert list(selectors.list_visible_orders(user=owner)) == [order]
    assert list(selectors.list_visible_orders(user=support)) == [order]
    assert list(selectors.list_visible_orders(user=stranger)) == []
    with pytest.raises(OrderNotFound):
        selectors.get_visible_order(user=stranger, order_id=order.pk)


def test_staff_who_may_only_look_may_not_change(owner: Any, stranger: Any, support: Any, finance: Any) -> None:
    order = make_order(owner)

    assert selectors.get_changeable_order(user=owner, order_id=order.pk) == order
    assert selectors.get_changeable_order(user=support, order_id=order.pk) == order
    with pytest.raises(selectors.OrderChangeForbidden):
        selectors.get_changeable_order(user=finance, order_id=order.pk)
    with pytest.raises(OrderNotFound):
        selectors.get_changeable_order(user=stranger, order_id=order.pk)


def test_lists_are_narrowed_by_state_and_time(owner: Any) -> None:
    waiting, cancelled = make_order(owner), make_order(owner)
    services.cancel_unpaid_order(order_id=cancelled.pk, actor=SYSTEM, reason="", now=NOW)

    def found(**wanted: str) -> list[Order]:
        return list(OrderFilterSet(data=wanted, queryset=selectors.list_visible_orders(user=owner)).qs)

    began = cancelled.created_at.isoformat()
    assert found() == [cancelled, waiting]
    assert found(status="cancelled") == [cancelled]
    assert found(status="cancelled,pending_payment") == [cancelled, waiting]
    assert found(**{"created_at[gte]": began}) == [cancelled]
    assert found(**{"created_at[lt]": began}) == [waiting]


def test_lines_come_by_position(owner: Any) -> None:
    variants = [make_variant() for _ in range(3)]
    order = make_order(owner, variants)

    assert [line.variant_id for line in selectors.list_lines(order.pk)] == [variant.pk for variant in variants]
    assert selectors.list_line_ids(order.pk) == [line.pk for line in selectors.list_lines(order.pk)]
    assert [line.position for line in selectors.prefetch_lines(order).lines.all()] == [1, 2, 3]


def test_an_open_payment_that_nobody_is_paying_leaves_the_order_unpaid(owner: Any) -> None:
    order = make_order(owner)
    order.payment_live_until = NOW

    assert selectors.has_live_payment(order, NOW - timedelta(seconds=1))
    assert not selectors.has_live_payment(order, NOW)
    assert selectors.derive_order_payment_status(order) == "unpaid"

    order.is_payment_processing = True

    assert selectors.derive_order_payment_status(order) == "processing"


def test_timeline_of_customers_has_customer_events_only(owner: Any, support: Any) -> None:
    order = make_order(owner)
    record_event("payments.attempt.review_opened", subject=make_user(), actor=SYSTEM, changes={}, root_id=order.pk)
    record_event("payments.payment.succeeded", subject=make_user(), actor=SYSTEM, changes={}, root_id=order.pk)
    make_order(owner)

    def told(user: Any) -> list[str]:
        return [event.type for event in timeline.list_timeline(user=user, order=order)]

    assert told(owner) == ["orders.order.placed", "payments.payment.succeeded"]
    assert told(support) == ["orders.order.placed", "payments.attempt.review_opened", "payments.payment.succeeded"]


def test_order_as_of_an_instant_is_a_past_state(owner: Any) -> None:
    order = make_order(owner, now=NOW)
    late, early = NOW + timedelta(seconds=9), NOW + timedelta(seconds=5)
    # Two writers: the first to get the lock read the clock last.
    for at, reason in ((late, "first"), (early, "second")):
        record_event(
            "orders.order.payment_updated",
            subject=order,
            actor=SYSTEM,
            changes={"place_of_supply_reason": reason},
            now=at,
        )

    assert (
        selectors.get_order_as_of(order, NOW + timedelta(seconds=4)).place_of_supply_reason
        == "consumer_delivery_address"
    )
    assert selectors.get_order_as_of(order, early).place_of_supply_reason == "second"
    assert selectors.get_order_as_of(order, late).version == 3


def test_order_as_of_an_instant_has_the_personal_data_that_is_stored_now(owner: Any) -> None:
    order = make_order(owner, now=NOW, note="Ring twice")

    then = selectors.get_order_as_of(order, NOW)

    assert (then.note, then.shipping_address.line1) == ("Ring twice", "12 MG Road")
