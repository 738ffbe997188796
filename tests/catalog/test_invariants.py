from typing import Any
from uuid import uuid4

import pgtrigger
import pytest
from django.db import connection

from apps.catalog import services
from apps.catalog.models import MAIN_LOCATION_ID, Product, Reservation, StockLevel, StockMovement, Variant
from apps.catalog.services import ReservationInput
from apps.catalog.states import MovementKind, ReservationStatus
from apps.core import audit, clock
from apps.core.events import SYSTEM
from tests.factories.catalog import make_variant
from tests.support.stock import consume_all, plant_stock

pytestmark = pytest.mark.django_db


def violations(invariant: str) -> list[dict[str, object]]:
    [result] = audit.run(now=clock.now(), only=[invariant]).results
    assert not result.error
    return result.rows


def found(variant: Variant, **counts: int) -> dict[str, Any]:
    return {"variant_id": variant.pk, "location_id": MAIN_LOCATION_ID, **counts}


def drop_constraint(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the end would forbid to alter the table
        cursor.execute(f"ALTER TABLE catalog_stocklevel DROP CONSTRAINT {name}")


@pytest.fixture
def shirt() -> Variant:
    variant = make_variant(stock=10)
    services.reserve_stock(inputs=[ReservationInput(variant.pk, uuid4(), 2)], actor=SYSTEM, now=clock.now())
    for invariant in ("INV-01", "INV-02", "INV-03", "INV-04", "CAT-01", "CAT-02"):
        assert violations(invariant) == []
    return variant


class TestInvariants:
    def test_finds_oversold_stock(self, shirt: Variant) -> None:
        drop_constraint("stock_not_oversold")
        plant_stock(shirt, reserved=11)

        assert [row["sku"] for row in violations("INV-01")] == [shirt.sku]

    def test_finds_negative_stock(self, shirt: Variant) -> None:
        drop_constraint("stock_not_oversold")
        drop_constraint("stock_on_hand_not_negative")
        plant_stock(shirt, on_hand=-1, reserved=0)

        assert [row["variant_id"] for row in violations("stock_is_never_oversold")] == [shirt.pk]

    def test_finds_variant_without_stock_row(self, shirt: Variant) -> None:
        StockLevel.objects.filter(variant=shirt).delete()

        assert [row["variant_id"] for row in violations("INV-01")] == [shirt.pk]
        assert [row["variant_id"] for row in violations("INV-02")] == [shirt.pk]

    def test_finds_stock_without_movement(self, shirt: Variant) -> None:
        plant_stock(shirt, on_hand=11)

        assert violations("INV-02") == [found(shirt, on_hand_milli=11_000, moved=10_000)]

    def test_finds_altered_movement(self, shirt: Variant) -> None:
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(variant=shirt).update(quantity_milli=9_000)

        assert violations("stock_is_the_sum_of_its_movements") == [found(shirt, on_hand_milli=10_000, moved=9_000)]

    def test_finds_reserved_units_without_reservation(self, shirt: Variant) -> None:
        Reservation.objects.update(status=ReservationStatus.EXPIRED)

        assert violations("INV-03") == [found(shirt, reserved_milli=2_000, live=0)]

    def test_finds_reservation_that_is_not_counted(self, shirt: Variant) -> None:
        Reservation.objects.create(
            variant=shirt,
            reference=uuid4(),
            location_id=MAIN_LOCATION_ID,
            quantity_milli=3_000,
            status=ReservationStatus.COMMITTED,
        )

        assert violations("reserved_is_the_sum_of_active_reservations") == [
            found(shirt, reserved_milli=2_000, live=5_000)
        ]

    def test_finds_dispatch_without_consumed_reservation(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        StockMovement.objects.create(
            variant=shirt,
            location_id=MAIN_LOCATION_ID,
            kind=MovementKind.DISPATCH,
            quantity_milli=-2_000,
            reference=reservation.reference,
            actor="x",
        )

        assert [row["moved"] for row in violations("INV-04")] == [-2_000]

    def test_finds_consumed_reservation_without_dispatch(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        Reservation.objects.update(status=ReservationStatus.CONSUMED)

        assert [row["reservation_id"] for row in violations("consumed_reservations_match_dispatches")] == [
            reservation.pk
        ]

    def test_finds_dispatch_of_wrong_quantity(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        services.commit_reservations(references=[reservation.reference], actor=SYSTEM, now=clock.now())
        consume_all([reservation.reference])
        assert violations("INV-04") == []
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(kind=MovementKind.DISPATCH).update(quantity_milli=-1_000)

        assert [row["moved"] for row in violations("INV-04")] == [-1_000]

    def test_finds_dispatch_without_reservation(self, shirt: Variant) -> None:
        StockMovement.objects.create(
            variant=shirt,
            location_id=MAIN_LOCATION_ID,
            kind=MovementKind.DISPATCH,
            quantity_milli=-1_000,
            reference=uuid4(),
            actor="x",
        )

        assert [row["moved"] for row in violations("INV-04")] == [-1_000]

    def test_finds_wrong_lowest_price(self, shirt: Variant) -> None:
        Product.objects.update(lowest_price=1)

        assert violations("CAT-01") == [{"product_id": shirt.product_id, "lowest_price": 1, "found": shirt.price}]

    def test_finds_wrong_counts_of_a_product(self, shirt: Variant) -> None:
        Product.objects.update(active_variant_count=2)
        assert [(row["active_variant_count"], row["variants"]) for row in violations("CAT-02")] == [(2, 1)]

        Product.objects.update(active_variant_count=1, levels_in_stock_count=0)
        assert [(row["levels_in_stock_count"], row["levels"]) for row in violations("CAT-02")] == [(0, 1)]
