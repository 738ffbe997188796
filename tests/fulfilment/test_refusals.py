"""When goods stay: refunds, disputes, holds and erased buyers. A refusal changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.clock import ist_date
from apps.core.dates import format_day
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.fulfilment import services
from apps.fulfilment.models import Shipment
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments.models import PaymentAttempt
from apps.payments.services.order_cancellation import cancel_order
from tests.factories.fulfilment import (
    deliver,
    make_dispatched_shipment,
    make_packed_shipment,
    make_shipment,
    refund_units,
)
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_refund, pay

pytestmark = pytest.mark.django_db


def pack(shipment: Shipment, **fields: Any) -> Shipment:
    return services.pack_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now(), **fields)


def dispatch(shipment: Shipment, **fields: Any) -> Shipment:
    return services.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now(), **fields)


def refused(step: Callable[[], Any], error: type[Exception]) -> None:
    """Run a step that is refused, and see that it changed nothing."""
    before = (Event.objects.count(), sorted(Shipment.objects.values_list("pk", "version", "status")))

    with pytest.raises(error):
        step()

    assert (Event.objects.count(), sorted(Shipment.objects.values_list("pk", "version", "status"))) == before


class TestRefunds:
    def test_fully_refunded_order_is_never_packed(self, order: Any) -> None:
        shipment = make_shipment(order)
        make_refund(order)

        refused(lambda: pack(shipment), services.OrderRefunded)
        refused(lambda: pack(shipment, refund_override_reason="Goodwill"), services.OrderRefunded)
        refused(lambda: make_shipment(order), services.OrderRefunded)

    def test_refunded_units_are_left_out(self, order: Any) -> None:
        refund_units(order, 1, 2)

        shipment = make_shipment(order)

        assert sorted(line.quantity for line in shipment.lines.all()) == [1, 2]

    def test_named_refunded_units_need_a_reason(self, order: Any, violated: Callable[[], list[Any]]) -> None:
        refund_units(order, 1, 2)

        refused(lambda: make_shipment(order, {1: 2}), services.UnitsRefunded)
        dispatch(make_packed_shipment(order, {1: 3}, refund_override_reason="Sent as a gift"))

        assert Shipment.objects.get().refund_override_reason == "Sent as a gift"
        assert violated() == []

    def test_units_refunded_while_they_wait_need_a_reason(self, order: Any, violated: Callable[[], list[Any]]) -> None:
        packed = make_packed_shipment(order)
        refund_units(order, 1, 1)

        refused(lambda: dispatch(packed), services.UnitsRefunded)
        dispatch(packed, refund_override_reason="Sent as a gift")

        assert violated() == []

    def test_refund_of_sent_units_keeps_no_other_units(self, order: Any, violated: Callable[[], list[Any]]) -> None:
        make_dispatched_shipment(order, {1: 1})
        refund_units(order, 1, 1, reason="goods_missing")

        assert make_dispatched_shipment(order).status == "dispatched"
        assert violated() == []


class TestDisputes:
    def test_goods_stay_until_the_bank_has_decided(self, order: Any) -> None:
        packed = make_packed_shipment(order)
        dispute = make_dispute(PaymentAttempt.objects.get(), id="disp_1")

        refused(lambda: dispatch(packed), services.OrderDisputed)
        make_dispute(PaymentAttempt.objects.get(), id="disp_1", status="won")

        assert dispute.order_id == order.pk
        assert dispatch(packed).status == "dispatched"

    def test_lost_money_needs_a_reason(self, order: Any) -> None:
        packed = make_packed_shipment(order)
        attempt = PaymentAttempt.objects.get()
        make_dispute(attempt, id="disp_1", status="lost", amount=10_000, amount_deducted=10_000)

        refused(lambda: dispatch(packed), services.OrderMoneyLost)

        assert dispatch(packed, refund_override_reason="The buyer paid us in cash").status == "dispatched"

    def test_order_whose_money_is_lost_is_never_sent(self, order: Any) -> None:
        packed = make_packed_shipment(order)
        attempt = PaymentAttempt.objects.get()
        make_dispute(attempt, id="disp_1", status="lost", amount_deducted=attempt.amount)

        refused(lambda: dispatch(packed, refund_override_reason="Why not"), services.OrderRefunded)


class TestHolds:
    def hold(self, order: Any, reason: str = "Address unclear") -> Order:
        return orders.hold_order(order_id=order.pk, reason=reason, actor=SYSTEM, now=clock.now())

    def release(self, order: Any, reason: str = "Address confirmed") -> Order:
        return orders.release_order(order_id=order.pk, reason=reason, actor=SYSTEM, now=clock.now())

    def test_nothing_is_packed_until_the_release(self, order: Any, violated: Callable[[], list[Any]]) -> None:
        shipment = make_shipment(order)

        assert self.hold(order).status == "on_hold"
        refused(lambda: pack(shipment), services.OrderNotShippable)
        assert self.release(order).status == "confirmed"

        assert pack(shipment).status == "packed"
        reasons = Event.objects.filter(type__in=["orders.order.held", "orders.order.released"]).order_by("id")
        assert [event.reason for event in reasons] == ["Address unclear", "Address confirmed"]
        assert violated() == []

    def test_order_that_is_packed_is_not_held(self, order: Any) -> None:
        make_packed_shipment(order)

        refused(lambda: self.hold(order), orders.OrderNotHoldable)

    def test_order_that_is_not_held_is_not_released(self, order: Any) -> None:
        refused(lambda: self.release(order), orders.OrderNotOnHold)

    def test_a_reason_is_required(self, order: Any) -> None:
        refused(lambda: self.hold(order, " "), orders.HoldReasonRequired)


class TestErasure:
    def test_open_parcel_keeps_its_customer(self, order: Any) -> None:
        make_shipment(order)
        Order.objects.update(confirmed_at="2020-01-01T00:00:00Z")

        with pytest.raises(orders.CustomerNotErasable) as error:
            orders.check_erasable(customer_id=order.customer_id, now=clock.now())

        assert "has not been delivered" in str(error.value)

    def test_an_order_whose_money_the_bank_took_back_keeps_nobody(self, owner: Any) -> None:
        order = make_order(owner)
        make_dispute(pay(order), status="lost", amount_deducted=order.total_amount)
        cancel_order(order_id=order.pk, reason="other", actor=SYSTEM, now=clock.now())
        order.refresh_from_db()
        assert (order.status, order.lost_amount, order.refunded_amount) == ("cancelled", order.total_amount, 0)

        orders.check_erasable(customer_id=order.customer_id, now=clock.now() + timedelta(days=365))

    def test_completed_order_keeps_its_customer_until_it_is_closed(self, order: Any, settings: Any) -> None:
        deliver(make_dispatched_shipment(order))
        Order.objects.update(confirmed_at="2020-01-01T00:00:00Z")

        with pytest.raises(orders.CustomerNotErasable) as error:
            orders.check_erasable(customer_id=order.customer_id, now=clock.now())

        completed_at = Order.objects.get().completed_at
        assert completed_at is not None
        days = [format_day(ist_date(at)) for at in (completed_at, completed_at + settings.RETURN_WINDOW)]
        assert str(error.value) == (
            f"Order {order.number} was completed on {days[0]} and can be returned. Its customer can be erased from {days[1]},"
            " after the return window."
        )
