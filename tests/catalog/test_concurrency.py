"""Buyers who want the same goods at the same moment. Each race has its control: without the guard it goes wrong."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from apps.catalog import locks, services
from apps.catalog.models import Reservation, StockLevel, Variant
from apps.catalog.services import InsufficientStock, ReservationInput
from apps.catalog.sql import StockKey
from apps.catalog.states import ReservationStatus
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.quantities import to_units
from apps.core.states import InvalidTransition
from tests.factories.catalog import make_variant
from tests.support.lock_controls import without_lock
from tests.support.stock import plant_stock, stock_of
from tests.support.threads import run_in_turn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

BUYERS, UNITS, THREADS = 200, 50, 20


def reserve(*parts: tuple[Variant, int]) -> str:
    inputs = [
        ReservationInput(variant_id=variant.pk, reference=uuid4(), quantity=quantity) for variant, quantity in parts
    ]
    try:
        services.reserve_stock(inputs=inputs, actor=SYSTEM, now=clock.now())
    except InsufficientStock:
        return "sold out"
    except Exception as error:
        return type(error).__name__
    return "held"


def reserved_units(variant: Variant) -> int:
    live = Reservation.objects.filter(variant=variant, status__in=["held", "committed"])
    return to_units(live.aggregate(total=Sum("quantity_milli"))["total"] or 0)


def violated() -> set[str]:
    report = audit.run(now=clock.now(), only=["INV-01", "INV-02", "INV-03", "INV-04"])
    return {result.invariant.id for result in report.failing}


@contextmanager
def without_check() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_stocklevel DROP CONSTRAINT stock_not_oversold")
    try:
        yield
    finally:
        plant_stock(reserved=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE catalog_stocklevel ADD CONSTRAINT stock_not_oversold"
                " CHECK (reserved_milli >= 0 AND reserved_milli <= on_hand_milli)"
            )


class TestConcurrentReservations:
    def race(self, variant: Variant) -> list[str]:
        return run_in_turn([lambda: reserve((variant, 1))] * BUYERS, threads=THREADS)

    def test_200_buyers_get_exactly_50_units(self) -> None:
        variant = make_variant(stock=UNITS)

        results = self.race(variant)

        assert (results.count("held"), results.count("sold out")) == (UNITS, BUYERS - UNITS)
        assert stock_of(variant).reserved == reserved_units(variant) == UNITS
        assert violated() == set()

    def test_check_constraint_alone_prevents_oversell(self) -> None:
        variant = make_variant(stock=UNITS)

        with without_lock("apps.catalog.locks.lock_stock"):
            results = self.race(variant)

        assert set(results) <= {"held", "sold out", "IntegrityError"}
        assert results.count("held") == reserved_units(variant) == stock_of(variant).reserved == UNITS
        assert violated() == set()

    def test_control_without_lock_and_check_oversells(self) -> None:
        variant = make_variant(stock=1)

        with without_check(), without_lock("apps.catalog.locks.lock_stock", meet=2):
            results = run_in_turn([lambda: reserve((variant, 1))] * 2, threads=2)

            assert results == ["held", "held"]
            assert reserved_units(variant) == 2
            assert "INV-01" in violated()


class TestLockOrder:
    def test_reservations_in_opposite_order_do_not_deadlock(self) -> None:
        shirt, shoe = make_variant(stock=1_000), make_variant(stock=1_000)
        there, back = [(shirt, 1), (shoe, 1)], [(shoe, 1), (shirt, 1)]

        calls = [lambda: reserve(*there), lambda: reserve(*back)] * 50
        results = run_in_turn(calls, threads=10)

        assert set(results) == {"held"}
        assert (reserved_units(shirt), reserved_units(shoe)) == (100, 100)
        assert violated() == set()

    def test_control_locking_in_line_order_deadlocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shirt, shoe = make_variant(stock=10), make_variant(stock=10)
        lock_in_key_order = locks.lock_stock
        barrier = threading.Barrier(2)

        def lock_in_given_order(keys: Any) -> dict[StockKey, StockLevel]:
            rows: dict[StockKey, StockLevel] = {}
            for number, key in enumerate(keys):
                rows |= lock_in_key_order([key])
                if number == 0:
                    barrier.wait(60)
            return rows

        monkeypatch.setattr(locks, "lock_stock", lock_in_given_order)
        results = run_in_turn(
            [lambda: reserve((shirt, 1), (shoe, 1)), lambda: reserve((shoe, 1), (shirt, 1))], threads=2
        )

        assert sorted(results) == ["OperationalError", "held"]


class TestCommitDuringExpiry:
    def race(self) -> tuple[list[str], Variant, Reservation]:
        variant = make_variant(stock=5)
        reference = uuid4()
        services.reserve_stock(inputs=[ReservationInput(variant.pk, reference, 2)], actor=SYSTEM, now=clock.now())

        def commit() -> str:
            return self.attempt(
                lambda: services.commit_reservations(references=[reference], actor=SYSTEM, now=clock.now())
            )

        def expire() -> str:
            return self.attempt(
                lambda: services.release_reservations(
                    references=[reference], to=ReservationStatus.EXPIRED, actor=SYSTEM, now=clock.now()
                )
            )

        results = run_in_turn([commit, expire], threads=2)
        return results, variant, Reservation.objects.get(reference=reference)

    def attempt(self, call: Callable[[], object]) -> str:
        try:
            call()
        except InvalidTransition:
            return "too late"
        except OperationalError as error:
            return str(error)
        return "done"

    def test_one_of_them_succeeds(self) -> None:
        for _ in range(20):
            results, variant, reservation = self.race()

            assert sorted(results) == ["done", "too late"]
            expected = 2 if reservation.status == "committed" else 0
            assert stock_of(variant).reserved == expected
        assert violated() == set()

    def test_control_without_lock_both_succeed(self) -> None:
        with without_lock("apps.catalog.locks.lock_reservations", meet=2):
            results, _, _ = self.race()

        assert results == ["done", "done"]


class TestConcurrentRevival:
    def test_one_of_two_orders_gets_the_last_unit(self) -> None:
        variant = make_variant(stock=1)
        references = [uuid4(), uuid4()]
        for reference in references:
            services.reserve_stock(inputs=[ReservationInput(variant.pk, reference, 1)], actor=SYSTEM, now=clock.now())
            services.release_reservations(
                references=[reference], to=ReservationStatus.EXPIRED, actor=SYSTEM, now=clock.now()
            )

        def revive(reference: UUID) -> str:
            try:
                services.revive_reservations(references=[reference], actor=SYSTEM, now=clock.now())
            except InsufficientStock:
                return "sold out"
            return "held"

        results = run_in_turn([lambda: revive(references[0]), lambda: revive(references[1])], threads=2)

        assert sorted(results) == ["held", "sold out"]
        assert violated() == set()


def test_rolled_back_reservation_releases_its_units() -> None:
    variant = make_variant(stock=1)

    with pytest.raises(RuntimeError), transaction.atomic():
        services.reserve_stock(inputs=[ReservationInput(variant.pk, uuid4(), 1)], actor=SYSTEM, now=clock.now())
        raise RuntimeError("the order could not be written")

    assert reserve((variant, 1)) == "held"
