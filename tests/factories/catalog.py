"""A shop for tests: one registration in Maharashtra, and goods."""

import itertools
from typing import Any

from apps.catalog.models import MAIN_LOCATION_ID, Category, Location, Product, StockLevel, StockMovement, Variant
from apps.catalog.states import MovementKind
from apps.core.quantities import to_milli
from apps.tax.models import Registration

_numbers = itertools.count(1)


def make_registration(**fields: Any) -> Registration:
    """Return the seller's registration in Maharashtra (27), or the one that is there."""
    values: dict[str, Any] = {
        "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "trade_name": "Bahi Demo Store", "state": "27",
        "address_line1": "4 Laxmi Road", "city": "Pune", "pin": "411030", "invoice_prefix": "INV", "is_default": True,
    }  # fmt: skip
    registration, _ = Registration.objects.get_or_create(
        gstin=fields.pop("gstin", values.pop("gstin")), defaults={**values, **fields}
    )
    return registration


def make_variant(
    *, price: int = 49_900, stock: int = 10, tax_class: str = "gst_18", product: Product | None = None, **fields: Any
) -> Variant:
    """Return something to buy, with stock that a receipt brought in."""
    number = next(_numbers)
    product = product or make_product()
    variant = Variant.objects.create(
        product=product,
        sku=f"SKU-{number:05d}",
        price=price,
        tax_class=tax_class,
        hsn=fields.pop("hsn", "61091000"),
        **fields,
    )
    location = make_location()
    StockLevel.objects.create(variant=variant, location=location, on_hand_milli=to_milli(stock))
    if stock:
        StockMovement.objects.create(
            variant=variant,
            location=location,
            kind=MovementKind.RECEIPT,
            quantity_milli=to_milli(stock),
            reason="test",
            actor="system",
        )
    Product.objects.filter(pk=product.pk).update(lowest_price=price)
    return variant


def make_location() -> Location:
    """Return the location that every installation has."""
    location, _ = Location.objects.get_or_create(
        pk=MAIN_LOCATION_ID, defaults={"code": "main", "name": "Main location"}
    )
    return location


def make_product(*, name: str = "", category: Category | None = None, **fields: Any) -> Product:
    """Return a published product without variants."""
    number = next(_numbers)
    category = category or Category.objects.get_or_create(name="Clothing", slug="clothing")[0]
    return Product.objects.create(
        category=category, name=name or f"Cotton kurta {number}", slug=f"product-{number}", **fields
    )
