"""What buyers read of the catalogue is stored, and no change of it is hidden by what was stored."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.catalog import selectors, services
from apps.catalog.models import Product, Variant
from apps.catalog.services.reservations import ReservationInput
from apps.catalog.states import ReservationStatus
from apps.catalog.views import RESPONSES
from apps.core import clock
from apps.core.api import response_cache
from apps.core.events import SYSTEM
from apps.core.transactions import atomic
from tests.factories.catalog import make_product, make_variant

pytestmark = pytest.mark.django_db(transaction=True)

PATHS = ("/api/v1/products", "/api/v1/products?q=kurta", "/api/v1/categories")


@pytest.fixture(autouse=True)
def _cache_is_on(settings: Any, monkeypatch: pytest.MonkeyPatch, reference_data: None) -> None:
    settings.RESPONSE_CACHE_BYTES = 1_000_000
    monkeypatch.setattr(response_cache, "VERSION_SECONDS", 0.0)
    RESPONSES.local.clear()


@pytest.fixture
def variant() -> Variant:
    return make_variant(product=make_product(name="Kurta"), stock=3)


def reserve(variant: Variant, units: int) -> Any:
    reference = uuid4()
    services.reserve_stock(inputs=[ReservationInput(variant.pk, reference, units)], actor=SYSTEM, now=clock.now())
    return reference


def release(reference: Any) -> None:
    services.release_reservations(references=[reference], to=ReservationStatus.RELEASED, actor=SYSTEM, now=clock.now())


def adjust(variant: Variant, quantity: int) -> None:
    services.adjust_stock(variant_id=variant.pk, quantity=quantity, reason="counted", actor=SYSTEM, now=clock.now())


def update_variant(variant: Variant, **changes: Any) -> None:
    services.update_variant(variant_id=variant.pk, changes=changes, actor=SYSTEM, now=clock.now())


def update_product(variant: Variant, **changes: Any) -> None:
    services.update_product(product_id=variant.product_id, changes=changes, actor=SYSTEM, now=clock.now())


def rename_category(variant: Variant) -> None:
    services.update_category(
        category_id=variant.product.category_id, changes={"name": "Clothes"}, actor=SYSTEM, now=clock.now()
    )


def add_variant(variant: Variant) -> None:
    services.create_variant(
        product_id=variant.product_id,
        sku="NEW-1",
        hsn="6205",
        tax_class="gst_5",
        price=100,
        actor=SYSTEM,
        now=clock.now(),
    )


def add_product(variant: Variant) -> None:
    category_id = variant.product.category_id
    product = services.create_product(category_id=category_id, name="Kurti", actor=SYSTEM, now=clock.now())
    values = {"sku": "NEW-2", "hsn": "6205", "tax_class": "gst_5", "price": 100}
    services.create_variant(product_id=product.pk, **values, actor=SYSTEM, now=clock.now())


#: Every kind of change that buyers can see.
VISIBLE: dict[str, Callable[[Variant], Any]] = {
    "a product is renamed": lambda variant: update_product(variant, name="Kurta of cotton"),
    "a product is withdrawn": lambda variant: update_product(variant, is_published=False),
    "a product is added": add_product,
    "a price changes": lambda variant: update_variant(variant, price=10_000),
    "a variant is withdrawn": lambda variant: update_variant(variant, is_active=False),
    "a variant is added": add_variant,
    "a category is renamed": rename_category,
    "the last unit is reserved": lambda variant: reserve(variant, 3),
    "the last unit is taken out": lambda variant: adjust(variant, -3),
    "a row is changed past the services": lambda variant: Product.objects.update(brand="Asha"),
}


def read_all(client: Any, variant: Variant) -> dict[str, Any]:
    paths = (*PATHS, f"/api/v1/products/{variant.product.public_id}", f"/api/v1/variants/{variant.public_id}")
    return {
        path: response.content if response.status_code == 200 else response.json()["error"]["code"]
        for path in paths
        for response in [client.get(path)]
    }


@pytest.mark.parametrize("change", VISIBLE.values(), ids=VISIBLE)
def test_after_every_change_the_stored_responses_are_the_fresh_ones(
    anonymous: Any, variant: Variant, settings: Any, change: Callable[[Variant], Any]
) -> None:
    before = read_all(anonymous, variant)

    change(variant)

    after = read_all(anonymous, variant)
    settings.RESPONSE_CACHE_BYTES = 0
    assert after == read_all(anonymous, variant)
    assert after != before


def test_units_that_come_back_are_seen(anonymous: Any, variant: Variant) -> None:
    reference = reserve(variant, 3)
    path = f"/api/v1/products/{variant.product.public_id}"
    assert anonymous.get(path).json()["in_stock"] is False

    release(reference)

    assert anonymous.get(path).json()["in_stock"] is True


def test_an_order_that_leaves_units_raises_no_version(variant: Variant) -> None:
    before = selectors.get_catalog_version()

    release(reserve(variant, 2))

    assert selectors.get_catalog_version() == before


def test_a_transaction_raises_the_version_once_and_only_if_it_commits(variant: Variant) -> None:
    numbers = []
    before = selectors.get_catalog_version()
    with atomic():
        rename_category(variant)
        update_variant(variant, price=10_000)
        numbers.append(selectors.get_catalog_version())
    with pytest.raises(ZeroDivisionError), atomic():
        update_variant(variant, price=20_000)
        raise ZeroDivisionError
    after = selectors.get_catalog_version()

    assert numbers == [before]
    assert after > before


def test_the_version_rises_past_any_clock(variant: Variant) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE catalog_catalogversion SET number = %s", [2**62])

    update_variant(variant, price=10_000)

    assert selectors.get_catalog_version() == 2**62 + 1


def test_a_stored_response_is_the_whole_one_and_reads_the_version_alone(anonymous: Any, variant: Variant) -> None:
    paths = (*PATHS, f"/api/v1/products/{variant.product.public_id}", "/api/v1/products?limit=1&sort=price")
    for path in paths:
        first = anonymous.get(path)
        with CaptureQueriesContext(connection) as queries:
            second = anonymous.get(path)

        changing = {"X-Request-Id"}
        assert {k: v for k, v in first.headers.items() if k not in changing} == {
            k: v for k, v in second.headers.items() if k not in changing
        }
        assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)
        assert [query["sql"] for query in queries] == ["SELECT number FROM catalog_catalogversion"]


def test_staff_read_the_present_state(anonymous: Any, client_of: Any, administrator: Any, variant: Variant) -> None:
    path = f"/api/v1/products/{variant.product.public_id}"
    anonymous.get(path)

    [shown] = client_of(administrator).get(path).json()["variants"]

    assert shown["stock"] == {"on_hand": 3, "reserved": 0, "available": 3}
    assert "stock" not in anonymous.get(path).json()["variants"][0]


def test_refusals_are_not_stored(anonymous: Any) -> None:
    unknown = f"/api/v1/products/{Product(name='x').public_id}"
    assert anonymous.get(unknown).status_code == 404
    assert anonymous.get("/api/v1/products?limit=0").status_code == 400
    assert anonymous.get("/api/v1/products?colour=red").status_code == 400
