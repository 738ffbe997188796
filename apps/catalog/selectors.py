"""Reads of the catalogue. Buyers see what is published and can be bought; staff with `catalog.view_product` see all."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank
from django.db.models import F, IntegerField, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Cast, Coalesce, Round, Upper

from apps.catalog import sql
from apps.catalog.models import (
    IS_IN_STOCK,
    IS_LISTED,
    MAIN_LOCATION_ID,
    SKU_PARTS,
    Category,
    Product,
    ProductNotFound,
    Reservation,
    StockLevel,
    Variant,
    VariantNotFound,
)
from apps.catalog.rules import ProductFilters, StockCounts
from apps.core.hot_path import hot_path
from apps.core.models import is_staff_with
from apps.core.pages import PageRequest, list_page_rows
from apps.core.replica import tolerates_lag
from apps.core.rows import find_by
from apps.core.search import MIN_WORD, SearchTerm, any_of

SEARCH_CONFIG = "english"
_RANK_STEPS = 1_000_000.0


def get_catalog_version() -> int:
    """Return a number that every change of what buyers read of the catalogue raises: microseconds since 1970."""
    return sql.read_catalog_version()


def list_categories() -> QuerySet[Category]:
    """Return the categories in the order of the shop."""
    return Category.objects.order_by("position", "name")


@tolerates_lag
def list_shown_categories() -> list[Category]:
    """Return the categories in the order of the shop, for a response."""
    return list(list_categories())


@tolerates_lag
def find_category(slug: str) -> Category | None:
    """Return the category of a slug, or None."""
    return find_by(Category, slug=slug)


@tolerates_lag
@hot_path("catalog.list_shown_products", is_read=True)
def list_shown_products(*, filters: ProductFilters, page: PageRequest, sees_all: bool) -> list[Any]:
    """
    Return what is shown of the products of a page, in the order in which they are read, and one more if there are more.

    Each has its category.

    What was searched for has its `relevance`, which the page may be sorted by. It is an integer, so that a page's cursor can compare it
    exactly, and depends on the product alone, so that products which come or go do not move the others.

    :param sees_all: also those that are not published or cannot be bought
    """
    products = _visible_products(sees_all=sees_all).defer("search", "description")
    columns: dict[str, Any] = {
        "category_id": filters.category_id,
        "brand": filters.brand,
        "lowest_price__gte": filters.lowest_price_gte,
        "lowest_price__lte": filters.lowest_price_lte,
        "attributes__contains": filters.attributes,
    }
    products = products.filter(**{name: value for name, value in columns.items() if value is not None})
    if filters.is_in_stock is not None:
        products = products.filter(IS_IN_STOCK if filters.is_in_stock else ~IS_IN_STOCK)
    if filters.words is not None:
        products = search_products(products, filters.words)
    return list_page_rows(products, page)


def search_products(products: QuerySet[Product], text: str) -> QuerySet[Product]:
    """
    Narrow products to those that hold the words of a search, each with its `relevance`.

    Words, "quoted phrases", `or` and `-word` mean what they mean to search engines; any other text is harmless.
    """
    query = SearchQuery(text, search_type="websearch", config=SEARCH_CONFIG)
    rank = SearchRank(F("search"), query)
    return products.filter(search=query).annotate(
        relevance=Cast(Round(rank * _RANK_STEPS), output_field=IntegerField())
    )


def get_shown_product(*, user: Any, product_id: UUID) -> Any:
    """
    Return what a response shows of a product that a user may see: it has the attributes of the product and its variants with stock.

    :raises ProductNotFound: if there is none, or it is not published
    """
    product = find_shown_product(product_id=product_id, sees_all=can_view_all_products(user))
    if product is None:
        raise ProductNotFound
    return product


@tolerates_lag
@hot_path("catalog.find_shown_product", is_read=True)
def find_shown_product(*, product_id: UUID, sees_all: bool) -> Any:
    """
    Return what is shown of a product, with its category and, as `visible_variants`, its variants with their stock, or None.

    :param sees_all: also if it is not published, and with the variants that are not active
    """
    variants = _visible_variants(sees_all=sees_all).order_by("position", "pk")
    return (
        _visible_products(sees_all=sees_all)
        .defer("search")
        .filter(pk=product_id)
        .prefetch_related(Prefetch("variants", queryset=variants, to_attr="visible_variants"))
        .first()
    )


@tolerates_lag
def get_visible_variant(*, user: Any, variant_id: UUID) -> Variant:
    """
    Return a variant that a user may see, with its product and stock.

    :raises VariantNotFound: if there is none, or it or its product is not on sale
    """
    sees_all = can_view_all_products(user)
    variants = _visible_variants(sees_all=sees_all)
    if not sees_all:
        variants = variants.filter(product__is_published=True)
    found = variants.select_related("product").filter(pk=variant_id).first()
    if found is None:
        raise VariantNotFound
    return found


def list_saleable_variants(variant_ids: Iterable[UUID]) -> dict[UUID, Variant]:
    """Return those of the variants that can be ordered, active and of a published product, with product and stock."""
    found = Variant.objects.filter(pk__in=set(variant_ids), is_active=True, product__is_published=True)
    return {variant.pk: variant for variant in with_stock_totals(found).select_related("product")}


def with_stock_totals(variants: QuerySet[Variant]) -> QuerySet[Variant]:
    """Give each variant `on_hand_milli` and `reserved_milli`, its sums over all locations; `stock_counts` reads them."""
    levels = StockLevel.objects.filter(variant_id=OuterRef("pk")).order_by().values("variant_id")
    # Subqueries and no join: only the rows of a page are summed, and no other join multiplies them.
    return variants.annotate(
        on_hand_milli=Coalesce(Subquery(levels.annotate(total=Sum("on_hand_milli")).values("total")), 0),
        reserved_milli=Coalesce(Subquery(levels.annotate(total=Sum("reserved_milli")).values("total")), 0),
    )


def get_stock_counts(variant_id: UUID) -> StockCounts:
    """
    Return how many units of a variant there are at all locations, and how many of these are reserved.

    :raises VariantNotFound: if there is no such variant
    """
    found = with_stock_totals(Variant.objects.filter(pk=variant_id)).first()
    if found is None:
        raise VariantNotFound
    return found.stock_counts


def get_main_location_id() -> UUID:
    """Return the id of the location that every installation has, from which all goods are sold."""
    return MAIN_LOCATION_ID


def is_any_dispatched(references: Collection[UUID]) -> bool:
    """Test if units that were reserved for one of these references have been dispatched."""
    return Reservation.objects.filter(reference__in=references, consumed_milli__gt=0).exists()


def can_view_all_products(user: Any) -> bool:
    """Test if a user is staff who may look at what is not published."""
    return is_staff_with(user, "catalog.view_product")


def can_view_stock_counts(user: Any) -> bool:
    """Test if a user is staff who may know how many units there are."""
    return is_staff_with(user, "catalog.view_stocklevel")


def _visible_products(*, sees_all: bool) -> QuerySet[Product]:
    products = Product.objects.select_related("category")
    return products if sees_all else products.filter(IS_LISTED)


def _visible_variants(*, sees_all: bool) -> QuerySet[Variant]:
    variants = with_stock_totals(Variant.objects.all())
    return variants if sees_all else variants.filter(is_active=True)


def search_variants(term: SearchTerm) -> QuerySet[Variant]:
    """Return the variants that a search means: by a public id, or by the beginning of their SKU or a part of it, in capitals or not."""
    pk = term.pk_of(Variant)
    if pk is not None:
        return Variant.objects.filter(pk=pk)
    if len(term.code) < MIN_WORD:
        return Variant.objects.none()
    # Upper and not the look-up `istartswith`, which would convert the column once more and miss the index.
    begun = Variant.objects.alias(capitals=Upper("sku")).filter(capitals__startswith=term.code)
    has_part: dict[str, Any] = {"parts__contains": [term.code]}
    having = Variant.objects.alias(parts=SKU_PARTS).filter(**has_part)
    keys = any_of(begun.values_list("pk"), having.values_list("pk"))
    return Variant.objects.filter(pk__in=keys).order_by("sku", "pk")


def search_all_products(term: SearchTerm) -> QuerySet[Product]:
    """Return the products, published or not, that a public id names or that contain the words; the closest match first."""
    pk = term.pk_of(Product)
    if pk is not None:
        return Product.objects.filter(pk=pk)
    if not term.words:
        return Product.objects.none()
    found: QuerySet[Any] = search_products(Product.objects.all(), " ".join(term.words))
    return found.order_by("-relevance", "-created_at", "-id")
