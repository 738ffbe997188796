"""When an order is completed, and when it is closed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from apps.catalog.models import Reservation
from apps.core import clock, ids
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.fulfilment import handlers as fulfilment_handlers
from apps.fulfilment import services
from apps.invoicing.services import issue_invoices, issue_pending_credit_notes
from apps.orders import selectors as order_selectors
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments.models import PaymentAttempt
from config.subscriptions import HANDLERS
from tests.factories.fulfilment import deliver, make_dispatched_shipment, make_packed_shipment, refund_units
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, pay
from tests.support.stock import stock_of

pytestmark = pytest.mark.django_db


def status_of(order: Any) -> str:
    return str(Order.objects.get(pk=order.pk).status)


def complete(order: Any) -> bool:
    return services.complete_order_if_done(order_id=order.pk, actor=SYSTEM, now=clock.now())


class TestCompleteOrder:
    def test_refunded_rest_completes_it_and_releases_its_stock(self, order: Any, shirt: Any) -> None:
        deliver(make_dispatched_shipment(order, {1: 1, 2: 2}))
        assert status_of(order) == "in_fulfilment"
        refund_units(order, 1, 2, is_processed=True)

        assert complete(order)

        level = stock_of(shirt)
        assert (status_of(order), level.on_hand, level.reserved) == ("completed", 9, 0)
        assert order.lines.get(position=1).cancelled_milli == 2_000
        assert Order.objects.get().fulfilment_status == "delivered"
        assert sorted(Reservation.objects.values_list("status", "consumed_milli")) == [
            ("consumed", 2_000),
            ("released", 1_000),
        ]

    def test_refund_under_way_keeps_it_open(self, order: Any) -> None:
        deliver(make_dispatched_shipment(order, {1: 2, 2: 2}))
        refund_units(order, 1, 1)

        assert not complete(order)

    @pytest.mark.parametrize("reason", ["goods_returned", "goods_missing"])
    def test_returned_units_do_not_stand_for_those_still_to_be_sent(self, order: Any, shirt: Any, reason: str) -> None:
        deliver(make_dispatched_shipment(order, {1: 2, 2: 2}))
        refund_units(order, 1, 1, is_processed=True, reason=reason)

        assert not complete(order)
        assert (status_of(order), stock_of(shirt).reserved) == ("in_fulfilment", 1)

        deliver(make_dispatched_shipment(order, {1: 1}))
        assert status_of(order) == "completed"

    def test_dispute_keeps_it_open_until_it_is_decided(self, order: Any) -> None:
        shipment = make_dispatched_shipment(order)
        make_dispute(PaymentAttempt.objects.get(), id="disp_1")
        deliver(shipment)
        assert status_of(order) == "in_fulfilment"
        make_dispute(PaymentAttempt.objects.get(), id="disp_1", status="won")

        assert complete(order)

    @pytest.mark.parametrize("end", [services.mark_shipment_lost, services.mark_shipment_damaged])
    def test_lost_goods_are_refunded_first(
        self, order: Any, end: Callable[..., Any], violated: Callable[[], list[Any]]
    ) -> None:
        end(
            shipment_id=make_dispatched_shipment(order, {1: 3}).pk,
            reason="Carrier says so",
            actor=SYSTEM,
            now=clock.now(),
        )
        deliver(make_dispatched_shipment(order))
        assert not complete(order)
        refund_units(order, 1, 3, is_processed=True, reason="goods_missing")

        assert complete(order)
        assert [row for row in violated() if row[0].startswith(("INV-6", "INV-0", "INV-11"))] == []

    def test_taking_back_the_last_parcel_completes_it(self, order: Any) -> None:
        deliver(make_dispatched_shipment(order, {1: 1, 2: 2}))
        parcel = make_packed_shipment(order, {1: 1})
        refund_units(order, 1, 2, is_processed=True)
        assert not complete(order)

        services.cancel_shipment(shipment_id=parcel.pk, reason="refunded", actor=SYSTEM, now=clock.now())

        assert status_of(order) == "completed"

    def test_one_that_is_refunded_before_its_invoice_is_completed_with_its_credit_notes(
        self, shirt: Any, owner: Any
    ) -> None:
        order = make_order(owner, [(shirt, 1)])
        pay(order)
        parcel = make_packed_shipment(order)
        refund_units(order, 1, 1, is_processed=True)
        services.cancel_shipment(shipment_id=parcel.pk, reason="refunded", actor=SYSTEM, now=clock.now())
        assert not complete(order)

        issue_invoices(order_id=order.pk, actor=SYSTEM, now=clock.now())
        issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=clock.now())
        event = Event.objects.get(type="invoicing.credit_note.issued")
        assert fulfilment_handlers.complete_order in HANDLERS[event.type]
        fulfilment_handlers.complete_order(event=event, now=clock.now())

        assert status_of(order) == "completed"

    def test_confirmed_order_is_not_completed(self, order: Any) -> None:
        assert not complete(order)
        assert status_of(order) == "confirmed"


class TestCloseOrders:
    def test_closes_after_the_return_window(self, order: Any, settings: Any) -> None:
        settings.RETURN_WINDOW = timedelta(days=7)
        deliver(make_dispatched_shipment(order))
        completed_at = Order.objects.get().completed_at
        assert completed_at is not None

        assert orders.close_orders(now=completed_at + timedelta(days=7) - timedelta(seconds=1)) == 0
        assert orders.close_orders(now=completed_at + timedelta(days=7)) == 1
        assert orders.close_orders(now=completed_at + timedelta(days=8)) == 0

        assert (status_of(order), Order.objects.get().closed_at) == ("closed", completed_at + timedelta(days=7))

    def test_an_order_that_has_changed_since_it_was_found_stays_as_it_is(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(order_selectors, "list_closable_order_ids", lambda **_: [order.pk, ids.new()])
        later = clock.now() + timedelta(days=365)

        with capture_logs() as logs:
            assert orders.close_orders(now=later) == 0

        assert (status_of(order), [line["event"] for line in logs]) == ("confirmed", [])

    def test_closes_in_batches(self, order: Any) -> None:
        deliver(make_dispatched_shipment(order))

        assert orders.close_orders(now=clock.now() + timedelta(days=365), limit=0) == 0
        assert status_of(order) == "completed"
