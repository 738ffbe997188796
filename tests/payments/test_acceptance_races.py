"""Accepting, refunding and cancelling money under review at the same moment; expiry while it arrives. Each with its control."""

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.errors import Conflict
from apps.core.events import SYSTEM
from apps.ledger.models import LedgerTransaction
from apps.orders.models import Order
from apps.orders.services import cancellation, expire_orders
from apps.orders.states import OrderStatus
from apps.payments import locks
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services import payment_acceptance, payment_reviews
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment
from tests.support.events import store_unchecked
from tests.support.money_invariants import INVARIANTS
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    return apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 1_000))


def accept(attempt: PaymentAttempt) -> Any:
    return payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason="offer", actor=SYSTEM, now=clock.now())


def refund(attempt: PaymentAttempt) -> Any:
    return payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=SYSTEM, now=clock.now())


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


class TestConcurrentAcceptance:
    def test_ten_accept_once(self, order: Any, attempt: PaymentAttempt) -> None:
        results = run_together(*[lambda: accept(attempt)] * 10)

        assert Counter(type(result) for result in results) == {
            PaymentAttempt: 1,
            payment_acceptance.AttemptNotAcceptable: 9,
        }
        assert LedgerTransaction.objects.filter(kind="payment_difference").count() == 1
        assert violated() == []

    @pytest.mark.parametrize("turn", range(5))
    def test_accepting_and_refunding_exclude_each_other(self, order: Any, attempt: PaymentAttempt, turn: int) -> None:
        calls = [lambda: accept(attempt), lambda: refund(attempt)]

        results = run_together(*(calls if turn % 2 else reversed(calls)))

        refused = [result for result in results if isinstance(result, Conflict)]
        assert len(refused) == 1
        order.refresh_from_db()
        is_sold = order.status == OrderStatus.CONFIRMED
        assert is_sold != Refund.objects.exists()
        assert violated() == []

    def test_control_without_the_locks_it_is_sold_and_refunded(
        self, order: Any, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked, refunded = threading.Event(), threading.Event()
        real = payment_acceptance._acceptable_amount

        def check_and_wait(*args: Any) -> int:
            due = real(*args)
            checked.set()
            refunded.wait(60)
            return due

        def refund_meanwhile() -> Any:
            checked.wait(60)
            try:
                return refund(attempt)
            finally:
                refunded.set()

        monkeypatch.setattr(payment_acceptance, "_acceptable_amount", check_and_wait)
        monkeypatch.setattr(payment_acceptance, "lock_order", lambda pk: Order.objects.get(pk=pk))
        monkeypatch.setattr(locks, "lock_payment", lambda pk: Payment.objects.get(pk=pk))
        monkeypatch.setattr(
            locks,
            "lock_attempt",
            lambda gateway, gateway_payment_id: PaymentAttempt.objects.select_related("payment").get(
                gateway_payment_id=gateway_payment_id
            ),
        )
        monkeypatch.setattr(payment_acceptance, "change", store_unchecked)
        monkeypatch.setattr(payment_acceptance, "sync_payment_status", lambda *_, **__: None)
        monkeypatch.setattr(payment_acceptance, "sync_order_totals", lambda **_: None)

        results = run_together(lambda: accept(attempt), refund_meanwhile)

        assert [type(result) for result in results] == [PaymentAttempt, Refund]
        attempt.refresh_from_db()
        assert attempt.accepted_amount == order.total_amount
        assert Refund.objects.get().amount == order.total_amount - 1_000


class TestExpiry:
    @pytest.mark.parametrize("turn", range(5))
    def test_money_that_arrives_keeps_the_order_or_comes_late(self, order: Any, turn: int) -> None:
        payment = make_payment(order)
        Payment.objects.update(status="expired", next_action={}, next_check_at=None)
        Order.objects.update(payment_live_until=None, is_payment_processing=False)
        later = order.expires_at + timedelta(minutes=1)
        facts = make_gateway_payment(payment, amount=order.total_amount - 1_000)
        calls = [lambda: apply_payment(facts, now=later), lambda: expire_orders(now=later)]

        run_together(*(calls if turn % 2 else reversed(calls)))

        order.refresh_from_db()
        assert order.under_review_amount == order.total_amount - 1_000
        assert order.status in (OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRED)
        assert [found for found in violated() if found[0] != "INV-18"] == []

    def test_control_without_the_lock_the_order_expires_with_its_money(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = make_payment(order)
        Payment.objects.update(status="expired", next_action={}, next_check_at=None)
        Order.objects.update(payment_live_until=None, is_payment_processing=False)
        later = order.expires_at + timedelta(minutes=1)
        read, arrived = threading.Event(), threading.Event()

        def read_and_wait(order_id: Any) -> Order:
            found = Order.objects.get(pk=order_id)
            read.set()
            arrived.wait(60)
            # What a lock would have made it read.
            found.version = Order.objects.get(pk=order_id).version
            return found

        def arrive() -> Any:
            read.wait(60)
            try:
                return apply_payment(
                    make_gateway_payment(payment, amount=order.total_amount - 1_000), now=later - timedelta(seconds=1)
                )
            finally:
                arrived.set()

        monkeypatch.setattr(cancellation.locks, "try_lock_order", read_and_wait)

        run_together(lambda: expire_orders(now=later), arrive)

        order.refresh_from_db()
        assert (order.status, order.under_review_amount) == (OrderStatus.EXPIRED, order.total_amount - 1_000)
        assert "INV-16d" in [found[0] for found in violated()]
