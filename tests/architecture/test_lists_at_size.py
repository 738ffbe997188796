"""
Lists of large tables: whatever page of them is opened, they read the rows of that page by an index.

Each table has some thousand rows. What is compared are rows that were read and statements, never the time.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.core import admin_lists
from apps.core.admin_keysets import Cursor, Keyset
from tests.factories.accounts import make_staff
from tests.support.admin_clients import label
from tests.support.many_rows import COUNT, LARGE, TABLES, TableReads, counted_reads, multiply_rows
from tests.support.shop import make_busy_shop

pytestmark = pytest.mark.django_db

#: Lists that are cut by numbers, and why.
NUMBERED = {
    "payments.Dispute": "those to answer come first, by deadline, which may be missing; one order in a thousand has one"
}
PAGES = sorted(
    (entry for entry in admin.site._registry.items() if entry[0] in LARGE and entry[0]._meta.label not in NUMBERED),
    key=lambda entry: entry[0]._meta.label,
)

PER_PAGE = 50
#: Signing in takes four, the rows one, their number one; the rest is for choices of filters, and for names that several rows share.
MAX_STATEMENTS = 10


@pytest.fixture(scope="module")
def root(rows_of_module: Any) -> Iterator[Any]:
    """Somebody who may look at everything, in a shop with thousands of rows of each kind."""
    with rows_of_module():
        make_busy_shop()
        multiply_rows(LARGE)
        user = make_staff("admin")
        user.is_superuser = True
        user.save()
        yield user


@pytest.fixture
def browser(root: Any) -> Client:
    browser = Client()
    browser.force_login(root)
    browser.get("/admin/")
    return browser


def path_of(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def read_page(browser: Client, path: str, query: dict[str, str], count_queries: Any) -> tuple[Any, TableReads, int]:
    """Open a page; return its list, what was read of the large tables, and the number of statements."""
    with count_queries() as queries, counted_reads() as reads:
        answer = browser.get(path, query)
    assert answer.status_code == 200, (path, query, answer.status_code)
    return answer.context["cl"], reads, len(queries)


def large_scans(reads: TableReads) -> dict[str, int]:
    return {table: count for table, count in reads.scans.items() if table in TABLES}


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_a_far_page_reads_what_the_first_one_reads(entry: Any, root: Any, browser: Client, count_queries: Any) -> None:
    model, _ = entry
    path = path_of(model)
    browser.get(path)  # what is kept for a while, such as the names of staff, is read
    first, first_reads, first_count = read_page(browser, path, {}, count_queries)
    request = RequestFactory().get("/")
    request.user = root
    keyset = Keyset.find(model, first.get_ordering(request, first.queryset))
    assert keyset is not None
    names = [term.name for term in keyset.terms]
    values = first.queryset.values_list(*names)[COUNT * 3 // 4]

    far, far_reads, far_count = read_page(
        browser, path, {"p": keyset.sign_cursor(Cursor(values, goes_back=False))}, count_queries
    )

    assert (len(first.result_list), len(far.result_list)) == (PER_PAGE, PER_PAGE)
    scans = (large_scans(first_reads), large_scans(far_reads))
    assert scans == ({}, {}), scans
    assert far_count == first_count
    assert first_count <= MAX_STATEMENTS, first_count
    for table in TABLES & (first_reads.rows.keys() | far_reads.rows.keys()):
        assert abs(far_reads.rows.get(table, 0) - first_reads.rows.get(table, 0)) <= PER_PAGE, table
    assert sum(count for table, count in far_reads.rows.items() if table in TABLES) <= 20 * PER_PAGE


#: Filters that look through a table whose rows all fit a window; of each list, the parameters of each choice.
WINDOW = 500


def choices_of(changes: Any) -> list[dict[str, str]]:
    """The parameters of each choice that the filters of a list offer, but that of all."""
    queries = [
        QueryDict(str(choice["query_string"]).removeprefix("?")).dict()
        for spec in changes.filter_specs
        for choice in spec.choices(changes)
    ]
    return [query for query in queries if query]


@pytest.mark.parametrize("entry", PAGES, ids=label)
def test_no_filter_reads_more_than_a_window(
    entry: Any, browser: Client, count_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is chosen, however rare it is: what an index finds, or what is among the next rows."""
    monkeypatch.setattr(admin_lists, "MAX_UNINDEXED_ROWS", WINDOW)
    path = path_of(entry[0])
    changes, _, _ = read_page(browser, path, {}, count_queries)
    whole_tables = {}

    for query in choices_of(changes):
        _, reads, _ = read_page(browser, path, query, count_queries)
        if large_scans(reads):
            whole_tables[str(query)] = large_scans(reads)
        assert reads.rows.get(entry[0]._meta.db_table, 0) <= 3 * WINDOW, query

    assert whole_tables == {}
