from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from apps.orders.models import Order, OrderLine
from tests.factories.orders import make_order

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "broken",
    [
        {"total_amount": 1},
        {"taxable_amount": 1},
        {"igst_amount": 1},
        {"round_off_amount": 51},
        {"paid_amount": -1},
    ],
    ids=str,
)
def test_database_refuses_inconsistent_totals(owner: Any, broken: dict[str, int]) -> None:
    order = make_order(owner)

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(**broken)


@pytest.mark.parametrize(
    "broken", [{"total_amount": 1}, {"gross_amount": 1}, {"discount_amount": 1}, {"quantity_milli": 0}], ids=str
)
def test_database_refuses_inconsistent_lines(owner: Any, broken: dict[str, int]) -> None:
    order = make_order(owner)

    with pytest.raises(IntegrityError), transaction.atomic():
        OrderLine.objects.filter(order=order).update(**broken)


@pytest.mark.parametrize(
    "counters",
    [
        {"dispatched_milli": 2_001},
        {"cancelled_milli": 2_001},
        {"dispatched_milli": 1_000, "cancelled_milli": 1_001},
        {"delivered_milli": 1},
        {"dispatched_milli": 1_000, "delivered_milli": 1_001},
        {"dispatched_milli": 1_000, "returned_milli": 1_001},
        {"returned_milli": -1},
    ],
    ids=str,
)
def test_database_refuses_counters_beyond_the_quantity(owner: Any, counters: dict[str, int]) -> None:
    order = make_order(owner, quantity=2)

    with pytest.raises(IntegrityError, match="line_counters_within_quantity"), transaction.atomic():
        OrderLine.objects.filter(order=order).update(**counters)

    possible = {"dispatched_milli": 1_000, "delivered_milli": 1_000, "returned_milli": 1_000, "cancelled_milli": 1_000}
    assert OrderLine.objects.filter(order=order).update(**possible) == 1


def test_orders_cannot_be_deleted(owner: Any) -> None:
    order = make_order(owner)

    for rows in (OrderLine.objects.filter(order=order), Order.objects.filter(pk=order.pk)):
        with pytest.raises(DatabaseError, match="Cannot delete"), transaction.atomic():
            rows._raw_delete(rows.db)


def test_orders_and_lines_have_names(owner: Any) -> None:
    order = make_order(owner, quantity=2)

    assert str(order) == order.number
    assert str(order.lines.get()).startswith("2 x ")
