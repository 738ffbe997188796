"""
Lists of the API over large tables: each page, sort and choice of a filter reads rows by an index, and counts and skips none.

What is compared are rows that were read, by the counters of the database, and the text of statements, never the time.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from apps.core.api import KeysetPagination
from apps.settlements.models import BankStatementImport, Settlement
from apps.settlements.pagination import SettlementLinePagination
from tests.architecture.route_map import list_routes
from tests.factories.accounts import make_access_token, make_staff
from tests.support.many_rows import LARGE, TABLES, counted_reads, multiply_rows
from tests.support.shop import Shop, make_busy_shop

pytestmark = pytest.mark.django_db

LIMIT = 20
#: The most rows of large tables that a page of twenty reads: of each its own, and what it refers to, and a page skipped by ties.
MAX_ROWS = 50 * LIMIT
#: The choices of a filter, in its schema.
_CHOICES = re.compile(r"\^\(([a-z_|]+)\)\(,")
#: Queries of lists that read a large table whole, and why they may.
_RARE = "few rows have it in a test: an index of each choice costs each write, and the back office looks nearby first"
ALLOWED: dict[str, dict[str, str]] = {
    "disputes": {"status": _RARE},
    "orders": {"status": _RARE},
    "payments": {"status": _RARE},
    "reconciliation/exceptions": {"reason": _RARE},
    "refunds": {"status": _RARE},
    "shipments": {"status": _RARE},
}
#: Lists that are asked by the buyer: staff are shown products too that are not listed, which no index of listed ones has.
OF_BUYER = {"products"}
#: The pagination of lists of lines, which are an action of another view.
OF_LINES = {
    "bank-statements/<str:bank_statement_import_id>/lines": SettlementLinePagination,
    "settlements/<str:settlement_id>/lines": SettlementLinePagination,
}
#: Lists whose statements count, and why they may.
COUNTS = {"me/notifications": "the number of what is not read, of one person, by an index of its own"}


class ListRoute(NamedTuple):
    """A route that answers with a list, its view, and what it is cut by."""

    path: str
    view: Any

    @property
    def pagination(self) -> Any:
        return OF_LINES.get(name_of(self), self.view.pagination_class)


def find_list_routes(patterns: Any = None, prefix: str = "") -> Iterator[ListRoute]:
    """Every route that answers with a list."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from find_list_routes(pattern.url_patterns, path)
        elif path.startswith("api/v1/"):
            view = pattern.callback.cls
            action = getattr(pattern.callback, "actions", {}).get("get")
            if action in getattr(view, "list_actions", ()):
                yield ListRoute("/" + path, view)


ROUTES = sorted(set(find_list_routes()), key=lambda route: route.path)


def name_of(route: ListRoute) -> str:
    return route.path.removeprefix("/api/v1/")


@pytest.fixture(scope="module")
def shop(rows_of_module: Any) -> Iterator[tuple[Shop, Any]]:
    """A shop with thousands of rows of each kind, and somebody who may read all of it."""
    with rows_of_module():
        made = make_busy_shop()
        multiply_rows(LARGE)
        root = make_staff("admin")
        root.is_superuser = True
        root.save()
        yield made, root


def client_of(user: Any) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_access_token(user)}")
    return client


def queries_of(route: ListRoute) -> list[dict[str, str]]:
    """The queries that a list answers: none, each sort, and each choice of its filters."""
    queries: list[dict[str, str]] = [{}]
    if "sort" in getattr(route.pagination, "PARAMS", ()):
        queries += [{"sort": direction + name} for name in route.pagination.sorts for direction in ("", "-")]
    filters = route.view.filterset_class.base_filters if route.view.filterset_class else {}
    for name, one in filters.items():
        choices = _CHOICES.match(getattr(one, "schema", {}).get("pattern", ""))
        queries += [{name: choice} for choice in (choices.group(1).split("|") if choices else ())]
    return queries


def address_of(route: ListRoute, made: Shop) -> str:
    """The address of a list, with the ids of what is there."""
    ids = {
        "order_id": made.order.public_id,
        "product_id": made.order.lines.first().variant.product.public_id,
        "settlement_id": Settlement.objects.order_by("pk").last().public_id,
        "bank_statement_import_id": BankStatementImport.objects.order_by("pk").last().public_id,
    }
    return re.sub(r"<str:(\w+)>", lambda found: ids[found.group(1)], route.path)


def test_every_list_is_here() -> None:
    names = {name_of(route) for route in ROUTES}

    assert {"orders", "payments", "refunds", "disputes", "invoices", "settlements", "products"} <= names
    assert len(list_routes()) > len(ROUTES) > 15


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_list_is_cut_by_rows_or_never(route: ListRoute) -> None:
    pagination = route.pagination

    assert pagination.__name__ == "WholeListPagination" or issubclass(pagination, KeysetPagination)


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_no_query_reads_a_large_table_whole(route: ListRoute, shop: tuple[Shop, Any], count_queries: Any) -> None:
    made, root = shop
    client = client_of(made.buyer if name_of(route) in OF_BUYER else root)
    path, allowed = address_of(route, made), ALLOWED.get(name_of(route), {})
    client.get(path)  # the caches of the process are filled
    whole, long, counting = {}, {}, []

    for query in queries_of(route):
        if query.keys() & allowed.keys():
            continue
        address: str | None = f"{path}?{urlencode({'limit': LIMIT, **query})}" if query else path
        for page in ("first", "next"):
            with count_queries() as queries, counted_reads() as reads:
                answer = client.get(address)
            assert answer.status_code == 200, (address, answer.content[:200])
            name = f"{page} page of {query}"
            tables = sorted(TABLES & reads.scans.keys())
            whole.update({name: tables} if tables else {})
            rows = sum(count for table, count in reads.rows.items() if table in TABLES)
            long.update({name: rows} if rows > MAX_ROWS else {})
            counting += [
                each["sql"] for each in queries if re.search(r"COUNT\(|\bOFFSET\b", each["sql"], re.IGNORECASE)
            ]
            cursor = answer.json().get("next_cursor")
            if cursor is None:
                break
            address = f"{path}?{urlencode({**query, 'limit': LIMIT, 'cursor': cursor})}"

    assert (whole, long) == ({}, {})
    assert bool(counting) is (name_of(route) in COUNTS), counting
