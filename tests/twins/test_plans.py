"""What the hot path reads by keys: no plan reads a table from end to end, whatever Postgres knows of the parameters."""

from uuid import uuid4

import pytest

from apps.catalog import sql as catalog
from apps.core import clock
from apps.orders import sql as orders
from apps.payments import sql as payments
from tests.support.plans import explain_prepared, plan_without_values

pytestmark = pytest.mark.django_db
KEY = str(uuid4())


@pytest.fixture(autouse=True)
def _planned_without_values() -> None:
    plan_without_values(
        "orders_order", "orders_orderline", "orders_orderaddress", "payments_payment", "payments_paymentattempt",
        "payments_paymentdowntime", "catalog_product", "catalog_variant", "catalog_stocklevel",
    )  # fmt: skip


def test_an_order_and_its_lines() -> None:
    statements = [orders._order(), orders._lines()]
    orders.fetch_rows(statements[0], [KEY, KEY])
    orders.fetch_rows(statements[1], [KEY])

    order, lines = explain_prepared(statements[0], [KEY, KEY]), explain_prepared(statements[1], [KEY])

    assert "Seq Scan" not in order + lines
    assert "using orders_order_pkey on orders_order" in order
    assert order.count("using orders_orderaddress_pkey on orders_orderaddress") == 2
    assert "one_line_per_position" in lines


def test_a_payment_and_its_attempts() -> None:
    payments.find_shown_payment(payment_id=uuid4(), customer_id=uuid4())

    plan = explain_prepared(payments._payment(), [KEY, KEY])

    assert "Seq Scan" not in plan
    assert "using payments_payment_pkey on payments_payment" in plan


def test_downtimes_are_read_by_the_index_of_those_that_are_not_over() -> None:
    payments.list_current_downtimes(now=clock.now())

    plan = explain_prepared(payments._CURRENT_DOWNTIMES, [clock.now()])

    assert "Seq Scan" not in plan


def test_a_product_its_variants_and_their_stock() -> None:
    statements = [catalog._product(), catalog._variants()]
    for statement in statements:
        catalog.fetch_rows(statement, [KEY, "false"])

    product, variants = (explain_prepared(statement, [KEY, "false"]) for statement in statements)

    assert "Seq Scan" not in product + variants
    assert "using catalog_product_pkey on catalog_product" in product
    assert "Index Cond: (variant_id = variant.id)" in variants
