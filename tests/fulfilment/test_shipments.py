"""A parcel from its creation to its delivery: what it does to the order, its lines and the stock."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.catalog.models import Reservation, StockMovement
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.states import InvalidTransition
from apps.fulfilment import services
from apps.fulfilment.models import Shipment, ShipmentLine
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments.services.order_cancellation import cancel_order
from tests.factories.fulfilment import deliver, make_dispatched_shipment, make_packed_shipment, make_shipment
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.stock import stock_of

pytestmark = pytest.mark.django_db


def counts(order: Any) -> list[tuple[int, int, int]]:
    """Return of each line what is dispatched, delivered and cancelled, in units."""
    lines = order.lines.order_by("position")
    return [(one.dispatched_milli // 1000, one.delivered_milli // 1000, one.cancelled_milli // 1000) for one in lines]


def state_of(order: Any) -> tuple[str, str]:
    fresh = Order.objects.get(pk=order.pk)
    return fresh.status, fresh.fulfilment_status


def types_of_events(order: Any) -> list[str]:
    events = Event.objects.filter(root_id=order.pk, type__regex="^(fulfilment|orders)")
    return [one.type.removeprefix("fulfilment.").removeprefix("orders.") for one in events.order_by("id")]


def stock(variant: Any) -> tuple[int, int]:
    level = stock_of(variant)
    return level.on_hand, level.reserved


class TestCreateShipment:
    def test_takes_all_that_is_left(self, order: Any) -> None:
        make_shipment(order, {1: 1})

        rest = make_shipment(order)

        assert [
            line.quantity for line in ShipmentLine.objects.filter(shipment=rest).order_by("order_line__position")
        ] == [2, 2]
        assert (rest.status, rest.number[:4], state_of(order)) == ("pending", "SHP-", ("confirmed", "unfulfilled"))

    def test_no_unit_is_in_two_live_shipments(self, order: Any) -> None:
        make_shipment(order, {1: 2})

        with pytest.raises(services.UnitsNotAvailable) as refused:
            make_shipment(order, {2: 1, 1: 2})

        assert refused.value.param == "lines[1].quantity"
        assert Shipment.objects.count() == 1

    def test_units_of_a_cancelled_shipment_can_be_sent(self, order: Any) -> None:
        services.cancel_shipment(shipment_id=make_shipment(order).pk, actor=SYSTEM, now=clock.now())

        assert make_shipment(order, {1: 3, 2: 2}).status == "pending"

    def test_nothing_left_is_refused(self, order: Any) -> None:
        make_shipment(order)

        with pytest.raises(services.EmptyShipment):
            make_shipment(order)

    @pytest.mark.parametrize("quantity", [0, -1])
    def test_no_units_are_refused(self, order: Any, quantity: int) -> None:
        with pytest.raises(services.EmptyShipment):
            make_shipment(order, {1: quantity})
        with pytest.raises(services.EmptyShipment):
            make_shipment(order, {1: quantity, 2: 1})

    def test_line_of_another_order_is_refused(self, order: Any, owner: Any) -> None:
        other = make_order(owner)

        with pytest.raises(services.UnknownOrderLine):
            services.create_shipment(
                order_id=order.pk,
                lines=[services.ShipmentLineInput(other.lines.get().pk, 1)],
                actor=SYSTEM,
                now=clock.now(),
            )

    def test_unpaid_order_is_refused(self, owner: Any, shop: Any) -> None:
        with pytest.raises(services.OrderNotShippable):
            make_shipment(make_order(owner))

        assert Shipment.objects.count() == 0


class TestLifeOfAShipment:
    def test_goods_leave_in_two_parcels(
        self, order: Any, shirt: Any, shoe: Any, violated: Callable[[], list[Any]]
    ) -> None:
        assert (stock(shirt), stock(shoe)) == ((10, 3), (10, 2))

        first = make_packed_shipment(order, {1: 2})
        assert (state_of(order), stock(shirt)) == (("in_fulfilment", "unfulfilled"), (10, 3))
        services.dispatch_shipment(
            shipment_id=first.pk, carrier_name="Delhivery", tracking_number="DL1", actor=SYSTEM, now=clock.now()
        )
        assert (state_of(order), stock(shirt), counts(order)) == (
            ("in_fulfilment", "partial"),
            (8, 1),
            [(2, 0, 0), (0, 0, 0)],
        )
        second = make_dispatched_shipment(order)
        assert (state_of(order), stock(shirt), stock(shoe)) == (("in_fulfilment", "shipped"), (7, 0), (8, 0))
        deliver(second)
        assert (state_of(order), counts(order)) == (("in_fulfilment", "shipped"), [(3, 1, 0), (2, 2, 0)])
        deliver(first)

        assert (state_of(order), counts(order)) == (("completed", "delivered"), [(3, 3, 0), (2, 2, 0)])
        assert sorted(Reservation.objects.values_list("status", "consumed_milli")) == [
            ("consumed", 2_000),
            ("consumed", 3_000),
        ]
        assert sorted(StockMovement.objects.filter(kind="dispatch").values_list("quantity_milli", flat=True)) == [
            -2_000,
            -2_000,
            -1_000,
        ]
        assert types_of_events(order)[3:] == [
            "shipment.created", "shipment.packed", "order.fulfilment_started", "shipment.dispatched",
            "order.fulfilment_updated", "shipment.created", "shipment.packed", "shipment.dispatched",
            "order.fulfilment_updated", "shipment.delivered", "shipment.delivered", "order.fulfilment_updated",
            "order.completed",
        ]  # fmt: skip
        assert violated() == []

    def test_each_step_happens_once(self, order: Any) -> None:
        shipment = make_dispatched_shipment(order)
        steps = (services.pack_shipment, services.dispatch_shipment, services.cancel_shipment)

        for step in steps:
            with pytest.raises(InvalidTransition):
                step(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())
        deliver(shipment)
        with pytest.raises(InvalidTransition):
            deliver(shipment)

        assert StockMovement.objects.filter(kind="dispatch").count() == 2

    def test_carrier_changes_until_delivery(self, order: Any) -> None:
        shipment = make_dispatched_shipment(order)

        changed = services.update_tracking(
            shipment_id=shipment.pk, carrier_name="India Post", tracking_number="EE1", actor=SYSTEM, now=clock.now()
        )
        deliver(changed)

        assert (changed.carrier_name, changed.tracking_number) == ("India Post", "EE1")
        with pytest.raises(InvalidTransition):
            services.update_tracking(
                shipment_id=shipment.pk, carrier_name="", tracking_number="", actor=SYSTEM, now=clock.now()
            )

    def test_goods_need_an_invoice_before_they_leave(self, shirt: Any, owner: Any) -> None:
        order = make_order(owner, [(shirt, 1)])
        pay(order)
        shipment = make_packed_shipment(order)

        with pytest.raises(services.ShipmentNotInvoiced):
            services.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())

        assert (Shipment.objects.get().status, stock(shirt)) == ("packed", (10, 1))


class TestCancelOrder:
    def test_takes_packed_and_pending_parcels_from_the_list(
        self, order: Any, shirt: Any, violated: Callable[[], list[Any]]
    ) -> None:
        packed, pending = make_packed_shipment(order, {1: 1}), make_shipment(order)

        cancel_order(order_id=order.pk, actor=SYSTEM, reason="by mistake", now=clock.now())

        assert set(Shipment.objects.values_list("status", flat=True)) == {"cancelled"}
        assert (state_of(order)[0], stock(shirt)) == ("cancelled", (10, 0))
        for shipment in (packed, pending):
            with pytest.raises(InvalidTransition):
                services.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())
        assert violated() == []

    def test_is_refused_once_something_was_dispatched(self, order: Any) -> None:
        make_dispatched_shipment(order, {1: 1})
        waiting = make_packed_shipment(order)

        with pytest.raises(orders.OrderNotCancellable) as refusal:
            cancel_order(order_id=order.pk, actor=SYSTEM, reason="by mistake", now=clock.now())

        assert refusal.value.text == (
            f"A parcel of order {order.number} was dispatched, so that the order can no longer be cancelled. Request a refund of"
            " what did not arrive or comes back."
        )
        waiting.refresh_from_db()
        assert (waiting.status, state_of(order)) == ("packed", ("in_fulfilment", "partial"))
