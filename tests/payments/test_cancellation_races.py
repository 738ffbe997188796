"""Cancelling at the same moment as somebody decides about the order's money. With its control."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import Actor
from apps.orders.models import Order
from apps.orders.services import OrderNotCancellable
from apps.payments import locks
from apps.payments.facts import GatewayError
from apps.payments.models import Refund
from apps.payments.services import order_cancellation
from apps.payments.services.refunds import approvals, bank_transfers
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from tests.factories.catalog import make_registration
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import make_refund, pay
from tests.support.colleagues import BALA, CHITRA
from tests.support.events import store_unchecked
from tests.support.money_invariants import INVARIANTS
from tests.support.stock import stock_of
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race, pytest.mark.usefixtures("colleagues")]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    order = make_order(owner)
    pay(order)
    return order


def canceller(order: Any) -> Callable[[], Any]:
    return lambda: order_cancellation.cancel_order(
        order_id=order.pk, actor=actor_for(order.customer), reason="By mistake", now=clock.now()
    )


def approver(refund: Refund) -> Callable[[], Any]:
    return lambda: approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())


def committed_amount() -> int:
    return sum(Refund.objects.filter(status__in=("pending", "processed")).values_list("amount", flat=True))


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


@pytest.mark.parametrize("is_cancelled_first", [True, False])
def test_cancelling_and_approving_promise_all_of_the_money_once(order: Any, is_cancelled_first: bool) -> None:
    refund = make_refund(order, amount=20_000)
    calls = [canceller(order), approver(refund)]

    results = run_together(*(calls if is_cancelled_first else reversed(calls)))

    faults = [type(result) for result in results if isinstance(result, Exception)]
    assert faults in ([], [approvals.RefundNotAwaitingApproval])
    assert committed_amount() == order.total_amount
    assert violated() == []


def test_control_without_locks_money_is_refunded_twice(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refund = make_refund(order, amount=20_000)
    monkeypatch.setattr(approvals, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(locks, "lock_refund", lambda pk: Refund.objects.get(pk=pk))
    # The dense version of each subject would catch it too; the locks must be enough by themselves.
    monkeypatch.setattr(approvals, "change", store_unchecked)
    monkeypatch.setattr(approvals, "check_still_refundable", lambda *_: run_together(canceller(order)))

    approver(refund)()

    assert committed_amount() == order.total_amount + 20_000
    assert "INV-14b" in [found[0] for found in violated()]


def test_an_order_cancelled_by_ten_at_once_is_cancelled_once(order: Any) -> None:
    results = run_together(*[canceller(order)] * 10)

    assert sorted(type(result).__name__ for result in results) == ["Order", *["OrderAlreadyCancelled"] * 9]
    assert sum(isinstance(result, OrderNotCancellable) for result in results) == 9
    assert (Refund.objects.count(), committed_amount()) == (1, order.total_amount)
    assert stock_of(variant_id=order.lines.get().variant_id).reserved == 0
    assert violated() == []


def test_transfer_confirmed_by_two_at_once_is_booked_once(order: Any) -> None:
    refund = make_refund(order, is_approved=True)
    mark_refund_failed(refund=refund, error=GatewayError(), now=clock.now())

    def confirm(who: Actor) -> Callable[[], Any]:
        return lambda: bank_transfers.confirm_refund_transfer(
            refund_id=refund.pk, reference=f"UTR of {who.id}", actor=who, now=clock.now()
        )

    results = run_together(confirm(BALA), confirm(CHITRA))

    assert sorted(type(result).__name__ for result in results) == ["Refund", "RefundNotTransferable"]
    assert violated() == []
