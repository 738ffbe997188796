"""Races over orders, each with a control that goes wrong when the guard is off."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from apps.catalog.models import Reservation, Variant
from apps.catalog.services import InsufficientStock
from apps.core.events import SYSTEM, SubjectNotLocked, gateway_actor
from apps.core.models import Event
from apps.orders import locks, selectors, services
from apps.orders.models import Order
from apps.orders.services import OrderNotCancellable
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order
from tests.orders.books import check_invariants
from tests.support.lock_controls import without_lock
from tests.support.stock import stock_of
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ENDS = ("orders.order.confirmed", "orders.order.cancelled", "orders.order.expired")


def cancel(order: Order) -> Callable[[], Any]:
    return lambda: services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=LATER)


def expire() -> Any:
    return services.expire_orders(now=LATER)


def pay(order: Order) -> Callable[[], Any]:
    @transaction.atomic
    def note() -> Any:
        locked = locks.lock_order(order.pk)
        return services.update_payment_totals(
            order=locked,
            paid_amount=order.total_amount,
            payment_live_until=None,
            actor=gateway_actor("razorpay"),
            now=LATER,
        )

    return note


def ends_of(order: Order) -> list[str]:
    return list(Event.objects.filter(subject_id=order.pk, type__in=ENDS).values_list("type", flat=True))


class TestConcurrentCancelExpireAndPay:
    def test_only_one_of_them_succeeds(self, owner: Any) -> None:
        address, variant = make_address(owner), make_variant(stock=100)
        seen: Counter[str] = Counter()

        for turn in range(12):
            order = make_order(owner, [(variant, 2)], address=address, now=NOW)
            jobs = [cancel(order), expire, pay(order)]
            results = run_together(*jobs[turn % 3 :], *jobs[: turn % 3])

            order.refresh_from_db()
            assert [end.rsplit(".", 1)[1] for end in ends_of(order)] == [order.status]
            assert order.paid_amount == order.total_amount
            failures = [result for result in results if isinstance(result, Exception)]
            assert len(failures) <= 1
            assert all(isinstance(failure, OrderNotCancellable) for failure in failures)
            assert (failures == []) is (order.status == "cancelled")
            reserved = Reservation.objects.get(reference=order.lines.get().pk).status
            assert reserved == {"confirmed": "committed", "cancelled": "released", "expired": "expired"}[order.status]
            seen[order.status] += 1

        assert stock_of(variant).reserved == 2 * seen["confirmed"]
        check_invariants()

    def test_control_without_lock_two_of_them_succeed(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)

        with without_lock("apps.orders.locks.lock_order", meet=2):
            results = run_together(cancel(order), pay(order))

        # Both judged an order that was still waiting. Only the version, checked when news is recorded, kept it to one outcome.
        failures = [result for result in results if isinstance(result, Exception)]
        assert len(failures) == 1
        assert not isinstance(failures[0], OrderNotCancellable)
        assert len(ends_of(order)) == 1
        check_invariants()

    def test_two_expiry_tasks_share_the_orders(self, owner: Any) -> None:
        address, variant = make_address(owner), make_variant(stock=100)
        for _ in range(20):
            make_order(owner, [variant], address=address, now=NOW)

        results = run_together(expire, expire, expire)

        assert sum(results) == 20
        assert stock_of(variant).reserved == 0
        assert Event.objects.filter(type="orders.order.expired").count() == 20
        check_invariants()

    def test_expiry_task_skips_locked_orders(self, owner: Any) -> None:
        order = make_order(owner, now=NOW)
        free = make_order(owner, now=NOW)

        with transaction.atomic():
            locks.lock_order(order.pk)
            [count] = run_together(expire)

        assert count == 1
        assert Order.objects.get(pk=order.pk).status == "pending_payment"
        assert Order.objects.get(pk=free.pk).status == "expired"


class TestIdempotentPlacement:
    def body(self, owner: Any, variant: Variant) -> dict[str, Any]:
        return {
            "lines": [{"variant_id": variant.public_id, "quantity": 1}],
            "shipping_address_id": make_address(owner).public_id,
        }

    def send(self, client: APIClient, body: dict[str, Any], key: str) -> Callable[[], Any]:
        return lambda: client.post("/api/v1/orders", body, format="json", headers={"Idempotency-Key": key})

    def test_twenty_identical_requests_place_one_order(self, owner: Any, client_of: Any) -> None:
        variant = make_variant(stock=100)
        body, clients = self.body(owner, variant), [client_of(owner) for _ in range(20)]

        answers = run_together(*[self.send(client, body, "the-same-key") for client in clients])
        last = self.send(clients[0], body, "the-same-key")()

        order = Order.objects.get()
        placed = [answer for answer in answers if answer.status_code == 201]
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert {answer.json()["id"] for answer in placed} == {order.public_id}
        assert sum("Idempotent-Replayed" not in answer for answer in placed) == 1
        assert {a.json()["error"]["code"] for a in answers if a.status_code == 409} <= {"request_in_flight"}
        assert (last.status_code, last.json()["id"]) == (201, order.public_id)
        assert stock_of(variant).reserved == 1
        check_invariants()

    def test_control_with_distinct_keys_twenty_orders_are_placed(self, owner: Any, client_of: Any) -> None:
        variant = make_variant(stock=100)
        body, clients = self.body(owner, variant), [client_of(owner) for _ in range(20)]

        answers = run_together(*[self.send(client, body, f"a-key-of-{n}") for n, client in enumerate(clients)])

        assert [answer.status_code for answer in answers] == [201] * 20
        assert Order.objects.count() == 20
        assert stock_of(variant).reserved == 20
        check_invariants()


class TestOversell:
    def buy(self, buyer: tuple[Any, Any], *variants: Variant) -> Any:
        customer, address = buyer
        try:
            return make_order(customer, variants, address=address, now=NOW)
        except InsufficientStock as refusal:
            return refusal
        finally:
            connection.close()

    def test_200_buyers_of_50_units_get_exactly_50(self, reference_data: None) -> None:
        kurta, tea = make_variant(stock=50), make_variant(stock=500)
        buyers = [(user, make_address(user)) for user in (make_user() for _ in range(200))]

        # Half of them name the goods the other way round: rows are locked by key, so nobody meets head-on.
        with ThreadPoolExecutor(16) as pool:
            results = list(
                pool.map(
                    lambda numbered: self.buy(numbered[1], *((kurta, tea) if numbered[0] % 2 else (tea, kurta))),
                    enumerate(buyers),
                )
            )

        assert Counter(type(result) for result in results) == {Order: 50, InsufficientStock: 150}
        assert Order.objects.count() == 50
        assert Event.objects.count() == 50
        assert Reservation.objects.count() == 100
        assert stock_of(kurta).reserved == 50
        assert stock_of(tea).reserved == 50
        check_invariants()

    def test_control_without_lock_two_buyers_pass_the_check(self, owner: Any, stranger: Any, settings: Any) -> None:
        settings.HOT_PATH = "orm"  # tests/orders/test_prepared_placement.py has the lock of the other
        variant = make_variant(stock=1)
        buyers = [(user, make_address(user)) for user in (owner, stranger)]

        with without_lock("apps.catalog.locks.lock_stock", meet=2):
            results = run_together(*[lambda buyer=buyer: self.buy(buyer, variant) for buyer in buyers])

        # Both saw one unit; what stopped the second was the constraint of the table, the last guard.
        assert Counter(type(result) for result in results) == {Order: 1, IntegrityError: 1}
        assert stock_of(variant).reserved == 1
        check_invariants()


def test_a_lost_update_is_refused_even_without_a_lock(owner: Any) -> None:
    order = make_order(owner, now=NOW)
    stale = Order.objects.get(pk=order.pk)
    pay(order)()

    with pytest.raises(SubjectNotLocked), transaction.atomic():
        services.update_payment_totals(order=stale, paid_amount=1, payment_live_until=None, actor=SYSTEM, now=NOW)

    order.refresh_from_db()
    assert (order.status, order.paid_amount) == ("confirmed", order.total_amount)


class TestUnpaidOrders:
    """Orders that one customer places at once, each with a key of its own."""

    @pytest.fixture(autouse=True)
    def _limit(self, settings: Any) -> None:
        settings.MAX_UNPAID_ORDERS_PER_CUSTOMER = 5

    def test_5_of_20_concurrent_requests_are_placed(self, owner: Any, client_of: Callable[[Any], APIClient]) -> None:
        address = make_address(owner)
        variants = [make_variant(stock=9) for _ in range(20)]
        make_registration()

        def post(number: int) -> Callable[[], Any]:
            client = client_of(owner)
            body = {
                "lines": [{"variant_id": variants[number].public_id, "quantity": 1}],
                "shipping_address_id": address.public_id,
            }
            headers = {"Idempotency-Key": f"key-of-order-{number}"}
            return lambda: client.post("/api/v1/orders", body, format="json", headers=headers)

        answers = run_together(*(post(number) for number in range(20)))

        codes = Counter((answer.status_code, answer.json().get("error", {}).get("code")) for answer in answers)
        assert codes == {(201, None): 5, (409, "too_many_unpaid_orders"): 15}
        assert Order.objects.filter(customer=owner, status="pending_payment").count() == 5
        assert Reservation.objects.count() == 5
        assert Event.objects.filter(type="orders.order.placed").count() == 5
        check_invariants()

    def test_control_without_lock_all_requests_are_placed(self, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        address = make_address(owner)
        variants = [make_variant() for _ in range(7)]
        make_registration()
        all_have_counted = threading.Barrier(7)
        count = selectors.count_unpaid_orders

        def count_together(**wanted: Any) -> Any:
            counted = count(**wanted)
            all_have_counted.wait(timeout=60)
            return counted

        monkeypatch.setattr(selectors, "count_unpaid_orders", count_together)

        with without_lock("apps.accounts.locks.lock_user_to_change"):
            run_together(
                *(lambda variant=variant: make_order(owner, [variant], address=address) for variant in variants)
            )

        assert Order.objects.filter(customer=owner, status="pending_payment").count() == 7
