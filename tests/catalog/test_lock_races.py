"""Two members of staff at the same moment, each race with its control."""

import threading
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from apps.catalog import events, locks, services
from apps.catalog.models import Category, Product
from apps.catalog.services.reservations import ReservationInput
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.transactions import atomic
from tests.factories.catalog import make_product, make_variant
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.lock_controls import run_amid, with_control, without_lock
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

    run_amid("apps.catalog.locks.lock_stock", lambda: adjust(-1), lambda: adjust(5), is_locked=is_locked)

    assert stock_of(variant).on_hand == 14
    # Without the lock the first one records what there would be if the second had brought nothing.
    recorded = Event.objects.filter(type=events.STOCK_ADJUSTED).order_by("version")
    assert [event.changes["on_hand_milli"] for event in recorded] == ([9_000, 14_000] if is_locked else [15_000, 9_000])


@with_control
def test_a_variant_that_is_sold_out_while_it_is_withdrawn_is_counted_once(is_locked: bool) -> None:
    variant = make_variant(stock=1)

    def withdraw() -> Any:
        changes = {"is_active": False}
        return services.update_variant(variant_id=variant.pk, changes=changes, actor=SYSTEM, now=clock.now())

    def sell_out() -> None:
        wanted = [ReservationInput(variant.pk, uuid4(), 1)]
        services.reserve_stock(inputs=wanted, actor=SYSTEM, now=clock.now())
        connection.close()

    sale = threading.Thread(target=sell_out)
    with nullcontext() if is_locked else without_lock("apps.catalog.locks.lock_stock_of"):
        with atomic():
            withdraw()
            sale.start()
            wait_for_a_blocked_session()
        sale.join()

    product = Product.objects.get()
    # Without the lock the sale, which does not know yet that the variant is withdrawn, takes it off the count once more.
    assert (product.active_variant_count, product.levels_in_stock_count) == (0, 0 if is_locked else -1)


def test_two_orders_that_sell_out_the_same_products_do_not_wait_for_each_other() -> None:
    """Through different variants, in opposite orders, with a product in the middle that somebody else holds until both are amid it."""
    products = [make_product() for _ in range(3)]
    forth = [make_variant(product=product, stock=1) for product in products]
    back = [make_variant(product=product, stock=1) for product in reversed(products)]
    results: list[Any] = []

    def sell_out(variants: list[Any]) -> None:
        try:
            wanted = [ReservationInput(variant.pk, uuid4(), 1) for variant in variants]
            results.append(services.reserve_stock(inputs=wanted, actor=SYSTEM, now=clock.now()))
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=sell_out, args=(variants,)) for variants in (forth, back)]
    with atomic():
        locks.lock_product(products[1].pk)
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_for_a_blocked_session(count=number)
    for thread in threads:
        thread.join()

    assert kinds(results) == ["list", "list"]
    assert [product.levels_in_stock_count for product in Product.objects.all()] == [0, 0, 0]
