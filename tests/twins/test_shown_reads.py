"""What the hot path reads to be shown: the same bytes by the ORM, by SQL and by REST framework, whatever the rows hold."""

import functools
import itertools
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.catalog.models import Category, Product, StockLevel, Variant
from apps.catalog.rules import ProductFilters
from apps.catalog.serializers import ProductDetailResponse, ProductResponse
from apps.core import clock
from apps.core.pages import PageRequest, PageStart
from apps.orders.models import Order, OrderLine
from apps.orders.serializers import OrderResponse
from apps.orders.states import FulfilmentStatus, OrderStatus
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.serializers.downtimes import PaymentDowntimeResponse
from apps.payments.serializers.payments import PaymentResponse
from apps.payments.states import AttemptStatus, PaymentStatus
from apps.tax.rules import UQCS, Taxability
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_product, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment
from tests.support.downtimes import later, make_downtime
from tests.twins.shown import read_both, show, show_all

pytestmark = pytest.mark.django_db

NOW = clock.now()
#: Rows are changed for each example, in the transaction of the test.
examples = settings(max_examples=30, suppress_health_check=list(HealthCheck))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
amounts = st.integers(0, 10**15)
instants = st.integers(0, 10**9).map(lambda number: NOW + timedelta(microseconds=number * 1000 + number % 1000))
pairs = st.dictionaries(texts, texts, max_size=3)
metadata = st.dictionaries(texts, st.one_of(texts, st.none(), st.booleans(), st.integers(-(2**63), 2**63)), max_size=3)


def update(row: Any, values: dict[str, Any]) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**values)


class TestProductPage:
    @pytest.fixture
    def shelf(self) -> list[Product]:
        """Eleven products of which some are alike in what they are sorted by, and three that buyers do not see."""
        books = Category.objects.create(name="पुस्तकें", slug="books")
        names = ["Cotton kurta", "Silk kurta", "Cotton kurta", "Brass lamp", "चाय", "Rug 🙂", "kurta kurta", "Áo dài"]
        products = [
            make_product(name=name, brand="Suti" if number % 2 else "", category=books if number % 3 == 0 else None,
                         attributes={"diet": "veg", "origin": "Kerala"} if number % 2 else {}, description="Goes with a kurta.",
                         metadata={"shelf": number} if number > 5 else {})
            for number, name in enumerate([*names, *names[:3]])
        ]  # fmt: skip
        for number, product in enumerate(products):
            make_variant(product=product, price=100 + number // 2, stock=number % 3)
        same = NOW.replace(microsecond=123_456)
        Product.objects.filter(pk__in=[product.pk for product in products[3:7]]).update(created_at=same)
        make_variant(product=make_product(name="Hidden kurta", is_published=False))
        make_variant(product=make_product(name="Old kurta"), is_active=False)
        make_product(name="Bare kurta")
        return products

    @pytest.mark.parametrize("sees_all", [False, True])
    @pytest.mark.parametrize(
        "values",
        [
            {}, {"category_id": None}, {"brand": "Suti"}, {"brand": "' OR true --"}, {"lowest_price_gte": 102},
            {"lowest_price_gte": 101, "lowest_price_lte": 103}, {"is_in_stock": True}, {"is_in_stock": False},
            {"attributes": {"diet": "veg", "origin": "Kerala"}}, {"attributes": {"diet": '"'}}, {"words": "kurta"},
            {"words": "kurta -silk"}, {"words": '"cotton kurta" or चाय'}, {"words": "')("}, {"words": "the"},
            {"words": "kurta", "is_in_stock": True, "brand": "Suti", "lowest_price_gte": 1, "attributes": {"diet": "veg"}},
        ],
        ids=str,
    )  # fmt: skip
    def test_each_page_of_each_sort_is_the_same_in_both_directions(
        self, shelf: list[Product], values: dict[str, Any], sees_all: bool, monkeypatch: Any
    ) -> None:
        if "category_id" in values:
            values = {"category_id": shelf[0].category_id}
        filters = ProductFilters(**values)
        sorts = {"created_at": "created_at", "name": "name", "price": "lowest_price"}
        if filters.words is not None:
            sorts["relevance"] = "relevance"

        def read_page(sort: str, column: str, start: PageStart | None) -> list[Any]:
            page = PageRequest(limit=2, sort=sort, column=column, start=start)
            reads = read_both("catalog.list_shown_products", filters=filters, page=page, sees_all=sees_all)
            bodies = show_all(ProductResponse, reads, monkeypatch)
            assert bodies[0] == bodies[1] == bodies[2]
            assert [self.key(row, column) for row in reads[0]] == [self.key(row, column) for row in reads[1]]
            return list(reads[1])

        for (name, column), direction in itertools.product(sorts.items(), ("", "-")):
            read = functools.partial(read_page, direction + name, column)
            forth = self.walk(read, column)
            back = self.walk(read, column, before=forth[-1]) if forth else []
            assert [row.pk for row in forth[:-1]] == [row.pk for row in reversed(back)]
            assert len({row.pk for row in forth}) == len(forth)

    def walk(self, read: Any, column: str, *, before: Any = None) -> list[Any]:
        """Return all rows, page by page; or backwards those before one of them."""
        last, found = before, []
        while True:
            start = None
            if last is not None:  # as a cursor keeps it
                key, pk = orjson.loads(orjson.dumps(self.key(last, column)))
                start = PageStart(key=key, id=pk, goes_back=before is not None)
            rows = read(start)
            found += rows[:2]
            if len(rows) <= 2:
                return found
            last = rows[1]

    @staticmethod
    def key(row: Any, column: str) -> tuple[Any, Any]:
        return getattr(row, column), row.pk

    @examples
    @given(
        values=st.fixed_dictionaries(
            {
                "name": texts, "brand": texts, "attributes": pairs, "metadata": metadata, "lowest_price": amounts,
                "levels_in_stock_count": st.integers(0, 2), "version": st.integers(0, 10**6), "created_at": instants,
            }
        )
    )  # fmt: skip
    def test_whatever_a_product_holds(self, values: dict[str, Any]) -> None:
        product = Product.objects.first() or make_variant().product
        update(product, values)
        page = PageRequest(limit=25, sort="-created_at", column="created_at")

        with pytest.MonkeyPatch.context() as patch:
            reads = read_both("catalog.list_shown_products", filters=ProductFilters(), page=page, sees_all=False)
            bodies = show_all(ProductResponse, reads, patch)

        assert bodies[0] == bodies[1] == bodies[2]
        assert values["name"] in {each["name"] for each in orjson.loads(bodies[1])}


class TestProduct:
    @examples
    @given(
        values=st.fixed_dictionaries({"description": texts, "brand": texts, "metadata": metadata, "attributes": pairs}),
        variant=st.fixed_dictionaries(
            {"title": texts, "price": amounts, "price_includes_tax": st.booleans(), "is_active": st.booleans(),
             "uqc": st.sampled_from(sorted(UQCS)), "attributes": pairs, "position": st.integers(0, 9_999), "metadata": metadata}
        ),
        reserved=st.integers(0, 5),
        staff=st.booleans(),
    )  # fmt: skip
    def test_whatever_it_and_its_variants_hold(
        self, values: dict[str, Any], variant: dict[str, Any], reserved: int, staff: bool
    ) -> None:
        if (product := Product.objects.first()) is None:
            product = make_variant(stock=5).product
            make_variant(product=product, stock=0)
            StockLevel.objects.filter(variant=make_variant(product=product)).delete()
        update(product, values)
        first = Variant.objects.filter(product=product).order_by("sku")[0]
        update(first, variant)
        StockLevel.objects.filter(variant=first).update(reserved_milli=reserved * 1000)

        with pytest.MonkeyPatch.context() as patch:
            reads = read_both("catalog.find_shown_product", product_id=product.pk, sees_all=staff)
            bodies = show_all(ProductDetailResponse, reads, patch, has_stock_counts=staff)

        assert bodies[0] == bodies[1] == bodies[2]
        shown = orjson.loads(bodies[1])["variants"]
        assert len(shown) == 2 + (variant["is_active"] or staff)
        assert all(("stock" in each) == staff for each in shown)

    def test_of_nobody_is_none(self) -> None:
        hidden, bare = make_product(is_published=False), make_product()
        make_variant(product=hidden)

        for product_id, sees_all in [(hidden.pk, False), (bare.pk, False), (uuid4(), True)]:
            assert read_both("catalog.find_shown_product", product_id=product_id, sees_all=sees_all) == (None, None)
        for product in (hidden, bare):
            by_orm, by_sql = read_both("catalog.find_shown_product", product_id=product.pk, sees_all=True)
            assert show(ProductDetailResponse, by_orm) == show(ProductDetailResponse, by_sql)


class TestOrder:
    @examples
    @given(
        values=st.fixed_dictionaries(
            {
                "status": st.sampled_from(OrderStatus.values), "fulfilment_status": st.sampled_from(FulfilmentStatus.values),
                "paid_amount": amounts, "refunded_amount": amounts, "disputed_amount": amounts, "lost_amount": amounts,
                "under_review_amount": amounts, "is_payment_processing": st.booleans(), "note": texts, "cancel_reason": texts,
                "confirmed_at": st.none() | instants, "cancelled_at": st.none() | instants, "expired_at": st.none() | instants,
                "completed_at": st.none() | instants, "closed_at": st.none() | instants, "expires_at": instants,
                "discount_amount": amounts, "shipping_amount": amounts, "metadata": metadata, "version": st.integers(1, 10**6),
                "place_of_supply": st.sampled_from(["07", "27", "29", "97"]),
            }
        ),
        line=st.fixed_dictionaries(
            {
                "name": texts, "hsn": st.sampled_from(["6109", "610910", "61091000", "9954"]), "price_includes_tax": st.booleans(),
                "tax_rate": st.sampled_from([0, 25, 500, 1800, 4000]), "unit_price": amounts,
                "taxability": st.sampled_from(["", *(one.value for one in Taxability)]),
            }
        ),
    )  # fmt: skip
    def test_whatever_it_and_its_lines_hold(self, values: dict[str, Any], line: dict[str, Any]) -> None:
        order = Order.objects.first() or self.make()
        update(order, values)
        update(OrderLine.objects.filter(order=order).order_by("position")[0], line)

        with pytest.MonkeyPatch.context() as patch:
            reads = read_both("orders.find_shown_order", order_id=order.pk, customer_id=order.customer_id)
            bodies = show_all(OrderResponse, reads, patch)

        assert bodies[0] == bodies[1] == bodies[2]
        shown = orjson.loads(bodies[1])
        assert [each["position"] for each in shown["lines"]] == [1, 2]
        assert (shown["note"], shown["lines"][0]["name"]) == (values["note"], line["name"])

    @pytest.mark.parametrize("of_anybody", [True, False])
    def test_has_its_addresses(self, of_anybody: bool, monkeypatch: Any) -> None:
        order = self.make()

        customer_id = None if of_anybody else order.customer_id
        reads = read_both("orders.find_shown_order", order_id=order.pk, customer_id=customer_id)

        bodies = show_all(OrderResponse, reads, monkeypatch)
        assert bodies[0] == bodies[1] == bodies[2]
        shown = orjson.loads(bodies[1])
        assert (shown["shipping_address"]["name"], shown["billing_address"]["name"]) == ("आशा 🙂", "O'Neil & Söhne")

    def test_of_another_customer_is_none(self) -> None:
        order = self.make()

        assert read_both("orders.find_shown_order", order_id=order.pk, customer_id=make_user().pk) == (None, None)
        assert read_both("orders.find_shown_order", order_id=uuid4(), customer_id=None) == (None, None)

    @staticmethod
    def make() -> Order:
        buyer = make_user()
        return make_order(
            buyer,
            [make_variant(), make_variant(tax_class="gst_5")],
            quantity=2,
            address=make_address(buyer, name="आशा 🙂"),
            billing_address_id=make_address(buyer, name="O'Neil & Söhne", state="27").pk,
        )


class TestPayment:
    @examples
    @given(
        values=st.fixed_dictionaries(
            {
                "status": st.sampled_from([PaymentStatus.REQUIRES_PAYMENT, PaymentStatus.SUCCEEDED, PaymentStatus.EXPIRED]),
                "next_action": st.sampled_from([{}, {"type": "razorpay_checkout", "amount": 2**53}, {"upi": {"link": "upi://क"}}]),
                "error": st.sampled_from([{}, {"code": "BAD_REQUEST_ERROR", "reason": "payment_declined"}]),
                "gateway_order_id": st.none() | st.just("order_1"), "succeeded_at": st.none() | instants, "metadata": metadata,
                "live_until": instants,
            }
        ),
        attempt=st.fixed_dictionaries(
            {
                "status": st.sampled_from([AttemptStatus.CREATED, AttemptStatus.FAILED, AttemptStatus.AUTHORIZED]),
                "payer": texts, "rrn": texts, "payer_amount": st.none() | amounts, "failed_at": st.none() | instants,
                "error": st.sampled_from([{}, {"reason": "payment_cancelled", "source": "customer", "step": "क"}]),
                "review_reason": st.sampled_from(["", "amount_mismatch"]), "review_opened_at": st.none() | instants,
                "created_at": instants, "metadata": metadata,
            }
        ),
    )  # fmt: skip
    def test_whatever_it_and_its_attempts_hold(self, values: dict[str, Any], attempt: dict[str, Any]) -> None:
        payment = Payment.objects.first() or self.make()
        update(payment, values)
        update(PaymentAttempt.objects.filter(payment=payment).order_by("gateway_payment_id")[0], attempt)

        with pytest.MonkeyPatch.context() as patch:
            reads = read_both("payments.find_shown_payment", payment_id=payment.pk, customer_id=payment.customer_id)
            bodies = show_all(PaymentResponse, reads, patch)

        assert bodies[0] == bodies[1] == bodies[2]
        assert len(orjson.loads(bodies[1])["attempts"]) == 2

    def test_without_attempts(self, monkeypatch: Any) -> None:
        payment = make_payment(make_order(make_user()))

        reads = read_both("payments.find_shown_payment", payment_id=payment.pk, customer_id=None)

        bodies = show_all(PaymentResponse, reads, monkeypatch)
        assert bodies[0] == bodies[1] == bodies[2]
        assert orjson.loads(bodies[1])["attempts"] == []

    def test_of_another_customer_is_none(self) -> None:
        payment = make_payment(make_order(make_user()))

        assert read_both("payments.find_shown_payment", payment_id=payment.pk, customer_id=make_user().pk) == (
            None,
            None,
        )
        assert read_both("payments.find_shown_payment", payment_id=uuid4(), customer_id=None) == (None, None)

    @staticmethod
    def make() -> Payment:
        payment = make_payment(make_order(make_user()))
        for _ in range(2):
            apply_payment(make_gateway_payment(payment, status=AttemptStatus.FAILED))
        return payment


def test_current_downtimes_are_those_that_have_begun_and_are_not_over(monkeypatch: Any) -> None:
    make_downtime(method="upi")
    make_downtime(method="card", instrument={"network": "MC", "issuer": "क"})

    for minutes in (-60, 0, 5, 60 * 24 * 365):
        reads = read_both("payments.list_current_downtimes", now=later(minutes))

        bodies = show_all(PaymentDowntimeResponse, reads, monkeypatch)
        assert bodies[0] == bodies[1] == bodies[2]
