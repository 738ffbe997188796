"""How the description of the API presents the catalogue: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.catalog.models import CategoryNotFound, VariantNotFound
from apps.catalog.serializers import ProductDetailResponse, StockMovementResponse, VariantResponse
from apps.core.api.schema import IF_MATCH, operation, page_example

CATEGORY_EXAMPLE: dict[str, Any] = {
    "id": "cat_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "category",
    "name": "Clothing",
    "slug": "clothing",
    "position": 5,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
}
VARIANT_EXAMPLE: dict[str, Any] = {
    "id": "var_01jf3z8k4qe7tv2w9x0y1z2a3d",
    "object": "variant",
    "product_id": "prod_01jf3z8k4qe7tv2w9x0y1z2a3c",
    "sku": "CLO-0451270-M",
    "title": "M",
    "hsn": "61091000",
    "uqc": "NOS",
    "tax_class": "gst_5",
    "price": 49_900,
    "currency": "INR",
    "price_includes_tax": True,
    "attributes": {"size": "M"},
    "position": 1,
    "is_active": True,
    "in_stock": True,
    "metadata": {},
    "version": 1,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
}
PRODUCT_EXAMPLE: dict[str, Any] = {
    "id": "prod_01jf3z8k4qe7tv2w9x0y1z2a3c",
    "object": "product",
    "name": "Vastrika Cotton Kurta",
    "slug": "vastrika-cotton-kurta",
    "brand": "Vastrika",
    "category": {name: CATEGORY_EXAMPLE[name] for name in ("id", "name", "slug")},
    "lowest_price": 49_900,
    "currency": "INR",
    "in_stock": True,
    "attributes": {"fabric": "cotton"},
    "is_published": True,
    "metadata": {},
    "version": 2,
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
}
PRODUCT_DETAIL_EXAMPLE: dict[str, Any] = {
    **PRODUCT_EXAMPLE,
    "description": "Straight cut, washed once before sale.",
    "variants": [VARIANT_EXAMPLE],
}
MOVEMENT_EXAMPLE: dict[str, Any] = {
    "id": "mov_01jf3z8k4qe7tv2w9x0y1z2a3e",
    "object": "stock_movement",
    "variant_id": VARIANT_EXAMPLE["id"],
    "kind": "receipt",
    "quantity": 40,
    "reason": "Delivery note 771",
    "stock": {"on_hand": 52, "reserved": 3, "available": 49},
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
}

describe_categories = extend_schema_view(
    list=operation(
        "list_categories",
        "List categories",
        description="All categories in the order of the shop.",
        examples=[page_example(CATEGORY_EXAMPLE, name="The categories")],
    ),
)

describe_products = extend_schema_view(
    list=operation(
        "list_products",
        "List and search products",
        description="Published products that can be bought. Staff see all.",
        examples=[page_example(PRODUCT_EXAMPLE)],
    ),
    retrieve=operation(
        "get_product",
        "Read a product",
        description="With all its variants. Staff see the stock counts, buyers whether it is in stock.",
        examples=[OpenApiExample("A product", response_only=True, value=PRODUCT_DETAIL_EXAMPLE)],
    ),
    create=operation(
        "create_product",
        "Add a product",
        description="For staff. Buyers see it once it is published and has an active variant.",
        responses={201: ProductDetailResponse},
        examples=[
            OpenApiExample(
                "A kurta",
                request_only=True,
                value={"category_id": CATEGORY_EXAMPLE["id"], "name": "Vastrika Cotton Kurta", "brand": "Vastrika"},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=PRODUCT_DETAIL_EXAMPLE),
        ],
        raises=[CategoryNotFound(param="category_id")],
    ),
    partial_update=operation(
        "update_product",
        "Change a product",
        description="For staff. Send only the fields that change, and If-Match with the ETag that you last read.",
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("Unpublish it", request_only=True, value={"is_published": False}),
            OpenApiExample("Changed", response_only=True, value={**PRODUCT_DETAIL_EXAMPLE, "is_published": False}),
        ],
    ),
)

describe_product_variants = extend_schema_view(
    list=operation(
        "list_product_variants",
        "List a product's variants",
        description="In the order of the shop.",
        examples=[page_example(VARIANT_EXAMPLE, name="One size")],
    ),
    create=operation(
        "create_variant",
        "Add a variant",
        description="For staff. A new variant has no stock; add units by a stock adjustment.",
        responses={201: VariantResponse},
        examples=[
            OpenApiExample(
                "Size M",
                request_only=True,
                value={"sku": "CLO-0451270-M", "title": "M", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=VARIANT_EXAMPLE),
        ],
    ),
)

describe_variants = extend_schema_view(
    retrieve=operation(
        "get_variant",
        "Read a variant",
        description="Price, tax class and whether it is in stock. Staff see the stock counts.",
        examples=[OpenApiExample("Size M", response_only=True, value=VARIANT_EXAMPLE)],
    ),
    partial_update=operation(
        "update_variant",
        "Change a variant",
        description="For staff. Orders that were placed keep their price. Needs If-Match.",
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("A new price", request_only=True, value={"price": 44_900}),
            OpenApiExample("Changed", response_only=True, value={**VARIANT_EXAMPLE, "price": 44_900, "version": 2}),
        ],
    ),
)

describe_stock_adjustments = extend_schema_view(
    create=operation(
        "adjust_stock",
        "Adjust stock",
        description="For staff. Record a delivery (`receipt`), or the correction of a stock count (`adjustment`).",
        responses={201: StockMovementResponse},
        examples=[
            OpenApiExample(
                "A delivery",
                request_only=True,
                value={
                    "variant_id": VARIANT_EXAMPLE["id"],
                    "quantity": 40,
                    "kind": "receipt",
                    "reason": "Delivery note 771",
                },
            ),
            OpenApiExample("Booked", response_only=True, status_codes=["201"], value=MOVEMENT_EXAMPLE),
        ],
        raises=[VariantNotFound()],
    ),
)
