import itertools
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser

from apps.catalog import filters, selectors
from apps.catalog.models import Product
from apps.catalog.rules import ProductFilters
from apps.core.api import KeysetPagination
from apps.core.api.pagination import Page
from apps.core.api.requests import InvalidFilter
from apps.core.pages import PageRequest
from tests.factories.catalog import make_product, make_variant

pytestmark = pytest.mark.django_db

BUYER = AnonymousUser()


def make_goods(name: str, *, price: int = 100, stock: int = 1, **fields: Any) -> Product:
    product = make_product(name=name, **fields)
    make_variant(product=product, price=price, stock=stock)
    return product


def found(text: str) -> list[str]:
    page = PageRequest(limit=100, sort="-relevance", column="relevance")
    return [product.name for product in list_page(page, words=text)]


def list_page(page: PageRequest, *, user: Any = BUYER, **filters: Any) -> list[Any]:
    sees_all = selectors.can_view_all_products(user)
    return selectors.list_shown_products(filters=ProductFilters(**filters), page=page, sees_all=sees_all)


def list_all(user: Any) -> list[Any]:
    return list_page(PageRequest(limit=100, sort="-created_at", column="created_at"), user=user)


class TestSearch:
    def test_ranks_the_name_above_the_brand_above_the_description(self) -> None:
        make_goods("Brass lamp", description="Goes with any kurta.")
        make_goods("Silk shirt", brand="Kurta House")
        make_goods("Cotton kurta")

        assert found("kurta") == ["Cotton kurta", "Silk shirt", "Brass lamp"]

    def test_knows_word_forms_phrases_or_and_without(self) -> None:
        for name in ("Red cotton shirt", "Red silk shirts", "Cotton red rug"):
            make_goods(name)

        assert set(found("shirt")) == {"Red cotton shirt", "Red silk shirts"}
        assert found('"red cotton"') == ["Red cotton shirt"]
        assert set(found("silk or rug")) == {"Red silk shirts", "Cotton red rug"}
        assert found("red -shirt") == ["Cotton red rug"]

    @pytest.mark.parametrize(
        "text",
        [
            "'",
            '"',
            "a & | !",
            ":*",
            "\\",
            "%",
            "_",
            "((((",
            "the of",
            "'); DROP TABLE x; --",
            "-",
            "<->",
            "🙂",
            "क" * 99,
        ],
    )
    def test_of_strange_text_finds_nothing_and_fails_never(self, text: str) -> None:
        make_goods("Cotton kurta")

        assert found(text) == []


class TestVisibility:
    def test_buyers_see_what_is_published_and_has_an_active_variant(self, administrator: Any, owner: Any) -> None:
        shown = make_goods("Shown")
        hidden = make_goods("Hidden", is_published=False)
        empty = make_product(name="Without variants")
        over = make_product(name="Discontinued")
        make_variant(product=over, is_active=False)

        for buyer in (BUYER, owner):
            assert [product.pk for product in list_all(buyer)] == [shown.pk]
        assert {product.pk for product in list_all(administrator)} == {shown.pk, hidden.pk, empty.pk, over.pk}

    def test_stock_counts_what_is_free_of_active_variants(self) -> None:
        product = make_goods("Kurta", stock=0)
        make_variant(product=product, stock=5, is_active=False)
        assert [product.is_in_stock for product in list_all(BUYER)] == [False]

        make_variant(product=product, stock=1)
        assert [product.is_in_stock for product in list_all(BUYER)] == [True]


class TestFilters:
    def names(self, **params: str) -> list[str]:
        page = PageRequest(limit=10, sort="name", column="name")
        found = selectors.list_shown_products(
            filters=filters.ProductFilterSet.read_filters(params), page=page, sees_all=False
        )
        return [product.name for product in found]

    def test_filters_by_price_brand_stock_and_attributes(self) -> None:
        make_goods("Cheap", price=100, brand="Suti", attributes={"diet": "veg", "origin": "Kerala"})
        make_goods("Dear", price=200, stock=0, attributes={"diet": "veg"})

        assert self.names(**{"price[gte]": "101"}) == ["Dear"]
        assert self.names(**{"price[lte]": "100"}) == ["Cheap"]
        assert self.names(**{"price[gte]": "100", "price[lte]": "200"}) == ["Cheap", "Dear"]
        assert self.names(brand="Suti") == ["Cheap"]
        assert (self.names(in_stock="true"), self.names(in_stock="false")) == (["Cheap"], ["Dear"])
        assert self.names(attributes="diet:veg") == ["Cheap", "Dear"]
        assert self.names(attributes="diet:veg, origin:Kerala") == ["Cheap"]
        assert self.names(category="clothing") == ["Cheap", "Dear"]
        with pytest.raises(filters.UnknownCategory):
            self.names(category="no-such")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("price[gte]", "-1"), ("price[gte]", "1.5"), ("price[lte]", "9" * 14), ("price[lte]", "ten"), ("price[gte]", "१०"),
            ("in_stock", "yes"), ("in_stock", "True"), ("attributes", "diet"), ("attributes", ":veg"), ("attributes", "diet:"),
            ("category", "x" * 81), ("brand", "x" * 81), ("attributes", "a:" + "b" * 400),
        ],
    )  # fmt: skip
    def test_invalid_values_are_refused(self, name: str, value: str) -> None:
        with pytest.raises((InvalidFilter, filters.UnknownCategory)) as refused:
            self.names(**{name: value})

        assert refused.value.param == name


class TestSearchPagination:
    """Many products share one relevance, so that the id alone parts them; others come and go meanwhile."""

    PAGER = KeysetPagination(sorts={"relevance": "relevance"}, default="-relevance", scope="x")

    def page(self, cursor: str | None, limit: int = 4) -> Any:
        wanted = self.PAGER.read_request({"limit": str(limit), **({"cursor": cursor} if cursor else {})})
        return self.PAGER.make_page(list_page(wanted, words="kurta"), wanted)

    @staticmethod
    def ids(page: Page) -> list[UUID]:
        return [product.pk for product in page.rows]

    @pytest.fixture
    def shelf(self) -> list[UUID]:
        plain = [make_goods("Cotton kurta") for _ in range(17)]
        weak = [make_goods(f"Lamp {number}", description="kurta") for number in range(3)]
        strong = [make_goods("Kurta kurta kurta") for _ in range(3)]
        return [product.pk for product in (*reversed(strong), *reversed(plain), *reversed(weak))]

    def test_each_product_appears_once_in_both_directions(self, shelf: list[UUID]) -> None:
        forth: list[UUID] = []
        page = self.page(None)
        while True:
            forth += self.ids(page)
            if page.next_cursor is None:
                break
            page = self.page(page.next_cursor)
        back = self.ids(page)
        while page.prev_cursor:
            page = self.page(page.prev_cursor)
            back = [*self.ids(page), *back]

        assert forth == shelf
        assert back == shelf

    def test_concurrent_changes_skip_or_repeat_nothing(self, shelf: list[UUID]) -> None:
        seen: list[UUID] = []
        page = self.page(None)
        for turn in itertools.count():
            seen += self.ids(page)
            if page.next_cursor is None:
                break
            make_goods("Cotton kurta" if turn % 2 else "Kurta kurta kurta")
            Product.objects.filter(pk=seen[0]).update(is_published=False)
            page = self.page(page.next_cursor)

        assert [product for product in seen if product in shelf] == shelf
        assert len(set(seen)) == len(seen)
