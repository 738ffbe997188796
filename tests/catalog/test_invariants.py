from uuid import uuid4

import pgtrigger
import pytest
from django.db import connection

from apps.catalog import services
from apps.catalog.models import Product, Reservation, StockItem, StockMovement, Variant
from apps.catalog.services import ReservationInput
from apps.catalog.states import MovementKind, ReservationStatus
from apps.core import audit, clock
from apps.core.events import SYSTEM
from tests.factories.catalog import make_variant

pytestmark = pytest.mark.django_db


def violations(invariant: str) -> list[dict[str, object]]:
    [result] = audit.run(now=clock.now(), only=[invariant]).results
    assert not result.error
    return result.rows


def drop_constraint(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the end would forbid to alter the table
        cursor.execute(f"ALTER TABLE catalog_stockitem DROP CONSTRAINT {name}")


@pytest.fixture
def shirt() -> Variant:
    variant = make_variant(stock=10)
    services.reserve_stock(inputs=[ReservationInput(variant.pk, uuid4(), 2)], actor=SYSTEM, now=clock.now())
    for invariant in ("INV-01", "INV-02", "INV-03", "INV-04", "CAT-01"):
        assert violations(invariant) == []
    return variant


class TestInvariants:
    def test_finds_oversold_stock(self, shirt: Variant) -> None:
        drop_constraint("stock_not_oversold")
        StockItem.objects.filter(pk=shirt.pk).update(reserved=11)

        assert [row["sku"] for row in violations("INV-01")] == [shirt.sku]

    def test_finds_negative_stock(self, shirt: Variant) -> None:
        drop_constraint("stock_not_oversold")
        drop_constraint("stock_on_hand_not_negative")
        StockItem.objects.filter(pk=shirt.pk).update(on_hand=-1, reserved=0)

        assert [row["variant_id"] for row in violations("stock_is_never_oversold")] == [shirt.pk]

    def test_finds_variant_without_stock_row(self, shirt: Variant) -> None:
        StockItem.objects.filter(pk=shirt.pk).delete()

        assert [row["variant_id"] for row in violations("INV-01")] == [shirt.pk]
        assert [row["variant_id"] for row in violations("INV-02")] == [shirt.pk]

    def test_finds_stock_without_movement(self, shirt: Variant) -> None:
        StockItem.objects.filter(pk=shirt.pk).update(on_hand=11)

        assert violations("INV-02") == [{"variant_id": shirt.pk, "on_hand": 11, "moved": 10}]

    def test_finds_altered_movement(self, shirt: Variant) -> None:
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(variant=shirt).update(quantity=9)

        assert violations("stock_is_the_sum_of_its_movements") == [{"variant_id": shirt.pk, "on_hand": 10, "moved": 9}]

    def test_finds_reserved_units_without_reservation(self, shirt: Variant) -> None:
        Reservation.objects.update(status=ReservationStatus.EXPIRED)

        assert violations("INV-03") == [{"variant_id": shirt.pk, "reserved": 2, "live": 0}]

    def test_finds_reservation_that_is_not_counted(self, shirt: Variant) -> None:
        Reservation.objects.create(variant=shirt, reference=uuid4(), quantity=3, status=ReservationStatus.COMMITTED)

        assert violations("reserved_is_the_sum_of_active_reservations") == [
            {"variant_id": shirt.pk, "reserved": 2, "live": 5}
        ]

    def test_finds_dispatch_without_consumed_reservation(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        StockMovement.objects.create(
            variant=shirt, kind=MovementKind.DISPATCH, quantity=-2, reference=reservation.reference, actor="x"
        )

        assert [row["reservation_id"] for row in violations("INV-04")] == [reservation.pk]

    def test_finds_consumed_reservation_without_dispatch(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        Reservation.objects.update(status=ReservationStatus.CONSUMED)

        assert [row["reservation_id"] for row in violations("consumed_reservations_match_dispatches")] == [
            reservation.pk
        ]

    def test_finds_dispatch_of_wrong_quantity(self, shirt: Variant) -> None:
        reservation = Reservation.objects.get()
        services.commit_reservations(references=[reservation.reference], actor=SYSTEM, now=clock.now())
        services.consume_reservations(references=[reservation.reference], actor=SYSTEM, now=clock.now())
        assert violations("INV-04") == []
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(kind=MovementKind.DISPATCH).update(quantity=-1)

        assert [row["moved"] for row in violations("INV-04")] == [-1]

    def test_finds_dispatch_without_reservation(self, shirt: Variant) -> None:
        StockMovement.objects.create(
            variant=shirt, kind=MovementKind.DISPATCH, quantity=-1, reference=uuid4(), actor="x"
        )

        assert [row["moved"] for row in violations("INV-04")] == [-1]

    def test_finds_wrong_lowest_price(self, shirt: Variant) -> None:
        Product.objects.update(lowest_price=1)

        assert violations("CAT-01") == [{"product_id": shirt.product_id, "lowest_price": 1, "found": shirt.price}]
