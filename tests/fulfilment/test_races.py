"""Goods leave at the same moment as the order, its money or the parcel changes. Each with its control."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.catalog import services as stock
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.states import InvalidTransition
from apps.fulfilment import locks, services
from apps.fulfilment.models import Shipment
from apps.fulfilment.services import dispatch, packing, shipments
from apps.orders.models import Order
from apps.orders.services import OrderNotCancellable, fulfilment_totals
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.services.order_cancellation import cancel_order
from tests.factories.catalog import make_registration, make_variant
from tests.factories.fulfilment import make_invoiced_order, make_packed_shipment, make_shipment
from tests.factories.payments import make_dispute, make_refund
from tests.support.events import store_unchecked
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

_ASKED = ("INV-01", "INV-02", "INV-03", "INV-04", "INV-05", "INV-05b", "INV-09", "INV-11b", "INV-60", "INV-61", "INV-62", "INV-63",
          "INV-64", "INV-65", "INV-66", "INV-67")  # fmt: skip


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    """A paid and invoiced order of 3 shirts."""
    make_registration()
    return make_invoiced_order(owner, [(make_variant(stock=10), 3)])


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=list(_ASKED))
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


def errors(results: list[Any]) -> list[type[Exception]]:
    return [type(result) for result in results if isinstance(result, Exception)]


def dispatcher(shipment: Shipment) -> Callable[[], Any]:
    return lambda: services.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())


def canceller(order: Any) -> Callable[[], Any]:
    return lambda: cancel_order(order_id=order.pk, actor=SYSTEM, reason="by mistake", now=clock.now())


def packer(shipment: Shipment) -> Callable[[], Any]:
    return lambda: services.pack_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())


def disputer() -> Dispute:
    return make_dispute(PaymentAttempt.objects.get())


def dispatched_event() -> Any:
    return Event.objects.filter(type="fulfilment.shipment.dispatched").first()


def event_of(event_type: str) -> Any:
    return Event.objects.filter(type=event_type).first()


def unlock(module: Any, monkeypatch: pytest.MonkeyPatch, *, meanwhile: Callable[[], Any]) -> None:
    """Turn the locks of a step off, and let somebody else go between its checks and its changes."""
    monkeypatch.setattr(module, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(locks, "lock_shipment", lambda pk: Shipment.objects.get(pk=pk))
    # The dense version of each subject would catch it too; the locks must be enough by themselves.
    monkeypatch.setattr(module, "change", store_unchecked)
    monkeypatch.setattr(fulfilment_totals, "change", store_unchecked)
    check = module.check_units_not_refunded
    turns = [meanwhile]

    def check_then_wait(*args: Any, **kwargs: Any) -> None:
        check(*args, **kwargs)
        if turns:
            run_together(turns.pop())

    monkeypatch.setattr(module, "check_units_not_refunded", check_then_wait)


class TestDispatchAgainstCancellation:
    @pytest.mark.parametrize("is_cancelled_first", [True, False])
    def test_one_of_the_two_happens(self, order: Any, is_cancelled_first: bool) -> None:
        packed = make_packed_shipment(order)
        calls = [canceller(order), dispatcher(packed)]

        results = run_together(*(calls if is_cancelled_first else reversed(calls)))

        [refusal] = errors(results)
        assert issubclass(refusal, OrderNotCancellable | InvalidTransition | services.OrderNotShippable)
        packed.refresh_from_db()
        assert (packed.status, Order.objects.get().status) in (
            ("cancelled", "cancelled"),
            ("dispatched", "in_fulfilment"),
        )
        assert violated() == []

    def test_control_without_locks_goods_of_a_cancelled_order_leave(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed = make_packed_shipment(order)
        unlock(dispatch, monkeypatch, meanwhile=canceller(order))
        # The reservation would refuse as well: its units were released.
        monkeypatch.setattr(stock, "consume_reservations", lambda **_: [])

        dispatcher(packed)()

        packed.refresh_from_db()
        assert (packed.status, Order.objects.get().status) == ("dispatched", "cancelled")


class TestDispatchAgainstRefund:
    @pytest.mark.parametrize("is_refunded_first", [True, False])
    def test_nothing_leaves_after_the_refund_of_all(self, order: Any, is_refunded_first: bool) -> None:
        packed = make_packed_shipment(order)
        calls = [lambda: make_refund(order), dispatcher(packed)]

        results = run_together(*(calls if is_refunded_first else reversed(calls)))

        event = dispatched_event()
        assert errors(results) == ([] if event else [services.OrderRefunded])
        assert event is None or event.pk < Refund.objects.get().pk
        assert violated() == []

    def test_control_without_locks_goods_leave_after_the_refund(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed = make_packed_shipment(order)
        unlock(dispatch, monkeypatch, meanwhile=lambda: make_refund(order))

        dispatcher(packed)()

        packed.refresh_from_db()
        assert (packed.status, Refund.objects.get().amount) == ("dispatched", order.total_amount)


class TestDispatchAgainstDispute:
    @pytest.mark.parametrize("is_disputed_first", [True, False])
    def test_nothing_leaves_after_the_dispute(self, order: Any, is_disputed_first: bool) -> None:
        packed = make_packed_shipment(order)
        calls = [disputer, dispatcher(packed)]

        results = run_together(*(calls if is_disputed_first else reversed(calls)))

        event = dispatched_event()
        assert errors(results) == ([] if event else [services.OrderDisputed])
        assert event is None or event.pk < event_of("payments.dispute.opened").pk
        assert violated() == []

    def test_control_without_locks_goods_leave_after_the_dispute(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        packed = make_packed_shipment(order)
        unlock(dispatch, monkeypatch, meanwhile=disputer)

        dispatcher(packed)()

        packed.refresh_from_db()
        assert (packed.status, Dispute.objects.get().status) == ("dispatched", "open")


class TestPackTwice:
    def test_a_parcel_is_packed_once(self, order: Any) -> None:
        shipment = make_shipment(order)

        results = run_together(packer(shipment), packer(shipment))

        assert errors(results) == [InvalidTransition]
        assert Event.objects.filter(type="fulfilment.shipment.packed").count() == 1
        assert violated() == []

    def test_control_without_locks_it_is_packed_twice(self, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        shipment = make_shipment(order)
        packed: list[Any] = []
        unlock(packing, monkeypatch, meanwhile=lambda: packed.append(packer(shipment)()))

        packed.append(packer(shipment)())

        assert [one.status for one in packed] == ["packed", "packed"]


class TestTwoShipmentsOfTheSameUnits:
    def create(self, order: Any) -> Callable[[], Any]:
        return lambda: services.create_shipment(order_id=order.pk, actor=SYSTEM, now=clock.now())

    def test_one_of_them_has_the_units(self, order: Any) -> None:
        results = run_together(self.create(order), self.create(order))

        assert errors(results) == [services.EmptyShipment]
        assert Shipment.objects.count() == 1
        assert violated() == []

    def test_control_without_the_lock_both_have_them(self, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shipments, "lock_order", lambda pk: Order.objects.get(pk=pk))
        number = shipments.rules.shipment_number
        turns = [self.create(order)]

        def number_then_wait(sequence: int, day: Any) -> str:
            if turns:
                run_together(turns.pop())
            return number(sequence, day)

        monkeypatch.setattr(shipments.rules, "shipment_number", number_then_wait)

        self.create(order)()

        assert Shipment.objects.count() == 2
        assert [row[0] for row in violated()] == ["INV-62"]
