from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from apps.catalog import selectors, services, sql
from apps.catalog.models import (
    MAIN_LOCATION_ID,
    CategoryNotFound,
    Location,
    Product,
    Reservation,
    StockLevel,
    StockMovement,
    Variant,
    VariantNotFound,
)
from apps.catalog.services import ReservationInput
from apps.catalog.states import MovementKind, ReservationStatus
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.states import InvalidTransition
from tests.factories.catalog import make_product, make_variant
from tests.support.stock import consume_all, plant_stock, stock_of

pytestmark = pytest.mark.django_db

NOBODY = UUID(int=0)


@pytest.fixture(autouse=True)
def _audited(reference_data: None) -> Any:
    yield
    found = audit.run(now=clock.now(), only=["INV-01", "INV-02", "INV-03", "INV-04", "CAT-01", "CAT-02"]).failing
    assert [(one.invariant.name, one.rows) for one in found] == []


def counts(variant: Variant) -> tuple[int, int]:
    stock = stock_of(variant)
    return stock.on_hand, stock.reserved


def statuses(references: Sequence[UUID]) -> list[str]:
    found = dict(Reservation.objects.filter(reference__in=references).values_list("reference", "status"))
    return [found[reference] for reference in references]


def reserve(*parts: tuple[Variant, int]) -> list[UUID]:
    inputs = [
        ReservationInput(variant_id=variant.pk, reference=uuid4(), quantity=quantity) for variant, quantity in parts
    ]
    services.reserve_stock(inputs=inputs, actor=SYSTEM, now=clock.now())
    return [one.reference for one in inputs]


def commit(references: Sequence[UUID]) -> None:
    services.commit_reservations(references=references, actor=SYSTEM, now=clock.now())


def release(references: Sequence[UUID], to: ReservationStatus = ReservationStatus.RELEASED) -> None:
    services.release_reservations(references=references, to=to, actor=SYSTEM, now=clock.now())


class TestReserveStock:
    def test_reserves_units_of_several_variants(self) -> None:
        shirt, shoe = make_variant(stock=5), make_variant(stock=3)

        references = reserve((shirt, 5), (shoe, 2))

        assert (counts(shirt), counts(shoe)) == ((5, 5), (3, 2))
        assert statuses(references) == ["held", "held"]

    def test_sums_lines_of_one_variant(self) -> None:
        shirt = make_variant(stock=5)

        reserve((shirt, 2), (shirt, 3))

        assert counts(shirt) == (5, 5)

    def test_insufficient_stock_reserves_nothing_and_names_the_line(self) -> None:
        shirt, shoe = make_variant(stock=5), make_variant(stock=3)
        reserve((shoe, 1))

        with pytest.raises(services.InsufficientStock) as refused:
            reserve((shirt, 1), (shoe, 2), (shoe, 1))

        assert refused.value.param == "lines[1].quantity"
        assert refused.value.text == "Only 2 units of this item are left."
        assert refused.value.details == [{"variant_id": shoe.public_id, "requested": 3, "available": 2}]
        assert (counts(shirt), counts(shoe)) == ((5, 0), (3, 1))
        assert Reservation.objects.count() == 1

    def test_variant_without_stock_row_is_refused(self) -> None:
        with pytest.raises(services.InsufficientStock) as refused:
            services.reserve_stock(inputs=[ReservationInput(uuid4(), uuid4(), 1)], actor=SYSTEM, now=clock.now())

        assert refused.value.details[0]["available"] == 0

    def test_query_count_is_constant(self, count_queries: Any) -> None:
        one, many = make_variant(), [make_variant() for _ in range(10)]

        with count_queries() as few:
            reserve((one, 1))
        with count_queries() as more:
            reserve(*[(variant, 1) for variant in many])

        assert len(few) == len(more) == 5  # savepoint, lock, insert, update, release


class TestReservationTransitions:
    def test_commit_keeps_units_reserved(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2))

        commit(references)

        assert (counts(shirt), statuses(references)) == ((5, 2), ["committed"])

    @pytest.mark.parametrize("to", [ReservationStatus.RELEASED, ReservationStatus.EXPIRED])
    def test_release_frees_units(self, to: ReservationStatus) -> None:
        shirt, shoe = make_variant(stock=5), make_variant(stock=5)
        references = reserve((shirt, 2), (shoe, 1), (shirt, 1))

        release(references, to)

        assert (counts(shirt), counts(shoe)) == ((5, 0), (5, 0))
        assert set(statuses(references)) == {to}

    def test_committed_units_can_be_released_but_not_expire(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2))
        commit(references)

        with pytest.raises(InvalidTransition):
            release(references, ReservationStatus.EXPIRED)
        assert (counts(shirt), statuses(references)) == ((5, 2), ["committed"])

        release(references)
        assert (counts(shirt), statuses(references)) == ((5, 0), ["released"])

    def test_release_happens_once(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2))
        release(references)

        with pytest.raises(InvalidTransition):
            release(references)
        with pytest.raises(InvalidTransition):
            commit(references)

        assert counts(shirt) == (5, 0)

    def test_release_accepts_released_or_expired_only(self) -> None:
        references = reserve((make_variant(), 1))

        with pytest.raises(ValueError, match="released"):
            release(references, ReservationStatus.COMMITTED)

    def test_unknown_reservation_is_not_found(self) -> None:
        references = reserve((make_variant(), 1))

        for call in (commit, release):
            with pytest.raises(services.ReservationNotFound):
                call([*references, NOBODY])

        assert statuses(references) == ["held"]

    def test_consume_happens_once(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2), (shirt, 1))
        commit(references)

        consume_all(references)

        assert counts(shirt) == (2, 0)
        assert sorted(
            StockMovement.objects.filter(kind=MovementKind.DISPATCH).values_list("quantity_milli", flat=True)
        ) == [
            -2_000,
            -1_000,
        ]
        with pytest.raises(InvalidTransition):
            consume_all(references)
        assert counts(shirt) == (2, 0)

    def test_uncommitted_units_cannot_be_consumed(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2))

        with pytest.raises(InvalidTransition):
            consume_all(references)

        assert counts(shirt) == (5, 2)


class TestReviveReservations:
    @pytest.mark.parametrize("to", [ReservationStatus.RELEASED, ReservationStatus.EXPIRED])
    def test_commits_released_units(self, to: ReservationStatus) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2), (shirt, 1))
        release(references, to)

        services.revive_reservations(references=references, actor=SYSTEM, now=clock.now())

        assert (counts(shirt), statuses(references)) == ((5, 3), ["committed", "committed"])

    def test_commits_held_units_and_keeps_committed_ones(self) -> None:
        shirt = make_variant(stock=5)
        references = reserve((shirt, 2), (shirt, 1))
        commit(references[:1])

        services.revive_reservations(references=references, actor=SYSTEM, now=clock.now())

        assert (counts(shirt), statuses(references)) == ((5, 3), ["committed", "committed"])

    def test_insufficient_stock_changes_nothing(self) -> None:
        shirt, shoe = make_variant(stock=5), make_variant(stock=2)
        references = reserve((shirt, 2), (shoe, 2))
        release(references, ReservationStatus.EXPIRED)
        reserve((shoe, 1))

        with pytest.raises(services.InsufficientStock) as refused:
            services.revive_reservations(references=references, actor=SYSTEM, now=clock.now())

        assert refused.value.details == [{"variant_id": shoe.public_id, "requested": 2, "available": 1}]
        assert (counts(shirt), counts(shoe)) == ((5, 0), (2, 1))
        assert statuses(references) == ["expired", "expired"]

    def test_consumed_reservation_is_refused(self) -> None:
        references = reserve((make_variant(stock=5), 1))
        commit(references)
        consume_all(references)

        with pytest.raises(InvalidTransition):
            services.revive_reservations(references=references, actor=SYSTEM, now=clock.now())


class TestAdjustStock:
    def adjust(self, variant: Variant, quantity: int, kind: MovementKind = MovementKind.ADJUSTMENT) -> StockMovement:
        return services.adjust_stock(
            variant_id=variant.pk, quantity=quantity, kind=kind, reason="counted", actor=SYSTEM, now=clock.now()
        )

    def test_writes_movement_and_event(self) -> None:
        shirt = make_variant(stock=5)

        movement = self.adjust(shirt, 7, MovementKind.RECEIPT)

        assert counts(shirt) == (12, 0)
        assert (movement.kind, movement.quantity, movement.reason, movement.actor) == (
            "receipt", 7, "counted", "system",
        )  # fmt: skip
        event = Event.objects.get(subject_id=shirt.pk)
        assert (event.type, event.changes, event.reason) == (
            "catalog.variant.stock_adjusted", {"location_id": str(MAIN_LOCATION_ID), "on_hand_milli": 12_000}, "counted",
        )  # fmt: skip

    def test_cannot_remove_reserved_units(self) -> None:
        shirt = make_variant(stock=5)
        reserve((shirt, 3))

        with pytest.raises(services.StockReserved):
            self.adjust(shirt, -3)
        assert counts(shirt) == (5, 3)
        assert not Event.objects.exists()

        self.adjust(shirt, -2)
        assert counts(shirt) == (3, 3)

    @pytest.mark.parametrize(
        ("quantity", "kind"),
        [
            (0, MovementKind.ADJUSTMENT),
            (-1, MovementKind.RECEIPT),
            (1, MovementKind.DISPATCH),
            (1, MovementKind.RETURN),
        ],
    )
    def test_zero_quantity_and_other_kinds_are_refused(self, quantity: int, kind: MovementKind) -> None:
        shirt = make_variant(stock=5)

        with pytest.raises(services.InvalidStockQuantity):
            self.adjust(shirt, quantity, kind)

        assert counts(shirt) == (5, 0)

    def test_unknown_variant_is_not_found(self) -> None:
        with pytest.raises(VariantNotFound):
            services.adjust_stock(variant_id=NOBODY, quantity=1, reason="x", actor=SYSTEM, now=clock.now())


class TestProducts:
    def variant_of(self, product: Product, **fields: Any) -> Variant:
        values = {"sku": "A-1", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900, **fields}
        return services.create_variant(product_id=product.pk, **values, actor=SYSTEM, now=clock.now())

    def product(self, **fields: Any) -> Product:
        category = services.create_category(name="Kurtas & more", actor=SYSTEM, now=clock.now())
        values = {"category_id": category.pk, "name": "Cotton Kurta", "brand": "Vastrika", **fields}
        return services.create_product(**values, actor=SYSTEM, now=clock.now())

    def test_create_product_sets_slug_and_records_event(self) -> None:
        product = self.product()

        assert (product.slug, product.category.slug, product.version) == ("vastrika-cotton-kurta", "kurtas-more", 1)
        event = Event.objects.get(subject_id=product.pk)
        assert event.type == "catalog.product.created"
        assert event.changes["name"] == "Cotton Kurta"

    def test_two_products_of_one_name_get_two_slugs(self) -> None:
        first = self.product()
        second = services.create_product(
            category_id=first.category_id, name="Cotton Kurta", brand="Vastrika", actor=SYSTEM, now=clock.now()
        )

        assert second.slug.startswith("vastrika-cotton-kurta-")

    def test_slug_must_be_unique(self) -> None:
        first = self.product(slug="kurta")

        with pytest.raises(services.SlugTaken):
            services.create_product(
                category_id=first.category_id, name="Other", slug="kurta", actor=SYSTEM, now=clock.now()
            )

        assert Product.objects.count() == 1
        assert Event.objects.count() == 1

    def test_requires_existing_category(self) -> None:
        with pytest.raises(CategoryNotFound):
            services.create_product(category_id=NOBODY, name="x", actor=SYSTEM, now=clock.now())

    def test_a_name_in_another_script_gets_a_slug_too(self) -> None:
        assert self.product(name="कुर्ता", brand="").slug.startswith("product-")

    def test_create_variant_adds_stock_row_and_sets_lowest_price(self) -> None:
        product = self.product()

        dear = self.variant_of(product)
        self.variant_of(product, sku="A-2", price=39_900)

        product.refresh_from_db()
        assert product.lowest_price == 39_900
        assert counts(dear) == (0, 0)
        assert [event.type for event in Event.objects.filter(subject_id=product.pk).order_by("version")] == [
            "catalog.product.created", "catalog.product.updated", "catalog.product.updated",
        ]  # fmt: skip

    def test_the_lowest_price_follows_prices_and_what_is_active(self) -> None:
        product = self.product()
        dear = self.variant_of(product)
        cheap = self.variant_of(product, sku="A-2", price=39_900)

        def change(variant: Variant, **changes: Any) -> int:
            services.update_variant(variant_id=variant.pk, changes=changes, actor=SYSTEM, now=clock.now())
            product.refresh_from_db()
            return product.lowest_price

        assert change(dear, price=29_900) == 29_900
        assert change(dear, is_active=False) == 39_900
        assert change(cheap, is_active=False) == 0

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"hsn": "12"}, services.InvalidHsn),
            ({"hsn": "77010000"}, services.InvalidHsn),
            ({"tax_class": "luxury"}, services.UnknownTaxClass),
            ({"sku": "TAKEN"}, services.SkuTaken),
        ],
    )
    def test_a_variant_that_cannot_be_sold_is_refused(self, fields: dict[str, Any], error: type[Exception]) -> None:
        product = self.product()
        good = self.variant_of(product, sku="TAKEN")
        events = Event.objects.count()

        with pytest.raises(error):
            self.variant_of(product, **fields)
        with pytest.raises(error):
            other = make_variant(product=product)
            Product.objects.filter(pk=product.pk).update(lowest_price=good.price)
            services.update_variant(variant_id=other.pk, changes=fields, actor=SYSTEM, now=clock.now())

        assert Event.objects.count() == events

    def test_unchanged_values_record_no_event(self) -> None:
        product = self.product()
        variant = self.variant_of(product)
        events = Event.objects.count()

        services.update_product(product_id=product.pk, changes={"name": product.name}, actor=SYSTEM, now=clock.now())
        services.update_variant(variant_id=variant.pk, changes={"price": 49_900}, actor=SYSTEM, now=clock.now())

        assert Event.objects.count() == events

    def test_event_has_the_new_values(self) -> None:
        product = self.product()

        services.update_product(
            product_id=product.pk, changes={"brand": "Suti", "name": product.name}, actor=SYSTEM, now=clock.now()
        )

        assert Event.objects.get(subject_id=product.pk, version=2).changes == {"brand": "Suti"}

    def test_columns_that_are_not_editable_are_not_edited(self) -> None:
        product = self.product()

        services.update_product(
            product_id=product.pk, changes={"lowest_price": 1, "version": 9}, actor=SYSTEM, now=clock.now()
        )

        product.refresh_from_db()
        assert (product.lowest_price, product.version) == (0, 1)

    def test_unknown_category_is_not_found(self) -> None:
        product = self.product()

        with pytest.raises(CategoryNotFound):
            services.update_product(
                product_id=product.pk, changes={"category_id": NOBODY}, actor=SYSTEM, now=clock.now()
            )

    def test_two_categories_do_not_share_a_name(self) -> None:
        first = services.create_category(name="Tea", actor=SYSTEM, now=clock.now())
        other = services.create_category(name="Coffee", actor=SYSTEM, now=clock.now())

        with pytest.raises(services.SlugTaken):
            services.create_category(name="Tea", actor=SYSTEM, now=clock.now())
        with pytest.raises(services.SlugTaken):
            services.update_category(category_id=other.pk, changes={"slug": "tea"}, actor=SYSTEM, now=clock.now())

        services.update_category(category_id=first.pk, changes={"position": 7}, actor=SYSTEM, now=clock.now())
        assert list(selectors.list_categories().values_list("name", "position")) == [("Coffee", 0), ("Tea", 7)]


class TestStockOfSeveralLocations:
    """Only the main location takes orders; the counts that people read are those of all locations."""

    @pytest.fixture
    def shirt(self) -> Variant:
        variant = make_variant(stock=2)
        shop = Location.objects.create(code="shop", name="Shop in Pune")
        StockLevel.objects.create(variant=variant, location=shop, on_hand_milli=5_000)
        StockMovement.objects.create(
            variant=variant,
            location=shop,
            kind=MovementKind.RECEIPT,
            quantity_milli=5_000,
            reason="moved",
            actor="system",
        )
        return variant

    def test_counts_are_summed_over_locations(self, shirt: Variant) -> None:
        reserve((shirt, 1))

        found = selectors.get_stock_counts(shirt.pk)

        assert (found.on_hand, found.reserved, found.available) == (7, 1, 6)

    def test_adjustment_changes_the_main_location_alone(self, shirt: Variant) -> None:
        services.adjust_stock(variant_id=shirt.pk, quantity=-1, reason="broken", actor=SYSTEM, now=clock.now())

        levels = StockLevel.objects.filter(variant=shirt).order_by("on_hand_milli")
        assert [(level.location.code, level.counts.on_hand) for level in levels] == [("main", 1), ("shop", 5)]

    def test_a_stock_level_that_does_not_exist_is_not_changed_in_silence(self, shirt: Variant) -> None:
        with pytest.raises(LookupError, match="a stock level that is to change does not exist"):
            sql.update_stock_counts(on_hand={(shirt.pk, NOBODY): 1_000}, now=clock.now())

    def test_units_of_another_location_are_not_reserved_with_those_of_the_main_one(self, shirt: Variant) -> None:
        with pytest.raises(services.InsufficientStock) as refused:
            reserve((shirt, 3))

        assert refused.value.details[0]["available"] == 2
        assert selectors.get_stock_counts(shirt.pk).reserved == 0
        assert Reservation.objects.count() == 0


class TestListSaleableVariants:
    def test_lists_active_variants_of_published_products(self) -> None:
        good, inactive = make_variant(), make_variant(is_active=False)
        Product.objects.filter(pk=inactive.product_id).update(lowest_price=0)
        hidden = make_variant(product=make_product(is_published=False))

        found = selectors.list_saleable_variants([good.pk, inactive.pk, hidden.pk, NOBODY])

        assert list(found) == [good.pk]

    def test_comes_with_product_and_stock_in_one_query(self, count_queries: Any) -> None:
        variants = [make_variant(stock=7) for _ in range(5)]

        with count_queries() as queries:
            found = selectors.list_saleable_variants([variant.pk for variant in variants])
            assert {variant.stock_counts.available for variant in found.values()} == {7}
            assert all(variant.product.name for variant in found.values())

        assert len(queries) == 1


@pytest.mark.parametrize("column", ["on_hand_milli", "reserved_milli"])
def test_the_database_itself_refuses_parts_of_a_unit(column: str) -> None:
    make_variant(stock=5)

    with pytest.raises(IntegrityError, match="stock_is_whole_units"), transaction.atomic():
        StockLevel.objects.update(**{column: 1_500})


def test_the_database_itself_refuses_an_oversell() -> None:
    shirt = make_variant(stock=1)

    with pytest.raises(IntegrityError), transaction.atomic():
        plant_stock(shirt, reserved=2)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_stocklevel SET on_hand_milli = -1")
