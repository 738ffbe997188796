"""Everything that changes the catalogue and its stock."""

from apps.catalog.services.gst_checks import (
    DescriptionNotValid,
    InvalidHsn,
    RateNotAllowedForHsn,
    TaxClassMismatch,
    UnitNotAllowed,
    UnknownTaxClass,
)
from apps.catalog.services.products import (
    PRODUCT_EDITABLE,
    VARIANT_EDITABLE,
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
    Hold,
    HoldNotFound,
    InsufficientStock,
    commit_holds,
    consume_holds,
    hold_again,
    hold_stock,
    release_holds,
)
from apps.catalog.services.stock_adjustments import NothingToMove, StockIsPromised, TooMuchStock, adjust_stock

__all__ = [
    "PRODUCT_EDITABLE",
    "VARIANT_EDITABLE",
    "DescriptionNotValid",
    "Hold",
    "HoldNotFound",
    "InsufficientStock",
    "InvalidHsn",
    "NothingToMove",
    "RateNotAllowedForHsn",
    "SkuTaken",
    "SlugTaken",
    "StockIsPromised",
    "TaxClassMismatch",
    "TooMuchStock",
    "UnitNotAllowed",
    "UnknownTaxClass",
    "adjust_stock",
    "commit_holds",
    "consume_holds",
    "create_category",
    "create_product",
    "create_variant",
    "hold_again",
    "hold_stock",
    "release_holds",
    "update_category",
    "update_product",
    "update_variant",
]
