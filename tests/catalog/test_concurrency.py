"""Buyers who want the same goods at the same moment. Each race has its control: without the guard it goes wrong."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum

from apps.catalog import locks, services
from apps.catalog.models import Reservation, StockItem, Variant
from apps.catalog.services import Hold, InsufficientStock
from apps.catalog.states import ReservationStatus
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.states import InvalidTransition
from tests.factories.catalog import make_variant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

BUYERS, UNITS, THREADS = 200, 50, 20


def hold(*parts: tuple[Variant, int]) -> str:
    holds = [Hold(variant_id=variant.pk, reference=uuid4(), quantity=quantity) for variant, quantity in parts]
    try:
        services.hold_stock(holds=holds, actor=SYSTEM, now=clock.now())
    except InsufficientStock:
        return "sold out"
    except Exception as error:
        return type(error).__name__
    return "held"


def together(calls: Sequence[Callable[[], Any]], *, threads: int) -> list[Any]:
    """Run calls on threads with connections of their own and return their results."""

    def on_thread(call: Callable[[], Any]) -> Any:
        return call()

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(on_thread, calls))
        # Each thread closes its own connection: the barrier makes every one take exactly one of these.
        barrier = threading.Barrier(threads)
        list(pool.map(lambda _: (barrier.wait(60), connection.close()), range(threads)))
    return results


def promised(variant: Variant) -> int:
    live = Reservation.objects.filter(variant=variant, status__in=["held", "committed"])
    return live.aggregate(total=Sum("quantity"))["total"] or 0


def violated() -> set[str]:
    report = audit.run(now=clock.now(), only=["INV-01", "INV-02", "INV-03", "INV-04"])
    return {result.invariant.id for result in report.failing}


def read_without_lock(variant_ids: Any) -> dict[UUID, StockItem]:
    return {row.pk: row for row in StockItem.objects.filter(pk__in=set(variant_ids))}


@contextmanager
def without_check() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE catalog_stockitem DROP CONSTRAINT stock_is_not_oversold")
    try:
        yield
    finally:
        StockItem.objects.update(reserved=0)
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE catalog_stockitem ADD CONSTRAINT stock_is_not_oversold"
                " CHECK (reserved >= 0 AND reserved <= on_hand)"
            )


class TestTwoHundredBuyersOfFiftyUnits:
    def race(self, variant: Variant) -> list[str]:
        return together([lambda: hold((variant, 1))] * BUYERS, threads=THREADS)

    def test_hold_exactly_fifty(self) -> None:
        variant = make_variant(stock=UNITS)

        results = self.race(variant)

        assert (results.count("held"), results.count("sold out")) == (UNITS, BUYERS - UNITS)
        assert StockItem.objects.get(pk=variant.pk).reserved == promised(variant) == UNITS
        assert violated() == set()

    def test_are_held_back_by_the_check_alone_if_nobody_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "lock_stock", read_without_lock)
        variant = make_variant(stock=UNITS)

        results = self.race(variant)

        assert set(results) <= {"held", "sold out", "IntegrityError"}
        assert results.count("held") == promised(variant) == StockItem.objects.get(pk=variant.pk).reserved == UNITS
        assert violated() == set()

    def test_buy_too_much_without_lock_and_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        variant = make_variant(stock=1)
        barrier = threading.Barrier(2)

        def read_together(variant_ids: Any) -> dict[UUID, StockItem]:
            rows = read_without_lock(variant_ids)
            barrier.wait(60)
            return rows

        monkeypatch.setattr(locks, "lock_stock", read_together)
        with without_check():
            results = together([lambda: hold((variant, 1))] * 2, threads=2)

            assert results == ["held", "held"]
            assert promised(variant) == 2
            assert "INV-01" in violated()


class TestBuyersOfTheSameGoodsInOppositeOrder:
    def test_wait_for_each_other_and_never_deadlock(self) -> None:
        shirt, shoe = make_variant(stock=1_000), make_variant(stock=1_000)
        there, back = [(shirt, 1), (shoe, 1)], [(shoe, 1), (shirt, 1)]

        calls = [lambda: hold(*there), lambda: hold(*back)] * 50
        results = together(calls, threads=10)

        assert set(results) == {"held"}
        assert (promised(shirt), promised(shoe)) == (100, 100)
        assert violated() == set()

    def test_deadlock_if_the_locks_follow_the_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shirt, shoe = make_variant(stock=10), make_variant(stock=10)
        lock_in_key_order = locks.lock_stock
        barrier = threading.Barrier(2)

        def lock_in_given_order(variant_ids: Any) -> dict[UUID, StockItem]:
            rows: dict[UUID, StockItem] = {}
            for number, variant_id in enumerate(variant_ids):
                rows |= lock_in_key_order([variant_id])
                if number == 0:
                    barrier.wait(60)
            return rows

        monkeypatch.setattr(locks, "lock_stock", lock_in_given_order)
        results = together([lambda: hold((shirt, 1), (shoe, 1)), lambda: hold((shoe, 1), (shirt, 1))], threads=2)

        assert sorted(results) == ["OperationalError", "held"]


class TestPaymentAgainstExpiry:
    def race(self) -> tuple[list[str], Variant, Reservation]:
        variant = make_variant(stock=5)
        reference = uuid4()
        services.hold_stock(holds=[Hold(variant.pk, reference, 2)], actor=SYSTEM, now=clock.now())

        def commit() -> str:
            return self.attempt(lambda: services.commit_holds(references=[reference], actor=SYSTEM, now=clock.now()))

        def expire() -> str:
            return self.attempt(
                lambda: services.release_holds(
                    references=[reference], to=ReservationStatus.EXPIRED, actor=SYSTEM, now=clock.now()
                )
            )

        results = together([commit, expire], threads=2)
        return results, variant, Reservation.objects.get(reference=reference)

    def attempt(self, call: Callable[[], object]) -> str:
        try:
            call()
        except InvalidTransition:
            return "too late"
        except OperationalError as error:
            return str(error)
        return "done"

    def test_has_one_winner(self) -> None:
        for _ in range(20):
            results, variant, reservation = self.race()

            assert sorted(results) == ["done", "too late"]
            expected = 2 if reservation.status == "committed" else 0
            assert StockItem.objects.get(pk=variant.pk).reserved == expected
        assert violated() == set()

    def test_has_two_without_the_lock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        barrier = threading.Barrier(2)

        def read_together(references: Any) -> list[Reservation]:
            rows = list(Reservation.objects.filter(reference__in=set(references)))
            barrier.wait(60)
            return rows

        monkeypatch.setattr(locks, "lock_reservations", read_together)
        results, _, _ = self.race()

        assert results == ["done", "done"]


class TestLateMoneyOfTwoOrdersForTheLastUnit:
    def test_revives_one_of_them(self) -> None:
        variant = make_variant(stock=1)
        references = [uuid4(), uuid4()]
        for reference in references:
            services.hold_stock(holds=[Hold(variant.pk, reference, 1)], actor=SYSTEM, now=clock.now())
            services.release_holds(references=[reference], to=ReservationStatus.EXPIRED, actor=SYSTEM, now=clock.now())

        def revive(reference: UUID) -> str:
            try:
                services.hold_again(references=[reference], actor=SYSTEM, now=clock.now())
            except InsufficientStock:
                return "sold out"
            return "held"

        results = together([lambda: revive(references[0]), lambda: revive(references[1])], threads=2)

        assert sorted(results) == ["held", "sold out"]
        assert violated() == set()


def test_a_hold_that_fails_later_gives_its_units_back() -> None:
    variant = make_variant(stock=1)

    with pytest.raises(RuntimeError), transaction.atomic():
        services.hold_stock(holds=[Hold(variant.pk, uuid4(), 1)], actor=SYSTEM, now=clock.now())
        raise RuntimeError("the order could not be written")

    assert hold((variant, 1)) == "held"
