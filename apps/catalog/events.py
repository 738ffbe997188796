"""Events of the catalogue and its stock."""

PRODUCT_CREATED = "catalog.product.created"
PRODUCT_UPDATED = "catalog.product.updated"
VARIANT_CREATED = "catalog.variant.created"
VARIANT_UPDATED = "catalog.variant.updated"
STOCK_ADJUSTED = "catalog.variant.stock_adjusted"
