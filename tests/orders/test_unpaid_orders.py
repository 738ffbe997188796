"""How much stock one customer may hold without having paid for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.catalog.models import Reservation
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.orders import selectors, services
from apps.orders.models import Order
from apps.orders.rules import find_excess_units
from apps.orders.services import TooManyUnpaidOrders, TooManyUnpaidUnits
from tests.factories.accounts import make_address
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.orders.books import check_invariants
from tests.support.stock import stock_of

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
GSTIN = "29AAGCB7383J1Z4"


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.MAX_UNPAID_ORDERS_PER_CUSTOMER = 5
    settings.MAX_UNPAID_UNITS_PER_VARIANT = 50
    settings.MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN = 500


def pay(order: Order) -> None:
    services.update_payment_totals(
        order=order, paid_amount=order.total_amount, payment_live_until=None, actor=SYSTEM, now=NOW
    )


class TestUnpaidOrderLimit:
    def test_sixth_order_is_refused_and_reserves_nothing(self, owner: Any, client_of: ClientOf) -> None:
        address, variant = make_address(owner), make_variant(stock=100)
        for _ in range(5):
            make_order(owner, [variant], address=address)
        events = Event.objects.count()

        response = client_of(owner).post(
            "/api/v1/orders",
            {"lines": [{"variant_id": variant.public_id, "quantity": 1}], "shipping_address_id": address.public_id},
            format="json",
            headers={"Idempotency-Key": "key-of-the-sixth"},
        )

        assert response.status_code == 409
        error = response.json()["error"]
        assert (error["type"], error["code"]) == ("conflict", "too_many_unpaid_orders")
        assert error["message"] == (
            "You have 5 unpaid orders, the most that are allowed at a time. Pay or cancel one first."
        )
        assert (Order.objects.count(), Reservation.objects.count(), Event.objects.count()) == (5, 5, events)
        assert stock_of(variant).reserved == 5

    def test_limit_is_per_customer(self, owner: Any, stranger: Any) -> None:
        for _ in range(5):
            make_order(owner)

        assert make_order(stranger).customer_id == stranger.pk

    @pytest.mark.parametrize("end", ["paid", "cancelled", "expired"])
    def test_closed_order_no_longer_counts(self, owner: Any, end: str) -> None:
        orders = [make_order(owner, now=NOW) for _ in range(5)]
        with pytest.raises(TooManyUnpaidOrders):
            make_order(owner, now=NOW)

        if end == "paid":
            pay(orders[0])
        elif end == "cancelled":
            services.cancel_unpaid_order(order_id=orders[0].pk, actor=SYSTEM, reason="", now=NOW)
        else:
            Order.objects.filter(pk=orders[0].pk).update(expires_at=NOW)
            services.expire_orders(now=NOW + timedelta(minutes=1))

        assert make_order(owner, now=NOW).status == "pending_payment"
        with pytest.raises(TooManyUnpaidOrders):
            make_order(owner, now=NOW)
        check_invariants()

    def test_order_with_money_under_review_does_not_count(self, owner: Any) -> None:
        order = make_order(owner)
        services.update_payment_totals(
            order=order, paid_amount=100, payment_live_until=None, under_review_amount=100, actor=SYSTEM, now=NOW
        )

        assert order.status == "pending_payment"
        assert selectors.count_unpaid_orders(customer_id=owner.pk, variant_ids=[]) == (0, {})

    def test_an_estimate_is_never_refused(self, owner: Any) -> None:
        address, variant = make_address(owner), make_variant(stock=1000)
        for _ in range(5):
            make_order(owner, [variant], address=address)

        quote = services.quote_order(
            customer_id=owner.pk,
            lines=[services.OrderLineInput(variant_id=variant.pk, quantity=200)],
            shipping_address_id=address.pk,
            now=NOW,
        )

        assert quote.lines[0].item.quantity == 200


class TestUnpaidUnitLimit:
    def test_more_of_a_variant_than_may_wait_are_refused(self, owner: Any) -> None:
        address, scarce, other = make_address(owner), make_variant(stock=1000, title="M"), make_variant()
        make_order(owner, [(scarce, 30)], address=address)
        make_order(owner, [(scarce, 15)], address=address)
        events = Event.objects.count()

        with pytest.raises(TooManyUnpaidUnits) as refused:
            make_order(owner, [(other, 1), (scarce, 4), (scarce, 2)], address=address)

        assert refused.value.code == "too_many_unpaid_orders"
        assert refused.value.param == "lines[1].quantity"
        assert refused.value.text == (
            f"At most 50 units of {scarce.product.name}, M can wait for payment at a time; with this order it would be 51."
            " Order fewer units, or pay or cancel an unpaid order first."
        )
        assert (Order.objects.count(), Event.objects.count()) == (2, events)
        assert stock_of(scarce).reserved == 45
        assert make_order(owner, [(scarce, 5)], address=address).status == "pending_payment"

    def test_one_large_order_counts_like_many_small_ones(self, owner: Any) -> None:
        variant = make_variant(stock=1000)

        with pytest.raises(TooManyUnpaidUnits):
            make_order(owner, [(variant, 51)])

        assert make_order(owner, [(variant, 50)]).status == "pending_payment"

    def test_what_is_paid_does_not_count(self, owner: Any) -> None:
        variant = make_variant(stock=1000)
        pay(make_order(owner, [(variant, 50)]))

        assert make_order(owner, [(variant, 50)]).status == "pending_payment"

    def test_units_of_other_customers_do_not_count(self, owner: Any, stranger: Any) -> None:
        variant = make_variant(stock=1000)
        make_order(stranger, [(variant, 50)])

        assert make_order(owner, [(variant, 50)]).status == "pending_payment"

    def test_customer_with_gstin_may_reserve_500(self, owner: Any) -> None:
        variant = make_variant(stock=1000)
        address = make_address(owner, gstin=GSTIN, company="Rao Traders")
        make_order(owner, [(variant, 400)], address=address)

        with pytest.raises(TooManyUnpaidUnits, match="At most 500 units"):
            make_order(owner, [(variant, 101)], address=address)

        assert make_order(owner, [(variant, 100)], address=address).status == "pending_payment"

    def test_a_gstin_that_was_removed_counts_no_longer(self, owner: Any) -> None:
        variant = make_variant(stock=1000)
        removed = make_address(owner, gstin=GSTIN, company="Rao Traders")
        removed.removed_at = NOW
        removed.save(update_fields=["removed_at"])

        with pytest.raises(TooManyUnpaidUnits, match="At most 50 units"):
            make_order(owner, [(variant, 51)])


class TestFindExcessUnits:
    def test_reserved_and_requested_units_add_up(self) -> None:
        one, two = make_variant().pk, make_variant().pk

        assert find_excess_units({one: 10, two: 20}, held={one: 40, two: 30}, limit=50) is None
        assert find_excess_units({one: 10, two: 21}, held={one: 40, two: 30}, limit=50) == (two, 51)
        assert find_excess_units({one: 51}, held={}, limit=50) == (one, 51)


def test_placement_query_count_is_constant(owner: Any, count_queries: Any, settings: Any) -> None:
    address, variant = make_address(owner), make_variant(stock=100)
    make_order(owner, [variant], address=address)
    with count_queries() as with_one:
        make_order(owner, [variant], address=address)
    make_order(owner, [variant], address=address)
    make_order(owner, [variant], address=address)

    with count_queries() as with_four:
        make_order(owner, [variant], address=address)

    assert len(with_four) == len(with_one)
