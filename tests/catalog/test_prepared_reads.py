"""Lists of products by prepared statements: which plans they have at a size, whatever Postgres knows of the parameters."""

from typing import Any

import pytest
from django.db import connection

from apps.catalog import sql
from apps.catalog.rules import ProductFilters
from apps.core import prepared
from apps.core.pages import PageRequest, PageStart
from tests.factories.catalog import make_variant
from tests.support.plans import explain_prepared

pytestmark = pytest.mark.django_db

_PRODUCTS = 10_000
_FILL = """
    INSERT INTO catalog_product (id, created_at, updated_at, version, metadata, category_id, name, slug, brand, description,
                                 attributes, is_published, lowest_price, active_variant_count, levels_in_stock_count)
    SELECT gen_random_uuid(), now() - make_interval(secs => number), now(), 1, '{}', %s, 'Lamp ' || number, 'lamp-' || number,
           'Brand ' || number %% 500, CASE WHEN number %% 5000 = 0 THEN 'kurta' ELSE '' END, '{}', number %% 20 > 0,
           100 + number %% 7919, 1, number %% 3
    FROM generate_series(1, %s) AS number
"""


@pytest.fixture(scope="module")
def _shelf(rows_of_module: Any) -> None:
    with rows_of_module():
        product = make_variant().product
        with connection.cursor() as cursor:
            # Without the trigger of the catalogue's version, which would run for each row at the end of each test.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(_FILL, [product.category_id, _PRODUCTS])
            cursor.execute("SET LOCAL session_replication_role = origin")
            cursor.execute("SELECT gin_clean_pending_list('product_search')")  # as autovacuum does
            cursor.execute("ANALYZE catalog_product")
            cursor.execute("ANALYZE catalog_category")


@pytest.fixture(autouse=True)
def _planned_without_values(_shelf: None) -> None:
    """Let every statement be planned once and for all parameters, by what ANALYZE says of the rows."""
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")


def plan_of(sort: str, column: str, *, limit: int = 25, start: PageStart | None = None, **filters: Any) -> str:
    """Return the plan that the statement of a page has, after it was run."""
    page = PageRequest(limit=limit, sort=sort, column=column, start=start)
    ran: list[tuple[str, Any]] = []

    def run(statement: str, params: Any, **options: Any) -> Any:
        ran.append((statement, params))
        return prepared.fetch_rows(statement, params, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql, "fetch_rows", run)
        sql.list_shown_products(filters=ProductFilters(**filters), page=page, sees_all=False)
    [(statement, params)] = ran
    return explain_prepared(statement, params)


@pytest.mark.parametrize(
    ("sort", "column", "index"),
    [
        ("-created_at", "created_at", "product_listed_by_time"),
        ("created_at", "created_at", "product_listed_by_time"),
        ("price", "lowest_price", "product_listed_by_price"),
        ("-name", "name", "product_listed_by_name"),
    ],
)
@pytest.mark.parametrize("limit", [1, 25, 100])
def test_a_list_is_read_in_its_order_from_its_index(sort: str, column: str, index: str, limit: int) -> None:
    plan = plan_of(sort, column, limit=limit)

    assert f"using {index} on catalog_product" in plan
    assert "Sort" not in plan
    assert "Seq Scan on catalog_product" not in plan


def test_a_later_page_begins_where_the_one_before_ended() -> None:
    start = PageStart(key="2026-11-21T05:30:00+00:00", id="00000000-0000-0000-0000-000000000000", goes_back=False)

    plan = plan_of("-created_at", "created_at", start=start)

    assert "using product_listed_by_time on catalog_product" in plan
    assert "Index Cond: (created_at <= " in plan
    assert "Sort" not in plan


def test_what_is_in_stock_has_an_index_of_its_own() -> None:
    plan = plan_of("-created_at", "created_at", is_in_stock=True)

    assert "using product_in_stock_by_time on catalog_product" in plan
    assert "Sort" not in plan


def test_a_search_reads_what_has_the_words_and_ranks_no_more() -> None:
    plan = plan_of("-relevance", "relevance", words="kurta")

    assert "Bitmap Index Scan on product_search" in plan
    assert "Seq Scan on catalog_product" not in plan


@pytest.mark.parametrize(
    "filters",
    [
        {"brand": "Brand 7"},
        {"lowest_price_gte": 1},
        {"lowest_price_lte": 10**6},
        {"attributes": {"diet": "veg"}},
        {"words": "kurta", "is_in_stock": True},
    ],
    ids=lambda filters: "+".join(filters),
)
def test_one_of_thousands_of_variants_is_not_prepared_for_which_a_common_one_would_be_dropped(filters: Any) -> None:
    page = PageRequest(limit=25, sort="-created_at", column="created_at")
    sql.list_shown_products(filters=ProductFilters(), page=page, sees_all=False)
    before = list_prepared()

    sql.list_shown_products(filters=ProductFilters(**filters), page=page, sees_all=False)
    sql.list_shown_products(filters=ProductFilters(), page=page, sees_all=True)

    assert list_prepared() == before


@pytest.mark.parametrize("limit", [1, 99, 100])
def test_the_number_of_rows_makes_no_other_statement(limit: int) -> None:
    sql.list_shown_products(
        filters=ProductFilters(), page=PageRequest(limit=25, sort="price", column="lowest_price"), sees_all=False
    )
    before = list_prepared()

    page = PageRequest(limit=limit, sort="price", column="lowest_price")
    rows = sql.list_shown_products(filters=ProductFilters(), page=page, sees_all=False)

    assert (list_prepared(), len(rows)) == (before, limit + 1)


def list_prepared() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%catalog_product%'")
        return {statement for (statement,) in cursor.fetchall()}
