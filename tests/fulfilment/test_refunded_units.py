"""A refund is about the units that it was requested for: one that was never sent stays, one that arrived keeps no other from leaving."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.fulfilment import rules, selectors, services
from apps.orders.models import OrderLine
from apps.payments.models import RefundLine
from apps.payments.services.refunds import bank_transfers
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.fulfilment import (
    deliver,
    make_dispatched_shipment,
    make_invoiced_order,
    make_packed_shipment,
    make_shipment,
    refund_units,
)
from tests.factories.payments import apply_refund, make_refund
from tests.support.colleagues import ASHA

pytestmark = pytest.mark.django_db

SENT_GOODS = ("goods_missing", "goods_returned")


def units_of(shipment: Any) -> dict[int, int]:
    return {line.order_line.position: line.quantity for line in shipment.lines.select_related("order_line")}


def taken() -> list[tuple[int, int, int]]:
    return list(RefundLine.objects.order_by("pk").values_list("quantity_milli", "sent_milli", "delivered_milli"))


class TestBeforeAnythingWasSent:
    @pytest.mark.parametrize("reason", [*SENT_GOODS, "other"])
    def test_a_refunded_unit_stays_whatever_is_sent_later(
        self, order: Any, reason: str, violated: Callable[[], list[Any]]
    ) -> None:
        refund_units(order, 1, 1, is_processed=True, reason=reason)
        make_dispatched_shipment(order, {1: 2, 2: 2})

        with pytest.raises(services.EmptyShipment):
            make_shipment(order)
        with pytest.raises(services.UnitsRefunded):
            make_shipment(order, {1: 1})
        assert list(selectors.list_lines_to_pack()) == []
        assert taken() == [(1_000, 0, 0)]
        assert violated() == []

    @pytest.mark.parametrize("reason", SENT_GOODS)
    def test_one_that_is_in_a_packed_parcel_does_not_leave(self, order: Any, reason: str) -> None:
        packed = make_packed_shipment(order, {1: 3})
        refund_units(order, 1, 1, reason=reason)

        with pytest.raises(services.UnitsRefunded):
            services.dispatch_shipment(shipment_id=packed.pk, actor=SYSTEM, now=clock.now())

    def test_the_audit_finds_it_if_it_left(self, order: Any, violated: Callable[[], list[Any]]) -> None:
        refund_units(order, 1, 1, is_processed=True, reason="goods_missing")
        make_dispatched_shipment(order, {1: 2})
        make_dispatched_shipment(order, {1: 1}, refund_override_reason="A gift")
        assert violated() == []
        type(make_shipment(order, {2: 1})).objects.update(refund_override_reason="")

        assert [invariant for invariant, _, _ in violated()] == ["INV-63"]


class TestCompletion:
    @pytest.mark.parametrize("reason", SENT_GOODS)
    def test_an_unsent_unit_keeps_an_order_open(
        self, shirt: Any, owner: Any, reason: str, violated: Callable[[], list[Any]]
    ) -> None:
        order = make_invoiced_order(owner, [(shirt, 3)])
        deliver(make_dispatched_shipment(order, {1: 2}))
        refund_units(order, 1, 1, is_processed=True, reason=reason)

        assert not services.complete_order_if_done(order_id=order.pk, actor=SYSTEM, now=clock.now())
        rest = make_dispatched_shipment(order)
        assert units_of(rest) == {1: 1}
        deliver(rest)
        order.refresh_from_db()
        assert order.status == "completed"
        assert taken() == [(1_000, 1_000, 1_000)]
        assert violated() == []

    def test_an_unsent_unit_keeps_an_order_open_when_its_parcels_arrive(self, shirt: Any, owner: Any) -> None:
        order = make_invoiced_order(owner, [(shirt, 3)])
        first, second = make_dispatched_shipment(order, {1: 1}), make_dispatched_shipment(order, {1: 1})
        deliver(first)
        refund_units(order, 1, 1, is_processed=True, reason="goods_returned")
        deliver(second)

        order.refresh_from_db()
        assert order.status == "in_fulfilment"
        assert OrderLine.objects.get(order=order).cancelled_milli == 0

    def test_a_lost_unit_is_not_refunded_by_a_refund_of_a_returned_one(self, shirt: Any, owner: Any) -> None:
        order = make_invoiced_order(owner, [(shirt, 2)])
        first, second = make_dispatched_shipment(order, {1: 1}), make_dispatched_shipment(order, {1: 1})
        deliver(first)
        refund_units(order, 1, 1, is_processed=True, reason="goods_returned")
        services.mark_shipment_lost(shipment_id=second.pk, actor=SYSTEM, now=clock.now())
        order.refresh_from_db()
        assert order.status == "in_fulfilment"

        refund_units(order, 1, 1, is_processed=True, reason="goods_missing")

        assert services.complete_order_if_done(order_id=order.pk, actor=SYSTEM, now=clock.now())
        assert taken() == [(1_000, 1_000, 1_000), (1_000, 1_000, 0)]

    def test_a_unit_that_was_refunded_on_its_way_and_arrives_counts_once(self, shirt: Any, owner: Any) -> None:
        order = make_invoiced_order(owner, [(shirt, 3)])
        first, second = make_dispatched_shipment(order, {1: 1}), make_dispatched_shipment(order, {1: 1})
        refund_units(order, 1, 1, is_processed=True, reason="goods_missing")
        deliver(first)
        deliver(second)

        order.refresh_from_db()
        assert order.status == "in_fulfilment"
        assert taken() == [(1_000, 1_000, 0)]

    @pytest.mark.parametrize(
        ("unsent", "undelivered", "dispatched", "delivered", "expected"),
        [
            (0, 0, 3, 3, True),
            (0, 0, 3, 2, False),
            (1, 0, 2, 2, True),
            (1, 0, 2, 1, False),
            (0, 1, 3, 2, True),
            (0, 1, 2, 2, False),
            (0, 2, 3, 2, True),
            (0, 2, 2, 1, False),
            (1, 1, 2, 1, True),
            (2, 0, 2, 1, True),
            (2, 0, 3, 1, True),
            (1, 0, 3, 1, False),
            (3, 0, 0, 0, True),
        ],
    )
    def test_each_unit_counts_once(
        self, unsent: int, undelivered: int, dispatched: int, delivered: int, expected: bool
    ) -> None:
        line = rules.LineProgress(
            ordered=3, cancelled=0, dispatched=dispatched, delivered=delivered,
            refunded_unsent=unsent, refunded_undelivered=undelivered,
        )  # fmt: skip
        assert rules.is_line_done(line) is expected

    def test_cancelled_units_count_as_done(self) -> None:
        line = rules.LineProgress(
            ordered=3, cancelled=1, dispatched=1, delivered=1, refunded_unsent=0, refunded_undelivered=0
        )
        assert not rules.is_line_done(line)
        line = rules.LineProgress(
            ordered=3, cancelled=2, dispatched=1, delivered=1, refunded_unsent=5, refunded_undelivered=5
        )
        assert rules.is_line_done(line)

    def test_the_audit_finds_an_order_completed_by_a_refund_of_a_delivered_unit(
        self, shirt: Any, owner: Any, violated: Callable[[], list[Any]]
    ) -> None:
        order = make_invoiced_order(owner, [(shirt, 3)])
        deliver(make_dispatched_shipment(order, {1: 2}))
        refund_units(order, 1, 1, is_processed=True, reason="goods_returned")
        assert violated() == []
        type(order).objects.update(status="completed")

        assert "INV-66" in [invariant for invariant, _, _ in violated()]


@pytest.mark.usefixtures("colleagues")
class TestRevivedRefund:
    def test_takes_the_units_as_they_are_then(self, shirt: Any, owner: Any, violated: Callable[[], list[Any]]) -> None:
        order = make_invoiced_order(owner, [(shirt, 2)])
        [line] = order.lines.all()
        failed = make_refund(order, lines=[RefundLineInput(line.pk, 1)], is_approved=True, reason="goods_returned")
        apply_refund(failed, status="failed")
        assert taken() == [(1_000, 0, 0)]
        deliver(make_dispatched_shipment(order, {1: 1}))

        bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=ASHA, now=clock.now() + timedelta(minutes=1))

        assert taken() == [(1_000, 1_000, 1_000)]
        assert violated() == []


class TestInvariant:
    @pytest.mark.parametrize(("name", "value"), [("sent_milli", 3_000), ("delivered_milli", 1_000)])
    def test_finds_more_units_than_were_sent_or_arrived(
        self, order: Any, violated: Callable[[], list[Any]], name: str, value: int
    ) -> None:
        make_dispatched_shipment(order, {1: 2})
        refund_units(order, 1, 3)
        assert violated() == []
        RefundLine.objects.update(**{"sent_milli": 2_000, name: value})

        assert [invariant for invariant, _, _ in violated()] == ["INV-68"]
