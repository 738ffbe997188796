"""Writes of the catalogue and its stock."""

from apps.catalog.services.gst_checks import (
    InvalidDescription,
    InvalidHsn,
    RateNotAllowedForHsn,
    TaxClassMismatch,
    UnitNotAllowed,
    UnknownTaxClass,
)
from apps.catalog.services.locations import set_up_reference_data
from apps.catalog.services.products import (
    SkuTaken,
    SlugTaken,
    create_category,
    create_product,
    create_variant,
    update_category,
    update_product,
    update_variant,
)
from apps.catalog.services.reservations import (
    ConsumptionInput,
    InsufficientStock,
    ReservationInput,
    ReservationNotFound,
    check_units,
    commit_reservations,
    consume_reservations,
    release_reservations,
    reserve_stock,
    revive_reservations,
)
from apps.catalog.services.stock_adjustments import (
    InvalidStockQuantity,
    StockReserved,
    adjust_stock,
)

__all__ = [
    "ConsumptionInput",
    "InsufficientStock",
    "InvalidDescription",
    "InvalidHsn",
    "InvalidStockQuantity",
    "RateNotAllowedForHsn",
    "ReservationInput",
    "ReservationNotFound",
    "SkuTaken",
    "SlugTaken",
    "StockReserved",
    "TaxClassMismatch",
    "UnitNotAllowed",
    "UnknownTaxClass",
    "adjust_stock",
    "check_units",
    "commit_reservations",
    "consume_reservations",
    "create_category",
    "create_product",
    "create_variant",
    "release_reservations",
    "reserve_stock",
    "revive_reservations",
    "set_up_reference_data",
    "update_category",
    "update_product",
    "update_variant",
]
