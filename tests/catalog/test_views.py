from typing import Any
from uuid import uuid4

import pytest

from apps.catalog.models import Category, Product, StockMovement, Variant
from apps.core import ids
from apps.core.models import Event
from tests.factories.catalog import make_product, make_variant
from tests.support.stock import plant_stock, stock_of

pytestmark = pytest.mark.django_db

PUBLIC = "public, max-age=60, stale-while-revalidate=300"


def make_goods(count: int = 1, **fields: Any) -> list[Variant]:
    return [make_variant(product=make_product(), **fields) for _ in range(count)]


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


class TestLists:
    def test_are_public_and_cacheable(self, anonymous: Any) -> None:
        [variant] = make_goods()

        response = anonymous.get("/api/v1/products")

        assert response.status_code == 200
        assert response["Cache-Control"] == PUBLIC
        assert "Authorization" in response["Vary"]
        body = response.json()
        assert (body["object"], body["has_more"], body["next_cursor"], body["prev_cursor"]) == (
            "list",
            False,
            None,
            None,
        )
        [product] = body["data"]
        assert product["id"] == variant.product.public_id
        assert (product["lowest_price"], product["currency"], product["in_stock"]) == (49_900, "INR", True)
        assert product["category"]["slug"] == "clothing"
        assert "stock" not in str(product.keys() - {"in_stock"})

    def test_answer_304_until_changed(self, anonymous: Any) -> None:
        [variant] = make_goods()
        etag = anonymous.get("/api/v1/products")["ETag"]

        again = anonymous.get("/api/v1/products", headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again["Cache-Control"]) == (304, b"", PUBLIC)

        plant_stock(variant, reserved=10)
        assert anonymous.get("/api/v1/products", headers={"If-None-Match": etag}).status_code == 200

    def test_authenticated_responses_are_not_cached(self, client_of: Any, owner: Any) -> None:
        assert client_of(owner).get("/api/v1/products")["Cache-Control"] == "private, no-store"

    def test_query_count_is_constant(self, anonymous: Any, count_queries: Any) -> None:
        make_goods()
        with count_queries() as few:
            assert len(anonymous.get("/api/v1/products?limit=50&q=kurta").json()["data"]) == 1
        make_goods(49)
        with count_queries() as many:
            assert len(anonymous.get("/api/v1/products?limit=50&q=kurta").json()["data"]) == 50

        assert len(few) == len(many) == 1

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("price", ["C", "A", "B"]), ("-price", ["B", "A", "C"]), ("name", ["A", "B", "C"]), ("-name", ["C", "B", "A"]),
            ("created_at", ["B", "C", "A"]), ("-created_at", ["A", "C", "B"]),
        ],
    )  # fmt: skip
    def test_are_sorted_as_asked(self, anonymous: Any, sort: str, expected: list[str]) -> None:
        for name, price in (("B", 300), ("C", 100), ("A", 200)):
            make_variant(product=make_product(name=name), price=price)

        assert [row["name"] for row in anonymous.get(f"/api/v1/products?sort={sort}").json()["data"]] == expected

    @pytest.mark.parametrize("sort", ["price", "-price", "name", "-name", "created_at", "-created_at"])
    def test_of_equal_values_come_once_in_pages(self, anonymous: Any, sort: str) -> None:
        for _ in range(11):
            make_variant(product=make_product(name="Same"), price=100)

        seen: list[str] = []
        params = {"limit": 4, "sort": sort}
        body = anonymous.get("/api/v1/products", params).json()
        while True:
            seen += [row["id"] for row in body["data"]]
            if not body["has_more"]:
                break
            body = anonymous.get("/api/v1/products", {**params, "cursor": body["next_cursor"]}).json()

        assert len(seen) == len(set(seen)) == 11

    def test_cursors_belong_to_their_filters(self, anonymous: Any) -> None:
        make_goods(3)
        cursor = anonymous.get("/api/v1/products?limit=1&q=kurta").json()["next_cursor"]

        assert anonymous.get("/api/v1/products", {"limit": 1, "q": "kurta", "cursor": cursor}).status_code == 200
        for other in ({"q": "cotton"}, {"q": "kurta", "brand": "x"}, {}):
            response = anonymous.get("/api/v1/products", {"limit": 1, "cursor": cursor, **other})
            assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")

    def test_search_puts_the_best_first_and_can_be_sorted_otherwise(self, anonymous: Any) -> None:
        make_variant(product=make_product(name="Kurta"), price=500)
        make_variant(product=make_product(name="Lamp", description="for a kurta"), price=100)

        assert names(anonymous.get("/api/v1/products?q=kurta")) == ["Kurta", "Lamp"]
        assert names(anonymous.get("/api/v1/products?q=kurta&sort=relevance")) == ["Lamp", "Kurta"]
        assert names(anonymous.get("/api/v1/products?q=kurta&sort=price")) == ["Lamp", "Kurta"]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("colour=red", "unknown_parameter"),
            ("price=5", "unknown_parameter"),
            ("price__gte=5", "unknown_parameter"),
            ("category__slug=x", "unknown_parameter"),
            ("brand=a&brand=b", "duplicate_parameter"),
            ("price[gte]=cheap", "invalid_filter"),
            ("in_stock=1", "invalid_filter"),
            ("brand=", "invalid_filter"),
            ("in_stock=", "invalid_filter"),
            ("attributes=", "invalid_filter"),
            ("price[lte]=", "invalid_filter"),
            ("sort=relevance", "invalid_sort"),
            ("sort=search", "invalid_sort"),
            ("limit=0", "invalid_limit"),
            ("limit=101", "invalid_limit"),
            ("cursor=made-up", "invalid_cursor"),
            ("sort=", "invalid_sort"),
            ("cursor=", "invalid_cursor"),
            ("category=shoes", "unknown_category"),
            ("category=", "unknown_category"),
            ("q=%00", "invalid_parameter"),
            ("q=" + "x" * 201, "invalid_filter"),
        ],
    )
    def test_unknown_parameters_are_refused(self, anonymous: Any, query: str, code: str) -> None:
        response = anonymous.get(f"/api/v1/products?{query}")

        assert (response.status_code, response.json()["error"]["code"]) == (400, code)

    def test_of_a_category_hold_its_products_alone(self, anonymous: Any) -> None:
        make_goods()
        Category.objects.create(name="Tea", slug="tea", position=2)

        assert len(anonymous.get("/api/v1/products?category=clothing").json()["data"]) == 1
        assert anonymous.get("/api/v1/products?category=tea").json()["data"] == []
        refusal = anonymous.get("/api/v1/products?category=cloth").json()["error"]
        assert refusal["message"] == "There is no category cloth. GET /categories lists them."
        assert refusal["param"] == "category"

    def test_of_categories_come_in_the_order_of_the_shop(self, anonymous: Any, count_queries: Any) -> None:
        Category.objects.create(name="Tea", slug="tea", position=2)
        Category.objects.create(name="Spices", slug="spices", position=1)

        with count_queries() as queries:
            response = anonymous.get("/api/v1/categories")

        assert names(response) == ["Spices", "Tea"]
        assert response["Cache-Control"] == PUBLIC
        assert len(queries) == 1
        etag = {"If-None-Match": response["ETag"]}
        assert anonymous.get("/api/v1/categories", headers=etag).status_code == 304


class TestDetail:
    def test_of_a_product_hold_its_variants_and_no_counts_for_buyers(
        self, anonymous: Any, client_of: Any, owner: Any, stranger: Any
    ) -> None:
        [variant] = make_goods(stock=7)
        make_variant(product=variant.product, stock=0, position=1)
        make_variant(product=variant.product, is_active=False, position=2)
        Product.objects.filter(pk=variant.product_id).update(lowest_price=variant.price)
        url = f"/api/v1/products/{variant.product.public_id}"

        body = anonymous.get(url).json()

        assert [one["in_stock"] for one in body["variants"]] == [True, False]
        assert all("stock" not in one for one in body["variants"])
        assert client_of(owner).get(url).json() == client_of(stranger).get(url).json() == body

    def test_of_a_product_hold_counts_and_hidden_variants_for_staff(
        self, client_of: Any, catalogue_manager: Any
    ) -> None:
        [variant] = make_goods(stock=7)
        plant_stock(variant, reserved=2)
        make_variant(product=variant.product, is_active=False, position=2)

        body = client_of(catalogue_manager).get(f"/api/v1/products/{variant.product.public_id}").json()

        assert body["variants"][0]["stock"] == {"on_hand": 7, "reserved": 2, "available": 5}
        assert len(body["variants"]) == 2

    def test_query_count_is_constant(self, anonymous: Any, count_queries: Any) -> None:
        [variant] = make_goods()
        url = f"/api/v1/products/{variant.product.public_id}"
        with count_queries() as few:
            anonymous.get(url)
        for _ in range(9):
            make_variant(product=variant.product)
        with count_queries() as many:
            assert len(anonymous.get(url).json()["variants"]) == 10

        assert len(few) == len(many) == 2

    def test_of_what_is_not_published_are_not_found(
        self, anonymous: Any, client_of: Any, catalogue_manager: Any
    ) -> None:
        hidden = make_variant(product=make_product(is_published=False))
        over = make_variant(is_active=False)
        urls = [
            f"/api/v1/products/{hidden.product.public_id}", f"/api/v1/variants/{hidden.public_id}",
            f"/api/v1/products/{over.product.public_id}", f"/api/v1/variants/{over.public_id}",
            f"/api/v1/products/{hidden.product.public_id}/variants",
        ]  # fmt: skip

        for url in urls:
            assert anonymous.get(url).status_code == 404
            assert client_of(catalogue_manager).get(url).status_code == 200

    @pytest.mark.parametrize("text", ["x", "prod_", "var_01jf3z8k4q0000000000000000", "1", "prod_" + "z" * 26])
    def test_of_no_id_are_not_found(self, anonymous: Any, text: str) -> None:
        assert anonymous.get(f"/api/v1/products/{text}").status_code == 404

    def test_of_a_variant_answer_304_until_stock_or_price_changes(self, anonymous: Any) -> None:
        [variant] = make_goods(stock=1)
        url = f"/api/v1/variants/{variant.public_id}"
        first = anonymous.get(url)

        assert first.json()["price"] == 49_900
        assert first["Cache-Control"] == PUBLIC
        assert anonymous.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
        plant_stock(variant, reserved=1)
        assert anonymous.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200

    def test_list_the_variants_of_a_product(self, anonymous: Any) -> None:
        [variant] = make_goods()

        body = anonymous.get(f"/api/v1/products/{variant.product.public_id}/variants").json()

        assert [one["sku"] for one in body["data"]] == [variant.sku]


class TestStaffRequests:
    @pytest.fixture
    def category(self) -> Category:
        return Category.objects.create(name="Clothing", slug="clothing")

    @pytest.fixture
    def manager(self, client_of: Any, catalogue_manager: Any) -> Any:
        return client_of(catalogue_manager)

    def test_created_product_is_visible_to_buyers(self, manager: Any, anonymous: Any, category: Category) -> None:
        made = manager.post(
            "/api/v1/products",
            {
                "category_id": category.public_id,
                "name": "Cotton Kurta",
                "brand": "Suti",
                "attributes": {"fabric": "cotton"},
            },
            format="json",
        )
        assert made.status_code == 201, made.content
        url = made["Location"]
        assert anonymous.get(url).status_code == 404
        variant = manager.post(
            f"{url}/variants",
            {"sku": "KUR-M", "title": "M", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900},
            format="json",
        )
        assert variant.status_code == 201, variant.content
        moved = manager.post(
            "/api/v1/stock-adjustments",
            {"variant_id": variant.json()["id"], "quantity": 40, "kind": "receipt", "reason": "Delivery note 771"},
            format="json",
            headers=key(),
        )
        assert moved.status_code == 201, moved.content
        assert moved.json()["stock"] == {"on_hand": 40, "reserved": 0, "available": 40}

        body = anonymous.get(url).json()
        assert (body["lowest_price"], body["in_stock"], body["attributes"]) == (49_900, True, {"fabric": "cotton"})
        assert body["variants"][0]["sku"] == "KUR-M"

    def test_change_a_product_that_they_have_read(self, manager: Any) -> None:
        [variant] = make_goods()
        url = f"/api/v1/products/{variant.product.public_id}"
        etag = manager.get(url)["ETag"]

        changed = manager.patch(url, {"brand": "Suti"}, format="json", headers={"If-Match": etag})

        assert (changed.status_code, changed.json()["brand"]) == (200, "Suti")
        assert changed["ETag"] == manager.get(url)["ETag"]
        stale = manager.patch(url, {"brand": "X"}, format="json", headers={"If-Match": etag})
        assert (stale.status_code, stale.json()["error"]["code"]) == (412, "version_mismatch")
        blind = manager.patch(url, {"brand": "X"}, format="json")
        assert (blind.status_code, blind.json()["error"]["code"]) == (428, "precondition_required")
        plain = manager.patch(
            url, {"brand": "Y"}, format="json", headers={"If-Match": f'"v{changed.json()["version"]}"'}
        )
        assert plain.status_code == 200
        assert Event.objects.filter(subject_id=variant.product_id).count() == 2

    def test_change_a_price_which_the_list_then_shows(self, manager: Any, anonymous: Any) -> None:
        [variant] = make_goods()
        url = f"/api/v1/variants/{variant.public_id}"

        changed = manager.patch(url, {"price": 44_900}, format="json", headers={"If-Match": manager.get(url)["ETag"]})

        assert (changed.status_code, changed.json()["price"]) == (200, 44_900)
        assert anonymous.get("/api/v1/products").json()["data"][0]["lowest_price"] == 44_900
        stale = manager.patch(url, {"price": 1}, format="json", headers={"If-Match": '"v0"'})
        assert stale.status_code == 412

    def test_same_key_adjusts_stock_once(self, manager: Any) -> None:
        [variant] = make_goods(stock=5)
        body = {"variant_id": variant.public_id, "quantity": -2, "reason": "broken"}
        headers = key()

        first = manager.post("/api/v1/stock-adjustments", body, format="json", headers=headers)
        second = manager.post("/api/v1/stock-adjustments", body, format="json", headers=headers)

        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert second["Idempotent-Replayed"] == "true"
        assert stock_of(variant).on_hand == 3
        keyless = manager.post("/api/v1/stock-adjustments", body, format="json")
        assert (keyless.status_code, keyless.json()["error"]["code"]) == (400, "idempotency_key_missing")

    def test_removing_reserved_units_is_refused(self, manager: Any) -> None:
        [variant] = make_goods(stock=5)
        body = {"variant_id": variant.public_id, "quantity": -6, "reason": "broken"}

        response = manager.post("/api/v1/stock-adjustments", body, format="json", headers=key())

        assert (response.status_code, response.json()["error"]["code"]) == (409, "stock_reserved")
        assert StockMovement.objects.count() == 1

    @pytest.mark.parametrize(
        ("change", "code", "param"),
        [
            ({"price": "49900"}, "invalid", "price"),
            ({"price": -1}, "min_value", "price"),
            ({"price": 10**14}, "max_value", "price"),
            ({"price": True}, "invalid", "price"),
            ({"hsn": "12"}, "invalid_hsn", "hsn"),
            ({"tax_class": "luxury"}, "unknown_tax_class", "tax_class"),
            ({"sku": "has space"}, "invalid", "sku"),
            ({"uqc": "each"}, "invalid_choice", "uqc"),
            ({"attributes": {"size": 5}}, "invalid", "attributes.size"),
            ({"attributes": {"": "x"}}, "bad_name", "attributes"),
            ({"attributes": {str(number): "x" for number in range(31)}}, "too_many", "attributes"),
            ({"is_active": "yes"}, "invalid", "is_active"),
            ({"version": 3}, "unknown_field", "version"),
            ({"lowest_price": 3}, "unknown_field", "lowest_price"),
        ],
    )
    def test_invalid_variants_are_refused(self, manager: Any, change: dict[str, Any], code: str, param: str) -> None:
        product = make_product()
        body = {"sku": "KUR-M", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900, **change}

        response = manager.post(f"/api/v1/products/{product.public_id}/variants", body, format="json")

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, code, param)
        assert not Variant.objects.exists()

    def test_unknown_references_are_refused(self, manager: Any) -> None:
        absent = ids.encode("prod", uuid4())
        variant = {"sku": "KUR-M", "hsn": "61091000", "tax_class": "gst_5", "price": 49_900}
        stock = {"variant_id": ids.encode("var", uuid4()), "quantity": 1, "reason": "x"}
        product = {"category_id": ids.encode("cat", uuid4()), "name": "x"}

        assert manager.post(f"/api/v1/products/{absent}/variants", variant, format="json").status_code == 404
        assert manager.post("/api/v1/stock-adjustments", stock, format="json", headers=key()).status_code == 404
        assert manager.post("/api/v1/products", product, format="json").status_code == 404
        assert manager.patch(f"/api/v1/products/{absent}", {}, format="json").status_code == 404

    def test_buyers_and_other_staff_are_refused(
        self, client_of: Any, anonymous: Any, stranger: Any, support: Any, finance: Any, category: Category
    ) -> None:
        [variant] = make_goods(stock=5)
        calls = [
            ("post", "/api/v1/products", {"category_id": category.public_id, "name": "x"}),
            ("patch", f"/api/v1/products/{variant.product.public_id}", {"name": "x"}),
            ("post", f"/api/v1/products/{variant.product.public_id}/variants",
             {"sku": "X", "hsn": "6109", "tax_class": "gst_5", "price": 1}),
            ("patch", f"/api/v1/variants/{variant.public_id}", {"price": 1}),
            ("post", "/api/v1/stock-adjustments", {"variant_id": variant.public_id, "quantity": 1, "reason": "x"}),
        ]  # fmt: skip

        for verb, url, body in calls:
            headers = {**key(), "If-Match": "*"}
            assert getattr(anonymous, verb)(url, body, format="json", headers=headers).status_code == 401
            for user in (stranger, support, finance):
                response = getattr(client_of(user), verb)(url, body, format="json", headers=headers)
                assert response.status_code == 403, (verb, url, user)

        assert (Product.objects.count(), Variant.objects.count(), StockMovement.objects.count()) == (1, 1, 1)
        assert Variant.objects.get().price == 49_900


def names(response: Any) -> list[str]:
    return [row["name"] for row in response.json()["data"]]
