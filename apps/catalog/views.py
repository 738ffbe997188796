"""The catalogue that everybody can read, and the endpoints with which staff change it."""

from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.catalog import locks, openapi, selectors
from apps.catalog.filters import ProductFilterSet
from apps.catalog.models import Category, Product, Variant
from apps.catalog.pagination import ProductPagination
from apps.catalog.serializers import (
    CategoryResponse,
    CreateProductRequest,
    CreateVariantRequest,
    ProductDetailResponse,
    ProductResponse,
    StockAdjustmentRequest,
    StockMovementResponse,
    UpdateProductRequest,
    UpdateVariantRequest,
    VariantResponse,
)
from apps.catalog.services import products, stock_adjustments
from apps.core import clock, replica
from apps.core.api import ApiViewSet, WholeListPagination, check_if_match, get_actor, get_page_etag, idempotent
from apps.core.api.requests import METHODS_WITHOUT_BODY
from apps.core.api.response_cache import CacheDescription, ResponseCache
from apps.core.api.responses import PRIVATE, PUBLIC
from apps.core.models import public_pk
from apps.core.transactions import atomic

RESPONSES: Final = ResponseCache(
    CacheDescription(
        name="catalog",
        holds="Responses to GET /categories, /products and /variants for those who are not signed in.",
        key="Path and query.",
        life="At most 5 minutes in Redis; in a process until its memory for them is full.",
        ends="Any change of a category, product or variant; the last free unit of a variant is reserved, or the first is free again.",
    ),
    read_version=selectors.get_catalog_version,
    shared_params=frozenset({"limit", "cursor", "sort", "category", "in_stock"}),
)


class CatalogViewSet(ApiViewSet):
    """The base of these views: open to look at, and to be cached by anybody if nobody is signed in."""

    permission_classes = [AllowAny]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Before the request is authenticated and its query parsed: both cost more than the whole stored response.
        return RESPONSES.respond(request, lambda: self._make(request, *args, **kwargs))

    def _make(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with replica.lag_tolerated(None):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Staff act on what they see, and see counts that each order changes.
        if request.method in METHODS_WITHOUT_BODY and not getattr(request.user, "is_staff", False):
            position = RESPONSES.find_position(is_fresh=request.user.is_authenticated)
            replica.tolerate_lag(position)

    @property
    def cache_control(self) -> str:
        return PRIVATE if self.request.user.is_authenticated else PUBLIC

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ["Authorization"])
        return response


class _StockViewSet(CatalogViewSet):
    """The base of views of what has stock: staff see counts."""

    def get_serializer_context(self) -> dict[str, Any]:
        return {
            **super().get_serializer_context(),
            "has_stock_counts": selectors.can_view_stock_counts(self.request.user),
        }

    def get_page(self, subject: Any) -> tuple[Any, str]:
        """Return the page of a product or variant as this user may see it, and its ETag."""
        data = self.get_serializer(subject).data
        return data, get_page_etag(subject, data)


@openapi.describe_categories
class CategoryViewSet(ListModelMixin, CatalogViewSet):
    """The categories of the shop."""

    serializer_class = CategoryResponse
    pagination_class = WholeListPagination

    def get_queryset(self) -> "QuerySet[Category]":
        return selectors.list_categories()

    def filter_queryset(self, queryset: Any) -> Any:
        # As rows, from wherever they may be read: what describes the API asks for the queryset, and reads nothing.
        return selectors.list_shown_categories()


@openapi.describe_products
class ProductViewSet(_StockViewSet):
    """Products: lists with filters and search, pages, and what staff change."""

    serializer_class = ProductDetailResponse
    serializer_classes = {"list": ProductResponse}
    request_serializer_classes = {"create": CreateProductRequest, "partial_update": UpdateProductRequest}
    staff_permissions = {"create": "catalog.add_product", "partial_update": "catalog.change_product"}
    filterset_class = ProductFilterSet
    pagination_class = ProductPagination
    lookup_url_kwarg = "product_id"

    def list(self, request: Request) -> Response:
        filters = ProductFilterSet.read_filters(self.query)
        sees_all = selectors.can_view_all_products(request.user)
        paginator: Any = self.paginator
        if filters.words is not None:
            paginator.sort_by_relevance()
        products = paginator.paginate(
            request, self, lambda page: selectors.list_shown_products(filters=filters, page=page, sees_all=sees_all)
        )
        response: Response = paginator.get_paginated_response(self.get_serializer(products, many=True).data)
        return response

    def retrieve(self, request: Request, product_id: str) -> Response:
        product = selectors.get_shown_product(user=request.user, product_id=public_pk(Product, product_id))
        return self.answer(self.get_serializer(product).data, subject=product)

    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        product = products.create_product(**self.read_body(), actor=get_actor(request), now=clock.now())
        data, etag = self._page(product.pk)
        location = f"/api/v1/products/{product.public_id}"
        return Response(data, status=201, headers={"Location": location, "ETag": etag})

    @idempotent(required=False)
    def partial_update(self, request: Request, product_id: str) -> Response:
        changes = self.read_body()
        with atomic():
            product = locks.lock_product(public_pk(Product, product_id))
            check_if_match(request, product)
            products.update_product(product_id=product.pk, changes=changes, actor=get_actor(request), now=clock.now())
        data, etag = self._page(product.pk)
        return Response(data, headers={"ETag": etag})

    def _page(self, product_id: Any) -> tuple[Any, str]:
        return self.get_page(selectors.get_shown_product(user=self.request.user, product_id=product_id))


@openapi.describe_product_variants
class ProductVariantViewSet(ListModelMixin, _StockViewSet):
    """The variants of a product."""

    serializer_class = VariantResponse
    request_serializer_classes = {"create": CreateVariantRequest}
    staff_permissions = {"create": "catalog.add_variant"}
    pagination_class = WholeListPagination

    def get_queryset(self) -> Any:
        product_id = public_pk(Product, self.kwargs["product_id"])
        product: Any = selectors.get_shown_product(user=self.request.user, product_id=product_id)
        return product.visible_variants

    @idempotent(required=False)
    def create(self, request: Request, product_id: str) -> Response:
        values = self.read_body()
        created = products.create_variant(
            product_id=public_pk(Product, product_id), **values, actor=get_actor(request), now=clock.now()
        )
        variant = selectors.get_visible_variant(user=request.user, variant_id=created.pk)
        data, etag = self.get_page(variant)
        location = f"/api/v1/variants/{variant.public_id}"
        return Response(data, status=201, headers={"Location": location, "ETag": etag})


@openapi.describe_variants
class VariantViewSet(_StockViewSet):
    """One variant."""

    serializer_class = VariantResponse
    request_serializer_classes = {"partial_update": UpdateVariantRequest}
    staff_permissions = {"partial_update": "catalog.change_variant"}
    lookup_url_kwarg = "variant_id"

    def retrieve(self, request: Request, variant_id: str) -> Response:
        variant = selectors.get_visible_variant(user=request.user, variant_id=public_pk(Variant, variant_id))
        return self.answer(self.get_serializer(variant).data, subject=variant)

    @idempotent(required=False)
    def partial_update(self, request: Request, variant_id: str) -> Response:
        changes = self.read_body()
        variant_pk = public_pk(Variant, variant_id)
        with atomic():
            locks.lock_stock_of(variant_pk)
            locks.lock_product_of(variant_pk)
            check_if_match(request, locks.lock_variant(variant_pk))
            products.update_variant(variant_id=variant_pk, changes=changes, actor=get_actor(request), now=clock.now())
        data, etag = self._page(variant_pk)
        return Response(data, headers={"ETag": etag})

    def _page(self, variant_id: Any) -> tuple[Any, str]:
        return self.get_page(selectors.get_visible_variant(user=self.request.user, variant_id=variant_id))


@openapi.describe_stock_adjustments
class StockAdjustmentViewSet(CatalogViewSet):
    """Units that come in or go out without an order."""

    serializer_class = StockMovementResponse
    request_serializer_classes = {"create": StockAdjustmentRequest}
    staff_permissions = {"create": "catalog.add_stockmovement"}

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        movement = stock_adjustments.adjust_stock(**self.read_body(), actor=get_actor(request), now=clock.now())
        stock = selectors.get_stock_counts(movement.variant_id)
        return Response(StockMovementResponse(movement, context={"stock": stock}).data, status=201)
