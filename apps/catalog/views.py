"""The shop window, open to everybody, and the doors through which staff change what stands in it."""

from typing import Any

from django.db import transaction
from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.catalog import filters, locks, selectors, services
from apps.catalog.models import CategoryNotFound, Product, Variant, VariantNotFound
from apps.catalog.permissions import ActionPermissions
from apps.catalog.serializers import (
    CATEGORY_EXAMPLE,
    MOVEMENT_EXAMPLE,
    PRODUCT_DETAIL_EXAMPLE,
    PRODUCT_EXAMPLE,
    VARIANT_EXAMPLE,
    CategoryListResponse,
    CategoryResponse,
    CreateProductRequest,
    CreateVariantRequest,
    ProductDetailResponse,
    ProductListResponse,
    ProductResponse,
    StockAdjustmentRequest,
    StockMovementResponse,
    UpdateProductRequest,
    UpdateVariantRequest,
    VariantListResponse,
    VariantResponse,
)
from apps.core import clock
from apps.core.api import (
    ApiView,
    KeysetPagination,
    check_if_match,
    get_actor,
    get_page_etag,
    idempotent,
    with_etag,
)
from apps.core.api.pagination import whole_list
from apps.core.api.schema import IF_MATCH, page_example, page_parameters
from apps.core.models import public_pk

PUBLIC = "public, max-age=60, stale-while-revalidate=300"
SORTS = {"created_at": "created_at", "name": "name", "price": "lowest_price"}
_WORDS = {"type": "string", "maxLength": filters.MAX_QUERY_LENGTH}
_SHORT = {"type": "string", "minLength": 1, "maxLength": 80}
_PAISE = {"type": "integer", "minimum": 0, "maximum": 10**13 - 1}
_PAIRS = {"type": "string", "maxLength": 400, "pattern": r"^[^:,]+:[^,]+(,[^:,]+:[^,]+)*$"}
FILTERS = [
    OpenApiParameter(
        "q",
        {"type": "string", "maxLength": filters.MAX_QUERY_LENGTH},
        description='Words to search for; "a phrase", `or` and `-without` are understood.',
    ),
    OpenApiParameter("category", _SHORT, description="A category's slug."),
    OpenApiParameter("brand", _SHORT),
    OpenApiParameter("price[gte]", _PAISE, description="Paise."),
    OpenApiParameter("price[lte]", _PAISE, description="Paise."),
    OpenApiParameter("in_stock", OpenApiTypes.BOOL),
    OpenApiParameter("attributes", _PAIRS, description="Pairs that a product must have: `diet:veg,origin:Kerala`."),
    OpenApiParameter(
        "sort",
        str,
        enum=["-created_at", "created_at", "name", "-name", "price", "-price", "-relevance", "relevance"],
        description="The newest first if not given; with `q` the most relevant first.",
    ),
    *page_parameters(),
]


class CatalogView(ActionPermissions, ApiView):
    """The base of these views: open to look at, and to be cached by anybody if nobody is signed in."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ["Authorization"])
        return response

    def answer(self, data: Any, *, etag: str | None = None) -> Response:
        cache_control = "private, no-store" if self.request.user.is_authenticated else PUBLIC
        return with_etag(self.request, data, etag=etag, cache_control=cache_control)

    def product_detail(self, product_id: Any) -> tuple[Any, str]:
        """Return the page of a product that this user may see, and its ETag."""
        product = selectors.get_visible_product(user=self.request.user, product_id=product_id)
        data = ProductDetailResponse(product, context=self.counts()).data
        return data, get_page_etag(product, data)

    def variant_detail(self, variant_id: Any) -> tuple[Any, str]:
        """Return the page of a variant that this user may see, and its ETag."""
        variant = selectors.get_visible_variant(user=self.request.user, variant_id=variant_id)
        data = VariantResponse(variant, context=self.counts()).data
        return data, get_page_etag(variant, data)

    def counts(self) -> dict[str, Any]:
        return {"has_stock_counts": selectors.can_view_stock_counts(self.request.user)}


class CategoriesView(CatalogView):
    """The shelves of the shop."""

    @extend_schema(
        operation_id="list_categories",
        summary="List categories",
        description="All shelves in the order of the shop.",
        responses={200: CategoryListResponse},
        examples=[page_example(CATEGORY_EXAMPLE, name="The shelves")],
    )
    def list(self, request: Request) -> Response:
        data = CategoryResponse(selectors.list_categories(), many=True).data
        return self.answer(whole_list(data))


class ProductsView(CatalogView):
    """Products: lists with filters and search, pages, and what staff change."""

    params = {"list": (*KeysetPagination.PARAMS, *filters.PARAMS, "q")}
    action_permissions = {"create": "catalog.add_product", "update": "catalog.change_product"}
    raises = {"create": (CategoryNotFound(param="category"),)}

    @extend_schema(
        operation_id="list_products",
        summary="List and search products",
        description="Published products that can be bought. Staff see all.",
        parameters=FILTERS,
        responses={200: ProductListResponse},
        examples=[page_example(PRODUCT_EXAMPLE)],
    )
    def list(self, request: Request) -> Response:
        products = filters.filter_products(selectors.list_products(user=request.user), self.query)
        sorts, default = SORTS, "-created_at"
        if words := filters.parse_query(self.query.get("q")):
            products = selectors.search_products(products, words)
            sorts, default = {**SORTS, "relevance": "relevance"}, "-relevance"
        audience = "staff" if selectors.can_view_all_products(request.user) else "public"
        pagination = KeysetPagination(
            sorts=sorts, default=default, scope=filters.cursor_scope(self.query, audience=audience)
        )
        page = pagination.page(products, self.query)
        return self.answer(page.envelope(list(ProductResponse(page.rows, many=True).data)))

    @extend_schema(
        operation_id="get_product",
        summary="Read a product",
        description="With all its variants. Staff see counts of stock, buyers whether there is any.",
        responses={200: ProductDetailResponse},
        examples=[OpenApiExample("A product", response_only=True, value=PRODUCT_DETAIL_EXAMPLE)],
    )
    def retrieve(self, request: Request, product_id: str) -> Response:
        data, etag = self.product_detail(public_pk(Product, product_id))
        return self.answer(data, etag=etag)

    @extend_schema(
        operation_id="create_product",
        summary="Add a product",
        description="For staff. Buyers see it once it is published and has an active variant.",
        request=CreateProductRequest,
        responses={201: ProductDetailResponse},
        examples=[
            OpenApiExample(
                "A kurta",
                request_only=True,
                value={"category": CATEGORY_EXAMPLE["id"], "name": "Vastrika Cotton Kurta", "brand": "Vastrika"},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=PRODUCT_DETAIL_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        values = self.read(CreateProductRequest, request)
        product = services.create_product(**values, actor=get_actor(request), now=clock.now())
        data, etag = self.product_detail(product.pk)
        location = f"/api/v1/products/{product.public_id}"
        return Response(data, status=201, headers={"Location": location, "ETag": etag})

    @extend_schema(
        operation_id="update_product",
        summary="Change a product",
        description="For staff. Send only the fields that change, and If-Match with the ETag that you last read.",
        parameters=[IF_MATCH],
        request=UpdateProductRequest,
        responses={200: ProductDetailResponse},
        examples=[
            OpenApiExample("Take it off the shelf", request_only=True, value={"is_published": False}),
            OpenApiExample("Changed", response_only=True, value={**PRODUCT_DETAIL_EXAMPLE, "is_published": False}),
        ],
    )
    @idempotent(required=False)
    def update(self, request: Request, product_id: str) -> Response:
        changes = self.read(UpdateProductRequest, request)
        with transaction.atomic():
            product = locks.lock_product(public_pk(Product, product_id))
            check_if_match(request, product)
            services.update_product(product_id=product.pk, changes=changes, actor=get_actor(request), now=clock.now())
        data, etag = self.product_detail(product.pk)
        return Response(data, headers={"ETag": etag})


class ProductVariantsView(CatalogView):
    """The variants of a product."""

    action_permissions = {"create": "catalog.add_variant"}

    @extend_schema(
        operation_id="list_product_variants",
        summary="List a product's variants",
        description="In the order of the shop.",
        responses={200: VariantListResponse},
        examples=[page_example(VARIANT_EXAMPLE, name="One size")],
    )
    def list(self, request: Request, product_id: str) -> Response:
        product = selectors.get_visible_product(user=request.user, product_id=public_pk(Product, product_id))
        data = VariantResponse(product.visible_variants, many=True, context=self.counts()).data  # type: ignore[attr-defined]
        return self.answer(whole_list(data))

    @extend_schema(
        operation_id="create_variant",
        summary="Add a variant",
        description="For staff. It begins with an empty shelf; a stock adjustment brings units in.",
        request=CreateVariantRequest,
        responses={201: VariantResponse},
        examples=[
            OpenApiExample(
                "Size M",
                request_only=True,
                value={"sku": "CLO-0451270-M", "title": "M", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=VARIANT_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def create(self, request: Request, product_id: str) -> Response:
        values = self.read(CreateVariantRequest, request)
        variant = services.create_variant(
            product_id=public_pk(Product, product_id), **values, actor=get_actor(request), now=clock.now()
        )
        data, etag = self.variant_detail(variant.pk)
        location = f"/api/v1/variants/{variant.public_id}"
        return Response(data, status=201, headers={"Location": location, "ETag": etag})


class VariantsView(CatalogView):
    """One variant."""

    action_permissions = {"update": "catalog.change_variant"}

    @extend_schema(
        operation_id="get_variant",
        summary="Read a variant",
        description="Price, tax class and whether there is any. Staff see counts of stock.",
        responses={200: VariantResponse},
        examples=[OpenApiExample("Size M", response_only=True, value=VARIANT_EXAMPLE)],
    )
    def retrieve(self, request: Request, variant_id: str) -> Response:
        data, etag = self.variant_detail(public_pk(Variant, variant_id))
        return self.answer(data, etag=etag)

    @extend_schema(
        operation_id="update_variant",
        summary="Change a variant",
        description="For staff. Orders that were placed keep their price. Needs If-Match.",
        parameters=[IF_MATCH],
        request=UpdateVariantRequest,
        responses={200: VariantResponse},
        examples=[
            OpenApiExample("A new price", request_only=True, value={"price": 44_900}),
            OpenApiExample("Changed", response_only=True, value={**VARIANT_EXAMPLE, "price": 44_900, "version": 2}),
        ],
    )
    @idempotent(required=False)
    def update(self, request: Request, variant_id: str) -> Response:
        changes = self.read(UpdateVariantRequest, request)
        variant_pk = public_pk(Variant, variant_id)
        with transaction.atomic():
            locks.lock_product_of(variant_pk)
            check_if_match(request, locks.lock_variant(variant_pk))
            services.update_variant(variant_id=variant_pk, changes=changes, actor=get_actor(request), now=clock.now())
        data, etag = self.variant_detail(variant_pk)
        return Response(data, headers={"ETag": etag})


class StockAdjustmentsView(CatalogView):
    """Units that come in or go out without an order."""

    action_permissions = {"create": "catalog.add_stockmovement"}
    raises = {"create": (VariantNotFound(),)}

    @extend_schema(
        operation_id="adjust_stock",
        summary="Adjust stock",
        description="For staff: book a delivery (`receipt`) or what a count corrects (`adjustment`).",
        request=StockAdjustmentRequest,
        responses={201: StockMovementResponse},
        examples=[
            OpenApiExample(
                "A delivery",
                request_only=True,
                value={
                    "variant": VARIANT_EXAMPLE["id"],
                    "quantity": 40,
                    "kind": "receipt",
                    "reason": "Delivery note 771",
                },
            ),
            OpenApiExample("Booked", response_only=True, status_codes=["201"], value=MOVEMENT_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        values = self.read(StockAdjustmentRequest, request)
        movement = services.adjust_stock(**values, actor=get_actor(request), now=clock.now())
        stock = selectors.get_stock(movement.variant_id)
        return Response(StockMovementResponse(movement, context={"stock": stock}).data, status=201)
