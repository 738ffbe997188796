"""Who waits for whom in the catalogue: reservations, then stock levels, then product, then variant, each by primary key."""

from collections.abc import Iterable
from uuid import UUID

from apps.catalog.models import (
    Category,
    CategoryNotFound,
    Product,
    ProductNotFound,
    Reservation,
    StockLevel,
    Variant,
    VariantNotFound,
)
from apps.catalog.sql import StockKey
from apps.core.locks import lock_row
from apps.core.prepared import to_array
from apps.core.rows import find_rows


def lock_category(category_id: UUID) -> Category:
    """
    Lock a category.

    :raises CategoryNotFound: if there is none
    """
    return lock_row(Category, category_id, missing=CategoryNotFound)


def lock_product(product_id: UUID) -> Product:
    """
    Lock a product.

    :raises ProductNotFound: if there is none
    """
    return lock_row(Product, product_id, missing=ProductNotFound)


def lock_product_of(variant_id: UUID) -> Product:
    """
    Lock the product of a variant, which comes before the variant.

    :raises VariantNotFound: if there is no such variant
    """
    product_id = Variant.objects.filter(pk=variant_id).values_list("product_id", flat=True).first()
    if product_id is None:
        raise VariantNotFound
    return lock_product(product_id)


def lock_stock_of(variant_id: UUID) -> None:
    """Lock all stock levels of a variant, so that none sells out or is filled while its product counts them."""
    rows = StockLevel.objects.select_for_update(no_key=True, of=("self",)).filter(variant_id=variant_id)
    list(rows.order_by("location_id"))


def lock_variant(variant_id: UUID) -> Variant:
    """
    Lock a variant.

    :raises VariantNotFound: if there is none
    """
    return lock_row(Variant, variant_id, missing=VariantNotFound)


def lock_stock(keys: Iterable[StockKey]) -> dict[StockKey, StockLevel]:
    """
    Lock stock levels in the order of their keys, so that two buyers of the same goods never deadlock.

    A key without a stock level is absent from what is returned.
    """
    rows = StockLevel.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=sorted(set(keys)))
    return {row.pk: row for row in rows.order_by("variant_id", "location_id")}


def lock_reservations(references: Iterable[UUID]) -> list[Reservation]:
    """Lock the reservations with these references in the order of their keys and return them; absent ones are left out."""
    wanted = to_array(set(references))
    return find_rows(Reservation, "WHERE it.reference = ANY ($1::uuid[]) ORDER BY it.id FOR NO KEY UPDATE", [wanted])
