"""The goods of a generated shop: a few products of the demo shop, and as many of the same kinds and prices as are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from apps.catalog import events
from apps.catalog.models import MAIN_LOCATION_ID, Category, Product, StockLevel, StockMovement, Variant
from apps.catalog.states import MovementKind
from apps.core.events import SYSTEM, create
from apps.core.quantities import to_milli
from devtools.demo_data.catalogue import DemoProduct, DemoVariant, list_categories, make_products

#: Kinds of goods: all generated products of a kind have the same variants at the same prices, so that an order of one is an
#: order of any of them.
KINDS: Final = 24
#: In paise: a refund of dearer goods would wait for days until a small shop has sold as much.
_HIGHEST_PRICE: Final = 3_000_00
#: Enough for every order that is played.
PLAYED_UNITS: Final = 1_000_000


@dataclass(frozen=True)
class Kind:
    """One kind of goods: the demo product that is its first."""

    demo: DemoProduct


def list_kinds(products: int) -> list[Kind]:
    """Return the kinds of goods of a shop with a number of products: from all over the demo shop, the same ones in each run."""
    demos = [demo for demo in make_products() if max(each.price for each in demo.variants) <= _HIGHEST_PRICE]
    count = min(products, KINDS)
    return [Kind(demos[place * len(demos) // count]) for place in range(count)]


def make_categories(*, now: datetime) -> dict[str, Category]:
    """Write the categories of the demo shop, and return them by their slugs."""
    made = {}
    for demo in list_categories():
        category = Category(slug=demo.slug, name=demo.name, position=demo.position, created_at=now)
        category.save()
        made[demo.slug] = category
    return made


def make_product(kind: Kind, category: Category, *, now: datetime) -> list[Variant]:
    """Write the first product of a kind with plenty of stock, and return its variants."""
    demo = kind.demo
    product = Product(
        category=category, name=demo.name, slug=demo.slug, brand=demo.brand, description=demo.description,
        attributes=demo.attributes, lowest_price=min(each.price for each in demo.variants),
    )  # fmt: skip
    with transaction.atomic():
        create(product, events.PRODUCT_CREATED, actor=SYSTEM, now=now)
        return [_make_variant(product, each, place, now=now) for place, each in enumerate(demo.variants, start=1)]


def _make_variant(product: Product, demo: DemoVariant, place: int, *, now: datetime) -> Variant:
    variant = Variant(
        product=product, sku=demo.sku, title=demo.title, hsn=demo.hsn, uqc=demo.uqc, tax_class=demo.tax_class,
        price=demo.price, price_includes_tax=demo.price_includes_tax, attributes=demo.attributes, position=place,
    )  # fmt: skip
    create(variant, events.VARIANT_CREATED, actor=SYSTEM, now=now)
    where = {"variant": variant, "location_id": MAIN_LOCATION_ID}
    StockLevel.objects.create(**where, on_hand_milli=to_milli(PLAYED_UNITS))
    StockMovement.objects.create(
        **where, kind=MovementKind.RECEIPT, quantity_milli=to_milli(PLAYED_UNITS), reason="Opening stock", actor=str(SYSTEM),
        created_at=now,
    )  # fmt: skip
    return variant


def sold_place(kind: Kind, place: int) -> int:
    """Return the place of the variant that is sold of the kind at a place of the list: not always the first."""
    return place % len(kind.demo.variants)


def mark_of(number: int) -> str:
    """Return what the name of the product with a number of its kind ends with; the first is the demo shop's own."""
    return f" No. {number + 1}" if number else ""


def mark_of_code(number: int) -> str:
    """Return what the SKUs and the slug of the product with a number of its kind end with."""
    return f"-{number + 1}" if number else ""
