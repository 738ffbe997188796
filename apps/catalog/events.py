"""News of the catalogue and its stock."""

PRODUCT_CREATED = "catalog.product.created"
PRODUCT_CHANGED = "catalog.product.changed"
VARIANT_CREATED = "catalog.variant.created"
VARIANT_CHANGED = "catalog.variant.changed"
STOCK_ADJUSTED = "catalog.variant.stock_adjusted"
