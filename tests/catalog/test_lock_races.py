"""Two members of staff at the same moment, each race with its control."""

from typing import Any

import pytest

from apps.catalog import services
from apps.catalog.models import Category, Product, StockMovement
from apps.core import clock
from apps.core.events import SYSTEM
from tests.factories.catalog import make_product, make_variant
from tests.support.lock_controls import run_amid, with_control
from tests.support.stock import stock_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


def kinds(results: list[Any]) -> list[str]:
    return [type(result).__name__ for result in results]


@with_control
def test_of_two_changes_of_a_category_the_later_one_stands_whole(is_locked: bool) -> None:
    category = Category.objects.create(name="Shirts", slug="shirts", position=1)

    def change(name: str, position: int) -> Any:
        changes = {"name": name, "position": position}
        return services.update_category(category_id=category.pk, changes=changes, actor=SYSTEM, now=clock.now())

    run_amid(
        "apps.catalog.locks.lock_category",
        lambda: change("Shirts", 2),
        lambda: change("Kurtas", 3),
        is_locked=is_locked,
    )

    category.refresh_from_db()
    # Without the lock the first one takes its name for unchanged, and leaves that of the second one.
    assert (category.name, category.position) == (("Kurtas", 3) if is_locked else ("Kurtas", 2))


@with_control
def test_two_changes_of_a_product_are_both_made(is_locked: bool) -> None:
    product = make_product()

    def change(**changes: str) -> Any:
        return services.update_product(product_id=product.pk, changes=changes, actor=SYSTEM, now=clock.now())

    results = run_amid(
        "apps.catalog.locks.lock_product",
        lambda: change(description="Of cotton."),
        lambda: change(brand="Asha"),
        is_locked=is_locked,
    )

    assert kinds(results) == (["Product", "Product"] if is_locked else ["SubjectNotLocked", "Product"])


@with_control
def test_two_prices_of_one_product_end_with_its_lowest(is_locked: bool) -> None:
    product = make_product()
    kurta, tea = make_variant(product=product, price=50_000), make_variant(product=product, price=50_000)

    def change(variant: Any, price: int) -> Any:
        return services.update_variant(variant_id=variant.pk, changes={"price": price}, actor=SYSTEM, now=clock.now())

    results = run_amid(
        "apps.catalog.locks.lock_product_of",
        lambda: change(kurta, 40_000),
        lambda: change(tea, 30_000),
        is_locked=is_locked,
    )

    # Without the lock the first one would write a lowest price that it computed of what was there before; its version refuses it.
    assert kinds(results) == (["Variant", "Variant"] if is_locked else ["SubjectNotLocked", "Variant"])
    assert Product.objects.get().lowest_price == 30_000


@with_control
def test_two_adjustments_of_one_stock_are_both_made(is_locked: bool) -> None:
    variant = make_variant(stock=10)

    def adjust(quantity: int) -> Any:
        return services.adjust_stock(
            variant_id=variant.pk, quantity=quantity, reason="counted", actor=SYSTEM, now=clock.now()
        )

    results = run_amid("apps.catalog.locks.lock_variant", lambda: adjust(-1), lambda: adjust(5), is_locked=is_locked)

    assert kinds(results) == ([StockMovement.__name__] * 2 if is_locked else ["SubjectNotLocked", "StockMovement"])
    assert stock_of(variant).on_hand == (14 if is_locked else 15)
