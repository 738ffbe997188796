"""Writes the demo shop into the database, in bulk: a thousand products in a second or two."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.catalog import events
from apps.catalog.models import MAIN_LOCATION_ID, Category, Product, StockLevel, StockMovement, Variant
from apps.catalog.states import MovementKind
from apps.core.events import SYSTEM, event_payload
from apps.core.models import Event, Subject, subject_type_of
from apps.core.quantities import to_milli
from apps.tax import services as tax
from apps.tax.models import Registration
from devtools.demo_data.catalogue import DemoProduct, list_categories, make_products

_BATCH = 500


@dataclass(frozen=True)
class LoadCounts:
    """How much was made; what was there already does not count."""

    categories: int
    products: int
    variants: int
    units: int


def ensure_registration(*, now: datetime) -> tuple[Registration, bool]:
    """Return the registration that the shop sells under and whether it was made just now: in Pune, unless there is one."""
    found = Registration.objects.filter(is_default=True).first()
    if found is not None:
        return found, False
    made = tax.add_registration(
        gstin="27AAPFU0939F1ZV",
        legal_name="Bahi Demo Traders LLP",
        trade_name="Bahi Demo Store",
        address_line1="4 Laxmi Road",
        address_line2="Narayan Peth",
        city="Pune",
        pin="411030",
        phone="+912024450000",
        email="shop@bahi.example",
        actor=SYSTEM,
        now=now,
    )
    return made, True


@transaction.atomic
def load_shop(*, now: datetime) -> LoadCounts:
    """Make what is missing of the demo shop; running it again makes nothing."""
    shelves, new_shelves = _load_categories()
    present = set(Product.objects.values_list("slug", flat=True))
    pairs = [
        (_product(demo, shelves[demo.category], now=now), demo) for demo in make_products() if demo.slug not in present
    ]
    variants = [variant for product, demo in pairs for variant in _variants(product, demo)]
    stocks = [demo_variant.stock for _, demo in pairs for demo_variant in demo.variants]

    Product.objects.bulk_create([product for product, _ in pairs], batch_size=_BATCH)
    Variant.objects.bulk_create(variants, batch_size=_BATCH)
    _load_stock(list(zip(variants, stocks, strict=True)))
    _load_events([product for product, _ in pairs], events.PRODUCT_CREATED, now)
    _load_events(variants, events.VARIANT_CREATED, now)

    return LoadCounts(categories=new_shelves, products=len(pairs), variants=len(variants), units=sum(stocks))


def _load_categories() -> tuple[dict[str, Category], int]:
    shelves = {}
    made = 0
    for demo in list_categories():
        category, is_new = Category.objects.get_or_create(
            slug=demo.slug, defaults={"name": demo.name, "position": demo.position}
        )
        shelves[demo.slug] = category
        made += is_new
    return shelves, made


def _product(demo: DemoProduct, category: Category, *, now: datetime) -> Product:
    return Product(
        category=category,
        name=demo.name,
        slug=demo.slug,
        brand=demo.brand,
        description=demo.description,
        attributes=demo.attributes,
        lowest_price=min(variant.price for variant in demo.variants),
        version=1,
        created_at=now,
    )


def _variants(product: Product, demo: DemoProduct) -> list[Variant]:
    return [
        Variant(
            product=product,
            sku=variant.sku,
            title=variant.title,
            hsn=variant.hsn,
            uqc=variant.uqc,
            tax_class=variant.tax_class,
            price=variant.price,
            price_includes_tax=variant.price_includes_tax,
            attributes=variant.attributes,
            position=position,
            version=1,
            created_at=product.created_at,
        )
        for position, variant in enumerate(demo.variants, start=1)
    ]


def _load_stock(counted: list[tuple[Variant, int]]) -> None:
    StockLevel.objects.bulk_create(
        [
            StockLevel(variant=variant, location_id=MAIN_LOCATION_ID, on_hand_milli=to_milli(units))
            for variant, units in counted
        ],
        batch_size=_BATCH,
    )
    StockMovement.objects.bulk_create(
        [
            StockMovement(
                variant=variant,
                location_id=MAIN_LOCATION_ID,
                kind=MovementKind.RECEIPT,
                quantity_milli=to_milli(units),
                reason="Opening stock of the demo shop",
                actor=str(SYSTEM),
            )
            for variant, units in counted
            if units
        ],
        batch_size=_BATCH,
    )


def _load_events(subjects: list[Product] | list[Variant], event_type: str, now: datetime) -> None:
    """
    Write the event that each row was created, so that its history begins at version 1 like that of any row.

    It does not use `create`, which makes a query for each, and writes no outbox rows: no handler needs these events,
    and the relay would have to carry thousands of rows before those of the first order.
    """
    Event.objects.bulk_create([_event(subject, event_type, now) for subject in subjects], batch_size=_BATCH)


def _event(subject: Subject, event_type: str, now: datetime) -> Event:
    return Event(
        type=event_type,
        subject_type=subject_type_of(subject),
        subject_id=subject.pk,
        version=subject.version,
        actor=str(SYSTEM),
        changes=event_payload(subject),
        reason="demo data",
        created_at=now,
    )
