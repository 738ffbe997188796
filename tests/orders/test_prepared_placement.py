"""Placing by two prepared statements: what the ORM does too stands in tests/twins; here is what only these do."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import Reservation, StockLevel
from apps.catalog.services import InsufficientStock
from apps.core import clock
from apps.core.models import Event, Outbox
from apps.orders import services
from apps.orders.models import Order, OrderAddress, OrderLine
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import actor_for
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.lock_controls import with_control, without_lock
from tests.support.plans import forget_statistics
from tests.support.stock import stock_of
from tests.support.threads import run_together


@pytest.fixture(autouse=True)
def _by_sql(settings: Any, reference_data: None) -> None:
    settings.HOT_PATH = "sql"
    make_registration()


def place(customer: Any, address: Any, *wanted: tuple[Any, int]) -> Order:
    lines = [services.OrderLineInput(variant.pk, quantity) for variant, quantity in wanted]
    return services.place_order(
        customer_id=customer.pk, lines=lines, shipping_address_id=address.pk, actor=actor_for(customer), now=clock.now()
    )


def kinds_of(queries: CaptureQueriesContext) -> list[str]:
    return [" ".join(query["sql"].split()[:2]) for query in queries]


@pytest.mark.django_db
class TestStatements:
    def test_an_order_of_twenty_lines_takes_three_as_one_of_one_line_does(self) -> None:
        customer = make_user()
        address, variants = make_address(customer), [make_variant(stock=5) for _ in range(20)]

        with CaptureQueriesContext(connection) as few:
            place(customer, address, (variants[0], 1))
        with CaptureQueriesContext(connection) as many:
            place(customer, address, *((variant, 1) for variant in variants))

        # The lock of the customer, what the order is made of, and all that is written, in the savepoint of the test.
        assert kinds_of(few)[1:-1] == ['SELECT it."password",', "WITH unpaid", "WITH reservation"]
        assert kinds_of(many)[1:-1] == kinds_of(few)[1:-1]

    def test_an_order_takes_one_number_however_many_lines_it_has(self) -> None:
        customer = make_user()
        address, variants = make_address(customer), [make_variant(stock=5) for _ in range(3)]

        first = place(customer, address, *((variant, 1) for variant in variants))
        second = place(customer, address, (variants[0], 1))

        assert int(second.number[-6:]) == int(first.number[-6:]) + 1

    def test_a_shortage_writes_nothing_and_is_an_answer_of_the_statement(self) -> None:
        customer = make_user()
        address, plenty, scarce = make_address(customer), make_variant(stock=9), make_variant(stock=2)
        before = Event.objects.count(), Outbox.objects.count()

        with CaptureQueriesContext(connection) as queries, pytest.raises(InsufficientStock) as refusal:
            place(customer, address, (plenty, 4), (scarce, 3))

        assert kinds_of(queries)[3].startswith("WITH reservation")
        assert (refusal.value.param, [detail["available"] for detail in refusal.value.details]) == (
            "lines[1].quantity", [2],
        )  # fmt: skip
        assert (Event.objects.count(), Outbox.objects.count()) == before
        assert [model.objects.exists() for model in (Order, OrderLine, OrderAddress, Reservation)] == [False] * 4
        assert (stock_of(plenty).reserved, stock_of(scarce).reserved) == (0, 0)

    def test_plan_reads_stock_by_its_primary_key(self) -> None:
        """
        A generic plan, which Postgres keeps after five runs, must not read all stock, however much there is.

        Of a small table Postgres would rather read all; without that choice it shows whether the statement leaves it another.
        What it knows of the table must not hang on when autovacuum looked at what earlier tests left.
        """
        customer = make_user()
        address, variants = make_address(customer), [make_variant(stock=5) for _ in range(3)]
        with connection.cursor() as cursor:
            forget_statistics(cursor, "catalog_stocklevel")
            cursor.execute("DISCARD PLANS")  # an earlier test may have left one
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        place(customer, address, *((variant, 1) for variant in variants))

        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%WITH reservation%'")
            [(name,)] = cursor.fetchall()
            cursor.execute(f"EXPLAIN EXECUTE {name}({', '.join(['NULL'] * 14)})")
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "Seq Scan on catalog_stocklevel" not in plan
        assert "Index Scan using catalog_stocklevel_pkey on catalog_stocklevel" in plan
        assert "LockRows" in plan


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
@with_control
def test_of_two_orders_for_the_last_unit_the_second_learns_that_none_is_left(is_locked: bool) -> None:
    first, second = make_user(), make_user()
    addresses, variant = [make_address(first), make_address(second)], make_variant(stock=1)
    results: list[Any] = []

    def place_second() -> None:
        results.extend(run_together(lambda: place(second, addresses[1], (variant, 1))))

    def race() -> None:
        thread = threading.Thread(target=place_second)
        with transaction.atomic():
            place(first, addresses[0], (variant, 1))
            thread.start()
            wait_for_a_blocked_session()
        thread.join()

    if is_locked:
        race()
    else:
        with without_lock("apps.orders.sql.write_order"):
            race()

    # Without the lock it judges by what it saw before it waited, and the CHECK of the table stops it.
    assert [type(result) for result in results] == [InsufficientStock if is_locked else IntegrityError]
    assert (Order.objects.count(), StockLevel.objects.get().reserved_milli) == (1, 1_000)
