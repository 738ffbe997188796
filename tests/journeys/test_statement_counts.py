"""How many statements a request takes that every sale sends, BEGIN and COMMIT included: docs/performance.md shows these."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from apps.accounts.models import User
from apps.core import clock, handler_runs, relay
from apps.core.models import Outbox
from apps.payments.models import Payment
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import make_payment, new_gateway_id, pay
from tests.support.webhooks import URL, body_of, receive, sign

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


def carry_out_all(count_queries: Any) -> list[tuple[str, int]]:
    """Carry out what events have workers do, but for messages and calls to the gateway; return each handler with its statements."""
    counts = []
    while Outbox.objects.exists():
        for run in relay.claim_outbox(now=clock.now()):
            subscription = relay.get_subscription(run.handler)
            if subscription.calls_external and subscription.queue != "documents":
                continue
            with count_queries() as queries:
                assert handler_runs.run_handlers([run.pk]) == 1
            counts.append((run.handler.rpartition(".")[2], len(queries)))
    return sorted(counts)


def sell_three_lines(buyer: User, count_queries: Any) -> list[tuple[str, int]]:
    payment = make_payment(make_order(buyer, [make_variant(stock=5) for _ in range(3)]))
    placed = carry_out_all(count_queries)
    receive(body_of(payment, id=new_gateway_id("pay")))
    return placed + carry_out_all(count_queries)


def test_what_workers_do_for_a_sale(buyer: User, count_queries: Any) -> None:
    sell_three_lines(buyer, count_queries)  # the first document of a shop opens its accounts and its series of numbers

    assert sell_three_lines(buyer, count_queries) == [
        ("notify", 7),  # of the order that was placed
        ("issue_invoices_of_order", 17),
        ("notify", 7),  # of the invoice
        ("notify", 9),  # of the order that was confirmed, with its lines
        ("process_webhook", 24),
        ("render_invoice", 11),
    ]


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
