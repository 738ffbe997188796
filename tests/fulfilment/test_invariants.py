"""Each invariant of shipments finds the violation that is planted, and none where all is as it should be."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection

from apps.catalog.models import Reservation, StockMovement
from apps.core import audit, clock
from apps.core.models import Event
from apps.fulfilment.models import Shipment, ShipmentLine
from apps.invoicing.models import Invoice
from apps.orders.models import Order, OrderLine
from apps.payments.models import Payment
from tests.factories.fulfilment import (
    deliver,
    make_dispatched_shipment,
    make_packed_shipment,
    make_shipment,
    refund_units,
)
from tests.factories.payments import apply_payment, make_gateway_payment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recent_audits_find_the_same")]


def rows(invariant: str) -> list[dict[str, Any]]:
    [result] = audit.run(now=clock.now(), only=[invariant]).results
    assert not result.error
    return result.rows


@pytest.fixture
def sent(order: Any, violated: Callable[[], list[Any]]) -> Any:
    """An order that was sent and delivered in one parcel, with nothing to find."""
    deliver(make_dispatched_shipment(order))
    assert violated() == []
    return order


class TestInvariants:
    def test_finds_dispatched_units_without_a_movement(self, sent: Any) -> None:
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(kind="dispatch", quantity_milli=-3_000).delete()

        assert [row["quantity_milli"] for row in rows("INV-60")] == [3_000]

    def test_finds_a_movement_that_no_shipment_made(self, sent: Any) -> None:
        with pgtrigger.ignore("fulfilment.ShipmentLine:frozen"):
            ShipmentLine.objects.filter(quantity_milli=3_000).update(quantity_milli=2_000)

        assert [(row["quantity_milli"], row["moved"]) for row in rows("INV-60")] == [(2_000, -3_000)]

    def test_finds_units_of_another_lines_reservation(self, sent: Any) -> None:
        first, second = Reservation.objects.order_by("quantity_milli")
        with pgtrigger.ignore("catalog.StockMovement:frozen"):
            StockMovement.objects.filter(reservation=first).update(reservation=second)

        assert len(rows("INV-60")) == 1

    def test_finds_dispatched_units_without_an_invoice(self, sent: Any) -> None:
        Invoice.objects.update(status="cancelled")

        assert sorted((row["position"], row["dispatched"], row["invoiced"]) for row in rows("INV-61")) == [
            (1, 3_000, 0),
            (2, 2_000, 0),
        ]

    def test_finds_a_unit_in_two_shipments(self, order: Any) -> None:
        shipment = make_shipment(order)
        other = make_shipment_past_the_service(order)
        ShipmentLine.objects.create(
            shipment=other, order_line=shipment.lines.get(quantity_milli=3_000).order_line, quantity_milli=1_000
        )

        assert [(row["position"], row["shipped"]) for row in rows("INV-62")] == [(1, 4_000)]

    def test_finds_a_shipment_without_lines(self, order: Any) -> None:
        empty = make_shipment_past_the_service(order)

        assert [row["number"] for row in rows("INV-62")] == [empty.number]

    def test_finds_refunded_units_that_left_without_a_reason(self, order: Any) -> None:
        refund_units(order, 1, 2)
        make_dispatched_shipment(order, {1: 3}, refund_override_reason="Sent as a gift")
        assert rows("INV-63") == []
        Shipment.objects.update(refund_override_reason="")

        assert [(row["position"], row["sent_now"], row["refunded"]) for row in rows("INV-63")] == [(1, 3_000, 2_000)]

    def test_units_refunded_after_they_left_are_no_matter(self, sent: Any) -> None:
        refund_units(sent, 1, 3)

        assert rows("INV-63") == []

    @pytest.mark.parametrize("name", ["dispatched_milli", "delivered_milli"])
    def test_finds_a_wrong_counter(self, sent: Any, name: str) -> None:
        OrderLine.objects.filter(position=1).update(**{"delivered_milli": 2_000, name: 2_000})

        assert [row["position"] for row in rows("INV-64")] == [1]

    def test_finds_a_live_shipment_of_a_cancelled_order(self, order: Any) -> None:
        packed = make_packed_shipment(order)
        Order.objects.update(status="cancelled")

        assert [row["number"] for row in rows("INV-65")] == [packed.number]

    def test_finds_a_packed_shipment_of_an_order_on_hold(self, order: Any) -> None:
        packed = make_packed_shipment(order)
        Order.objects.update(status="on_hold")

        assert [row["number"] for row in rows("INV-65")] == [packed.number]

    def test_finds_a_shipment_on_its_way_of_a_completed_order(self, order: Any) -> None:
        on_its_way = make_dispatched_shipment(order)
        Order.objects.update(status="completed")

        assert [row["number"] for row in rows("INV-65")] == [on_its_way.number]

    def test_finds_a_completed_order_with_undelivered_units(self, order: Any) -> None:
        deliver(make_dispatched_shipment(order, {1: 3}))
        Order.objects.update(status="completed")

        assert [(row["position"], row["refunded"]) for row in rows("INV-66")] == [(2, 0)]

    @pytest.mark.parametrize("is_refunded", [True, False])
    def test_money_that_pays_a_completed_order_again_is_apart(self, order: Any, is_refunded: bool) -> None:
        """It goes back by itself, and says nothing of goods that were refunded, nor replaces a refund of them."""
        deliver(make_dispatched_shipment(order, {1: 3}))
        paid_again = apply_payment(make_gateway_payment(Payment.objects.get(order=order)))
        assert paid_again.review_reason == "paid_twice"

        refunded = order.total_amount if is_refunded else 0
        Order.objects.update(status="completed", refunded_amount=refunded)

        assert [row["position"] for row in rows("INV-66")] == ([] if is_refunded else [2])

    def test_finds_an_order_that_stays_in_fulfilment_when_it_is_done(self, sent: Any) -> None:
        Order.objects.update(status="in_fulfilment")
        assert rows("INV-66b") == []
        Order.objects.update(updated_at=clock.now() - timedelta(minutes=11))

        assert [row["number"] for row in rows("INV-66b")] == [sent.number]

        OrderLine.objects.filter(position=1).update(delivered_milli=2_000)
        assert rows("INV-66b") == []

    def test_finds_a_status_that_no_event_records(self, sent: Any) -> None:
        Shipment.objects.update(status="lost")

        assert [(row["status"], row["event_status"]) for row in rows("INV-67")] == [("lost", "delivered")]

    def test_finds_a_shipment_without_events(self, sent: Any) -> None:
        with pgtrigger.ignore("core.Event:frozen"), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            Event.objects.filter(subject_type="fulfilment.shipment").update(subject_type="other.shipment")

        assert len(rows("INV-67")) == 1

    def test_finds_a_wrong_fulfilment_status(self, sent: Any) -> None:
        Order.objects.update(fulfilment_status="partial")

        assert [row["fulfilment_status"] for row in rows("INV-11b")] == ["partial"]

    def test_finds_a_completed_order_that_holds_stock(self, sent: Any) -> None:
        Reservation.objects.filter(quantity_milli=3_000).update(status="committed", consumed_milli=2_000)

        assert [(row["position"], row["reservation"]) for row in rows("INV-11c")] == [(1, "committed")]

    def test_finds_an_order_that_is_closed_late(self, sent: Any) -> None:
        Order.objects.update(completed_at="2020-01-01T00:00:00Z")

        assert [row["number"] for row in rows("INV-11d")] == [sent.number]


def make_shipment_past_the_service(order: Any) -> Shipment:
    """Return a shipment without lines, written past the service."""
    location_id = Reservation.objects.values_list("location_id", flat=True)[0]
    return Shipment.objects.create(number="SHP-2627-999999", order=order, location_id=location_id)
