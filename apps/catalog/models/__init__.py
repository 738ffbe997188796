"""What the shop sells, and its stock."""

from apps.catalog.models.products import (
    IS_IN_STOCK,
    IS_LISTED,
    SKU_PARTS,
    CatalogVersion,
    Category,
    CategoryNotFound,
    Product,
    ProductNotFound,
    Variant,
    VariantNotFound,
)
from apps.catalog.models.stock import MAIN_LOCATION_ID, Location, Reservation, StockLevel, StockMovement

__all__ = [
    "IS_IN_STOCK",
    "IS_LISTED",
    "MAIN_LOCATION_ID",
    "SKU_PARTS",
    "CatalogVersion",
    "Category",
    "CategoryNotFound",
    "Location",
    "Product",
    "ProductNotFound",
    "Reservation",
    "StockLevel",
    "StockMovement",
    "Variant",
    "VariantNotFound",
]
