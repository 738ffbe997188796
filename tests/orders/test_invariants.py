"""Each invariant of orders sees what is planted, and only that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection
from django.utils import timezone

from apps.catalog.models import MAIN_LOCATION_ID, Reservation
from apps.core import audit
from apps.core.events import SYSTEM
from apps.core.models import Event, IdempotencyKey
from apps.orders import invariants, locks, services
from apps.orders.models import Order, OrderLine
from tests.factories.accounts import make_address
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order, make_order_address
from tests.support.stock import plant_stock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recent_audits_find_the_same")]

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)


def found(invariant: str, now: datetime = NOW) -> list[dict[str, Any]]:
    [result] = audit.run(now=now, only=[invariant]).results
    assert not result.error
    return result.rows


def numbers(invariant: str, now: datetime = NOW) -> list[str]:
    return [row["number"] for row in found(invariant, now)]


def confirmed(owner: Any, *variants: Any) -> Order:
    order = make_order(owner, variants or None, now=NOW)
    return services.update_payment_totals(
        order=locks.lock_order(order.pk), paid_amount=order.total_amount, payment_live_until=None, actor=SYSTEM, now=NOW
    )


def lift(*constraints: str) -> None:
    """Drop constraints for the rest of this test's transaction."""
    with connection.cursor() as cursor:
        # Deferred foreign keys that wait for the commit would keep the table from being altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in constraints:
            table = "orders_orderline" if name.startswith("line") else "orders_order"
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


@pytest.fixture
def order(owner: Any) -> Order:
    """A confirmed order, beside which a waiting, a cancelled and an expired one are in order."""
    make_order(owner, now=NOW)
    services.cancel_unpaid_order(order_id=make_order(owner, now=NOW).pk, actor=SYSTEM, reason="", now=NOW)
    make_order(owner, now=NOW - timedelta(hours=1))
    services.expire_orders(now=NOW)
    return confirmed(owner)


def test_valid_orders_violate_nothing(order: Order) -> None:
    every = [invariant.id for invariant in invariants.INVARIANTS]

    assert [result.rows or result.error for result in audit.run(now=NOW, only=every).failing] == []


@pytest.mark.parametrize("plant", ["gone", "short", "released", "other variant"])
def test_finds_confirmed_order_without_reservation(order: Order, plant: str) -> None:
    reservation = Reservation.objects.filter(reference=order.lines.get().pk)
    if plant == "gone":
        reservation.delete()
    elif plant == "short":
        OrderLine.objects.filter(order=order).update(quantity_milli=2_000)
    elif plant == "released":
        reservation.update(status="released")
    else:
        reservation.update(variant=make_variant())

    assert numbers("INV-05") == [order.number]


def test_finds_unpaid_order_with_too_small_reservation(owner: Any, order: Order) -> None:
    waiting = make_order(owner, [(make_variant(), 3)], now=NOW)
    Reservation.objects.filter(reference=waiting.lines.get().pk).update(quantity_milli=2_000)

    assert numbers("INV-05b") == [waiting.number]


def test_finds_line_of_another_registration(order: Order) -> None:
    other = make_registration(gstin="29AAPFU0939F1ZR", state="29", invoice_prefix="KA", is_default=False)
    OrderLine.objects.filter(order=order).update(registration=other)

    assert numbers("INV-08c") == [order.number]


@pytest.mark.parametrize("status", ["cancelled", "expired"])
def test_finds_reservation_of_closed_order(order: Order, status: str) -> None:
    Order.objects.filter(pk=order.pk).update(status=status)

    assert [(row["number"], row["status"]) for row in found("INV-05b")] == [(order.number, "committed")]


def test_finds_reservation_without_order(order: Order) -> None:
    stray = Reservation.objects.create(
        variant=make_variant(), location_id=MAIN_LOCATION_ID, reference=order.pk, quantity_milli=1_000
    )

    assert [row["reference"] for row in found("INV-05b")] == [stray.reference]


@pytest.mark.parametrize(
    "field", ["discount_amount", "shipping_amount", "taxable_amount", "igst_amount", "cgst_amount"]
)
def test_finds_total_that_differs_from_lines(order: Order, field: str) -> None:
    lift("order_total_adds_up")
    Order.objects.filter(pk=order.pk).update(**{field: getattr(order, field) + 1})

    assert numbers("INV-08") == [order.number]


def test_finds_order_without_lines(order: Order) -> None:
    with pgtrigger.ignore("orders.OrderLine:not_deleted"):
        order.lines.all().delete()

    assert numbers("INV-08") == [order.number]


def test_finds_round_off_above_half_a_rupee(order: Order) -> None:
    lift("order_round_off_within_half_rupee", "order_total_adds_up")
    Order.objects.filter(pk=order.pk).update(round_off_amount=51, total_amount=order.total_amount + 51)

    assert numbers("INV-08") == [order.number]


@pytest.mark.parametrize(
    "plant",
    [
        {"gross_amount": 42_290},
        {"unit_price": 49_800},
        {"tax_rate": 500},
        {"igst_amount": 7_613},
        {"igst_amount": 0, "cgst_amount": 3_806, "sgst_amount": 3_806},
    ],
    ids=str,
)
def test_finds_line_with_wrong_price(order: Order, plant: dict[str, int]) -> None:
    lift("line_total_adds_up", "line_taxable_adds_up")
    OrderLine.objects.filter(order=order).update(**plant)

    assert numbers("INV-08b") == [order.number]


def test_finds_tax_heads_of_another_place_of_supply(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(place_of_supply="27")

    assert numbers("INV-08b") == [order.number]


@pytest.mark.parametrize("plant", [{"status": "cancelled"}, {"version": 3}, {"paid_amount": 1}], ids=str)
def test_finds_order_that_differs_from_its_events(order: Order, plant: dict[str, Any]) -> None:
    Order.objects.filter(pk=order.pk).update(**plant)

    assert numbers("INV-09") == [order.number]


def test_finds_order_without_events(order: Order) -> None:
    with pgtrigger.ignore("core.Event:frozen"):
        Event.objects.filter(subject_id=order.pk).update(subject_type="orders.other")

    assert numbers("INV-09") == [order.number]


@pytest.mark.parametrize("status", ["completed", "pending_payment", "nonsense"])
def test_finds_invalid_transition(order: Order, status: str) -> None:
    with pgtrigger.ignore("core.Event:frozen"):
        Event.objects.filter(subject_id=order.pk, version=2).update(changes={"status": status})

    assert found("INV-09b") == [
        {"order_id": order.pk, "version": 2, "before": "pending_payment", "after": status},
    ]


def test_finds_order_with_wrong_initial_status(order: Order) -> None:
    with pgtrigger.ignore("core.Event:frozen"):
        Event.objects.filter(subject_id=order.pk, version=1).update(changes={"status": "expired"})

    assert [(row["order_id"], row["before"], row["after"]) for row in found("INV-09b")] == [(order.pk, None, "expired")]


def test_finds_unpaid_order_past_its_expiry(owner: Any) -> None:
    order = make_order(owner, now=NOW)
    live = make_order(owner, now=NOW)
    Order.objects.filter(pk=live.pk).update(payment_live_until=order.expires_at + timedelta(minutes=1))

    assert numbers("INV-10", order.expires_at + timedelta(minutes=10)) == []
    assert numbers("INV-10", order.expires_at + timedelta(minutes=10, seconds=1)) == [order.number]
    assert set(numbers("INV-10", order.expires_at + timedelta(minutes=12))) == {order.number, live.number}


def test_finds_confirmed_order_that_is_not_paid(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(paid_amount=order.total_amount - 1)

    assert numbers("INV-11a") == [order.number]


class TestIdempotencyKeys:
    def keep(self, order: Order, *, key: str = "key-0001", customer: Any = None, number: str = "") -> None:
        customer = customer or order.customer
        IdempotencyKey.objects.create(
            principal=customer.public_id,
            route="POST /api/v1/orders",
            key=key,
            fingerprint="0" * 64,
            status=201,
            body=f'{{"number": "{number or order.number}", "customer_id": "{order.customer.public_id}"}}'.encode(),
            created_at=timezone.now(),
            expires_at=timezone.now(),
        )

    def test_one_key_for_one_order(self, order: Order) -> None:
        self.keep(order)

        assert found("INV-12") == []

    def test_two_keys_for_one_order(self, order: Order) -> None:
        self.keep(order)
        self.keep(order, key="key-0002")

        assert numbers("INV-12") == [order.number]

    def test_a_key_of_somebody_else(self, order: Order, stranger: Any) -> None:
        self.keep(order, customer=stranger)

        assert numbers("INV-12") == [order.number]

    def test_response_without_order(self, order: Order) -> None:
        self.keep(order, number="ORD-2627-999999")

        assert numbers("INV-12") == ["ORD-2627-999999"]


@pytest.mark.parametrize("plant", [{"discount_amount": 42_289}, {"discount_amount": -1}, {"unit_price": -1}], ids=str)
def test_finds_discount_above_price(order: Order, plant: dict[str, int]) -> None:
    lift("line_taxable_adds_up")
    OrderLine.objects.filter(order=order).update(**plant)

    assert numbers("INV-13") == [order.number]


def test_stock_counts_are_left_to_the_catalogue(order: Order) -> None:
    plant_stock(order.lines.get().variant, reserved=0)

    assert [result.invariant.id for result in audit.run(now=NOW, only=["INV-05", "INV-05b"]).failing] == []


class TestPinAndState:
    @pytest.mark.parametrize("name", ["shipping_address", "billing_address"])
    def test_pin_of_another_state_is_found(self, order: Order, name: str) -> None:
        assert found("INV-54") == []

        wrong = make_order_address(state="27", pin_check="lies_in_state")
        Order.objects.filter(pk=order.pk).update(**{name: wrong})

        assert found("INV-54") == [
            {"number": order.number, "name": name.removesuffix("_address"), "pin": "560001", "state": "27"}
        ]

    @pytest.mark.parametrize("pin", ["912345", "599001"])
    def test_army_post_and_unknown_prefix_lie_in_any_state(self, owner: Any, pin: str) -> None:
        make_order(owner, address=make_address(owner, pin=pin), now=NOW)

        assert found("INV-54") == []

    def test_order_of_before_the_check_is_not_judged(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(shipping_address=make_order_address(state="27"))

        assert found("INV-54") == []
