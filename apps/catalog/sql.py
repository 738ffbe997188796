"""SQL for the hot path, and what the ORM cannot say."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from apps.catalog.models import Category, Product, Variant
from apps.catalog.rules import ProductFilters
from apps.core.pages import MAX_ROWS, PageRequest
from apps.core.prepared import execute, fetch_all, fetch_rows, to_array
from apps.core.rows import RowReader

#: The primary key of a stock level: (variant_id, location_id).
StockKey = tuple[UUID, UUID]

_UPDATE_COUNTS = """
    UPDATE catalog_stocklevel AS stock
    SET reserved_milli = stock.reserved_milli + change.reserved_milli,
        on_hand_milli = stock.on_hand_milli + change.on_hand_milli,
        updated_at = %(now)s
    FROM unnest(%(variants)s::uuid[], %(locations)s::uuid[], %(reserved)s::bigint[], %(on_hand)s::bigint[])
        AS change (variant_id, location_id, reserved_milli, on_hand_milli)
    WHERE stock.variant_id = change.variant_id AND stock.location_id = change.location_id
    RETURNING stock.variant_id
"""


def update_stock_counts(
    *, now: datetime, reserved: Mapping[StockKey, int] | None = None, on_hand: Mapping[StockKey, int] | None = None
) -> None:
    """
    Add thousandths of units to the counts of stock levels, each once, in one statement.

    It adds to what is stored and never writes a count that was read before, so that the CHECK on the table refuses an
    oversell even if the caller has forgotten to lock.

    :raises LookupError: if one of the stock levels does not exist; then the caller's transaction must be rolled back
    """
    reserved, on_hand = reserved or {}, on_hand or {}
    keys = sorted(reserved.keys() | on_hand.keys())
    updated = fetch_all(
        _UPDATE_COUNTS,
        {
            "now": now,
            "variants": [variant_id for variant_id, _ in keys],
            "locations": [location_id for _, location_id in keys],
            "reserved": [reserved.get(key, 0) for key in keys],
            "on_hand": [on_hand.get(key, 0) for key in keys],
        },
    )
    if len(updated) != len(keys):
        raise LookupError("a stock level that is to change does not exist")


def set_reservation_status(reservation_ids: Iterable[UUID], *, status: str, now: datetime) -> None:
    """Store that reservations, which the caller has locked, have this status."""
    execute(
        "UPDATE catalog_reservation SET status = $2, updated_at = $3 WHERE id = ANY($1::uuid[])",
        [to_array(reservation_ids), status, now.isoformat()],
    )


def read_catalog_version() -> int:
    """Return the number of the catalogue's present version, or 0 while nothing was ever written."""
    rows = fetch_rows("SELECT number FROM catalog_catalogversion", [])
    return int(rows[0][0]) if rows else 0


# Reading products ------------------------------------------------------------------------------------------------------------


@cache
def _product_rows() -> RowReader:
    return RowReader(Product, without=("description",), extra=("category", "relevance"))


@cache
def _whole_product_rows() -> RowReader:
    return RowReader(Product, extra=("category", "visible_variants"))


@cache
def _category_rows() -> RowReader:
    return RowReader(Category, without=("created_at", "updated_at", "position"))


@cache
def _variant_rows() -> RowReader:
    return RowReader(Variant, extra=("on_hand_milli", "reserved_milli"))


#: The words of the partial indexes of what buyers see: the planner finds them by these.
_IS_LISTED = "product.is_published AND product.active_variant_count > 0"
_IS_IN_STOCK = "product.levels_in_stock_count > 0"
_HAS_WORDS = "product.search @@ (SELECT words FROM query)"
_RELEVANCE = "round((ts_rank(product.search, (SELECT words FROM query)) * 1000000.0)::numeric(1000, 15), 0)::integer"
#: The columns that pages are sorted by, and their types.
_SORT_KEYS = {
    "created_at": ("product.created_at", "timestamptz"),
    "name": ("product.name", "text"),
    "lowest_price": ("product.lowest_price", "bigint"),
    "relevance": (_RELEVANCE, "integer"),
}
_FILTERS = {
    "category_id": "product.category_id = ${}::uuid",
    "brand": "product.brand = ${}::text",
    "lowest_price_gte": "product.lowest_price >= ${}::bigint",
    "lowest_price_lte": "product.lowest_price <= ${}::bigint",
    "attributes": "product.attributes @> ${}::jsonb",
}


@lru_cache(maxsize=256)
def _product_page(
    names: tuple[str, ...],
    *,
    column: str,
    is_descending: bool,
    has_start: bool,
    conditions: tuple[str, ...],
) -> str:
    """
    Return the statement that reads a page of products.

    The most rows of any page stand within it: with a placeholder alone the planner would expect a tenth of the table, and
    sort all of it. No more rows are read than the parameter says.

    :param names: the filters that are given, whose parameters come first in this order; then those of the start, the words, and
        the number of rows
    """
    numbered = [_FILTERS[name].format(number) for number, name in enumerate(names, 1)]
    key, kind = _SORT_KEYS[column]
    after = len(names) + 1
    if has_start:
        side = "<" if is_descending else ">"
        start, tie = f"${after}::{kind}", f"${after + 1}::uuid"
        numbered.append(f"{key} {side}= {start} AND ({key} {side} {start} OR product.id {side} {tie})")
        after += 2
    is_search = _HAS_WORDS in conditions
    direction = "DESC" if is_descending else "ASC"
    # The words are read once, and not for each product whose relevance is worked out.
    query = f"WITH query AS MATERIALIZED (SELECT websearch_to_tsquery('english', ${after}) AS words)"
    return f"""{query if is_search else ""}
    SELECT * FROM (
    SELECT {_product_rows().columns("product")}, {_category_rows().columns("category")}, {_RELEVANCE if is_search else 0}
    FROM catalog_product AS product JOIN catalog_category AS category ON category.id = product.category_id
    WHERE {" AND ".join([*conditions, *numbered]) or "true"}
    ORDER BY {key} {direction}, product.id {direction} LIMIT {MAX_ROWS}) AS page
    LIMIT ${after + is_search}"""  # noqa: S608 - names of columns, and a number


def list_shown_products(*, filters: ProductFilters, page: PageRequest, sees_all: bool) -> list[Any]:
    """Return the products of a page, and one more if there are more; by an index of what is listed, however many there are."""
    given = {name: value for name in _FILTERS if (value := getattr(filters, name)) is not None}
    conditions = [] if sees_all else [_IS_LISTED]
    if filters.is_in_stock is not None:
        conditions.append(_IS_IN_STOCK if filters.is_in_stock else f"NOT {_IS_IN_STOCK}")
    if filters.words is not None:
        conditions.append(_HAS_WORDS)
    statement = _product_page(
        tuple(given),
        column=page.column,
        is_descending=page.reads_descending,
        has_start=page.start is not None,
        conditions=tuple(conditions),
    )
    params = [json.dumps(value) if name == "attributes" else str(value) for name, value in given.items()]
    params += [] if page.start is None else [str(page.start.key), str(page.start.id)]
    params += [*([] if filters.words is None else [filters.words]), str(page.row_count)]
    rows = fetch_rows(statement, params, is_prepared=_is_common(filters, sees_all=sees_all))
    products, categories = _product_rows(), cache(_category_rows().read)
    width = products.width
    return [products.read(row[:width], categories(row[width:-1]), row[-1]) for row in rows]


def _is_common(filters: ProductFilters, *, sees_all: bool) -> bool:
    """Return whether the statement is one of the few that most requests run; filters make thousands together."""
    is_rare = (filters.brand, filters.lowest_price_gte, filters.lowest_price_lte, filters.attributes) != (None,) * 4
    narrowed = [value for value in (filters.category_id, filters.is_in_stock, filters.words) if value is not None]
    return not (sees_all or is_rare) and len(narrowed) <= 1


@cache
def _product() -> str:
    return f"""
    SELECT {_whole_product_rows().columns("product")}, {_category_rows().columns("category")}
    FROM catalog_product AS product JOIN catalog_category AS category ON category.id = product.category_id
    WHERE product.id = $1 AND ($2::boolean OR {_IS_LISTED})"""  # noqa: S608 - names of columns


@cache
def _variants() -> str:
    return f"""
    SELECT {_variant_rows().columns("variant")}, stock.on_hand_milli, stock.reserved_milli
    FROM catalog_variant AS variant
    CROSS JOIN LATERAL (
        SELECT COALESCE(sum(level.on_hand_milli), 0)::bigint AS on_hand_milli,
               COALESCE(sum(level.reserved_milli), 0)::bigint AS reserved_milli
        FROM catalog_stocklevel AS level WHERE level.variant_id = variant.id
    ) AS stock
    WHERE variant.product_id = $1 AND ($2::boolean OR variant.is_active)
    ORDER BY variant.position, variant.id"""  # noqa: S608 - names of columns


def find_shown_product(*, product_id: UUID, sees_all: bool) -> Any:
    """Return a product with its category, variants and their stock, or None; two statements, by keys."""
    params = [str(product_id), str(sees_all)]
    rows = fetch_rows(_product(), params)
    if not rows:
        return None
    products, variants = _whole_product_rows(), _variant_rows()
    width = variants.width
    return products.read(
        rows[0][: products.width],
        _category_rows().read(rows[0][products.width :]),
        [variants.read(row[:width], *row[width:]) for row in fetch_rows(_variants(), params)],
    )
