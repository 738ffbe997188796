"""How many statements a request takes that every sale sends, BEGIN and COMMIT included: docs/performance.md shows these."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import User
from apps.payments.models import Payment
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import make_payment, new_gateway_id, pay
from tests.support.webhooks import URL, body_of, sign

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def buyer(reference_data: None, settings: Any) -> User:
    settings.HOT_PATH = "sql"
    make_registration()
    return make_user()


@pytest.fixture
def api(client_of: Callable[[Any], Any], buyer: User) -> Any:
    return client_of(buyer)


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def test_placing_an_order_of_three_lines(api: Any, buyer: User, count_queries: Any) -> None:
    address = make_address(buyer)
    lines = [{"variant_id": make_variant(stock=5).public_id, "quantity": 1} for _ in range(3)]
    body = {"lines": lines, "shipping_address_id": address.public_id}

    with count_queries() as queries:
        response = api.post("/api/v1/orders", data=body, format="json", headers=new_key())

    assert (response.status_code, len(queries)) == (201, 8)


def test_reading_the_own_order(api: Any, buyer: User, count_queries: Any) -> None:
    order = make_order(buyer, [make_variant(), make_variant(), make_variant()])

    with count_queries() as queries:
        response = api.get(f"/api/v1/orders/{order.public_id}")

    assert (response.status_code, len(queries)) == (200, 3)


def test_starting_a_payment(api: Any, buyer: User, count_queries: Any) -> None:
    order = make_order(buyer)

    with count_queries() as queries:
        response = api.post("/api/v1/payments", data={"order_id": order.public_id}, format="json", headers=new_key())

    assert (response.status_code, len(queries)) == (202, 9)


def test_reading_the_status_of_a_payment(api: Any, buyer: User, count_queries: Any) -> None:
    payment = make_payment(make_order(buyer))

    with count_queries() as queries:
        response = api.get(f"/api/v1/payments/{payment.public_id}")

    assert (response.status_code, len(queries)) == (200, 3)  # one is for downtimes of the methods to pay by


def test_reading_the_status_of_a_payment_that_is_over(api: Any, buyer: User, count_queries: Any) -> None:
    payment = pay(make_order(buyer)).payment

    with count_queries() as queries:
        response = api.get(f"/api/v1/payments/{payment.public_id}")

    assert (response.status_code, len(response.json()["attempts"]), len(queries)) == (200, 1, 2)


def test_taking_a_webhook(anonymous: Any, buyer: User, count_queries: Any) -> None:
    payment: Payment = make_payment(make_order(buyer))
    raw = body_of(payment)
    headers = {"X-Razorpay-Signature": sign(raw), "X-Razorpay-Event-Id": new_gateway_id("evt")}

    with count_queries() as queries:
        response = anonymous.post(URL, data=raw, content_type="application/json", headers=headers)

    assert (response.status_code, len(queries)) == (200, 3)


def test_making_the_page_of_a_product(anonymous: Any, buyer: User, count_queries: Any) -> None:
    product = make_variant(stock=5).product

    with count_queries() as queries:
        response = anonymous.get(f"/api/v1/products/{product.public_id}")

    assert (response.status_code, len(response.json()["variants"]), len(queries)) == (200, 1, 2)


@pytest.mark.parametrize(
    "query",
    ["limit=25", "q=kurta", "in_stock=true&sort=price", "category=clothing", "price[gte]=1&price[lte]=90000000"],
)
def test_making_a_list_of_products(anonymous: Any, buyer: User, count_queries: Any, query: str) -> None:
    make_variant(stock=5)
    expected = 2 if "category" in query else 1  # the category is looked up by its slug

    with count_queries() as queries:
        response = anonymous.get(f"/api/v1/products?{query}")

    assert (response.status_code, len(response.json()["data"]), len(queries)) == (200, 1, expected)
