"""Refunds asked, sent and told at the same moment; captures racing expiry. Each with its control."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.states import InvalidTransition
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction
from apps.orders.models import Order
from apps.orders.services import expire_orders
from apps.payments import locks
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services.refunds import amounts, requests, submission
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, pay
from tests.support.gateway_payments import make_orders_paid_at_gateway
from tests.support.lock_controls import run_amid
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import request_refunds
from tests.support.threads import RACE_SIZE, run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


def ask(order: Any, **fields: Any) -> Any:
    values = {"reason": "other", "actor": SYSTEM, "now": clock.now()}
    return request_refunds(order_id=order.pk, **{**values, **fields})


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


def test_ten_full_refunds_at_once_are_one(order: Any) -> None:
    pay(order)
    results = run_together(*[lambda: ask(order)] * 10)
    assert Counter(type(result) for result in results) == {list: 1, amounts.NothingToRefund: 9}
    assert Refund.objects.count() == 1
    assert violated() == []


def test_control_without_locks_the_money_is_refunded_twice(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pay(order)
    barrier = threading.Barrier(2)
    real = amounts.check_amount

    def meet(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        barrier.wait(60)

    def unlocked(order_id: Any, **_: Any) -> list[PaymentAttempt]:
        return list(PaymentAttempt.objects.filter(payment__order_id=order_id, status="captured"))

    monkeypatch.setattr(requests, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(locks, "lock_captured_attempts", unlocked)
    monkeypatch.setattr(amounts, "check_amount", meet)
    monkeypatch.setattr(requests, "sync_order_totals", lambda **_: None)
    numbers = iter(range(7, 100))
    # The numbering would catch it by chance; the sum must be safe by itself.
    real_create = requests.create

    def create_with_own_number(refund: Refund, *args: Any, **kwargs: Any) -> Any:
        refund.sequence = next(numbers)
        refund.number = f"R{refund.sequence}"
        return real_create(refund, *args, **kwargs)

    monkeypatch.setattr(requests, "create", create_with_own_number)
    run_together(*[lambda: ask(order)] * 2)
    assert Refund.objects.count() == 2
    assert "INV-14b" in [found[0] for found in violated()]


def _in_parts(order: Order, count: int) -> list[Refund]:
    """Ask for all the money of an order back in so many refunds."""
    part = order.total_amount // count
    first = [ask(order, amount=part)[0] for _ in range(count - 1)]
    return [*first, *ask(order)]


@contextmanager
def crew(count: int) -> Iterator[Callable[..., list[Any]]]:
    """
    Yield what does many deeds by so many threads, as workers do: each keeps its connection for all that it does.

    Results come in the order of the deeds; an error is a result.
    """
    barrier = threading.Barrier(count)

    def do(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    def leave(_: int) -> None:
        barrier.wait(60)
        connection.close()

    with ThreadPoolExecutor(max_workers=count) as threads:
        yield lambda deeds: list(threads.map(do, deeds))
        list(threads.map(leave, range(count)))


@pytest.mark.timeout(600)
def test_refunds_attempted_twice_at_once_are_each_made_once(owner: Any, sandbox: Any) -> None:
    make_registration()
    orders = make_orders_paid_at_gateway(owner, sandbox, RACE_SIZE // 10)
    refunds = [refund for order in orders for refund in _in_parts(order, 10)]
    assert len(refunds) == RACE_SIZE

    now = clock.now()
    with crew(8) as do_all:
        results = do_all(
            [partial(submission.submit_refund, refund_id=refund.pk, now=now) for refund in refunds for _ in "ab"]
        )
    assert results == [True] * 2 * RACE_SIZE

    truth = sandbox.control("GET", "/truth")["refunds"]
    assert (len(truth), Refund.objects.filter(status="processed").count()) == (RACE_SIZE, RACE_SIZE)
    assert sum(one["amount"] for one in truth) == sum(order.total_amount for order in orders)
    assert LedgerTransaction.objects.filter(kind="refund").count() == RACE_SIZE
    books = ("refunds_payable", "customer_advances", "gateway_receivable:razorpay")
    assert [ledger.balance_of(code) for code in books] == [0, 0, 0]
    assert violated() == []


def test_control_without_claim_and_key_refunds_are_doubled(
    owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_registration()
    (order,) = make_orders_paid_at_gateway(owner, sandbox, 1)
    (refund,) = ask(order, amount=1_000)
    barrier = threading.Barrier(2)

    def both(refund_id: Any, *, now: Any) -> Refund:
        found = Refund.objects.get(pk=refund_id)
        found.idempotency_key = f"another-key-{threading.get_ident()}"
        barrier.wait(60)
        return found

    monkeypatch.setattr(submission, "_claim", both)
    run_together(*[lambda: submission.submit_refund(refund_id=refund.pk, now=clock.now())] * 2)
    assert len(sandbox.control("GET", "/truth")["refunds"]) == 2


# Captures and expiry -----------------------------------------------------------------------------------------------------

#: What is right at the end of a race: status of the order, and refunds of its money.
RIGHT = {("confirmed", 0), ("expired", 1)}


def _overdue(owner: Any, variant: Any, count: int) -> tuple[list[Any], datetime]:
    """Return what the gateway says of payments of so many orders, and when these are overdue."""
    payments = [make_payment(make_order(owner, [variant])) for _ in range(count)]
    later = max(payment.order.expires_at for payment in payments) + timedelta(hours=1)
    return [make_gateway_payment(payment) for payment in payments], later


def _ends(facts: list[Any]) -> list[tuple[str, int]]:
    """Return where the orders of the facts stand, and how many refunds each has."""
    orders = Order.objects.filter(
        pk__in=Payment.objects.filter(gateway_order_id__in=[f.order_id for f in facts]).values("order")
    )
    return [(order.status, Refund.objects.filter(order=order).count()) for order in orders]


@pytest.mark.timeout(600)
def test_captures_racing_expiry_leave_never_both_and_never_neither(owner: Any, settings: Any) -> None:
    make_registration()
    settings.LATE_PAYMENT_POLICY = "refund"
    variant = make_variant(stock=RACE_SIZE)
    ends: Counter[tuple[str, int]] = Counter()
    start = threading.Barrier(7)

    def at_the_start(call: Callable[[], Any], before: threading.Event | None, after: threading.Event | None) -> Any:
        start.wait(60)
        if before is not None:
            before.wait(60)
        try:
            return call()
        finally:
            if after is not None:
                after.set()

    with crew(7) as do_all:
        for _ in range(RACE_SIZE // 5):
            facts, later = _overdue(owner, variant, 5)
            # Whatever the machine is busy with, one capture comes before the expiry and one after it; the others race.
            captured, expired = threading.Event(), threading.Event()
            ways = [(None, captured), (None, None), (None, None), (None, None), (expired, None)]
            captures = [
                partial(at_the_start, partial(apply_payment, one, now=later), *way)
                for one, way in zip(facts, ways, strict=True)
            ]
            expiry = partial(at_the_start, partial(expire_orders, now=later), captured, expired)
            results = do_all([*captures, expiry, expiry])
            assert [one for one in results if isinstance(one, Exception)] == []
            ends.update(_ends(facts))

    sys.stdout.write(f"{dict(ends)}\n")
    assert set(ends) == RIGHT
    assert sum(ends.values()) == RACE_SIZE
    assert LedgerTransaction.objects.filter(kind="capture").count() == RACE_SIZE
    assert min(ends.values()) >= RACE_SIZE // 5
    assert violated() == []


def test_control_without_the_lock_a_capture_amid_expiry_is_lost(owner: Any, settings: Any) -> None:
    make_registration()
    settings.LATE_PAYMENT_POLICY = "refund"
    (facts,), later = _overdue(owner, make_variant(), 1)

    result, _ = run_amid(
        "apps.orders.locks.lock_order",
        lambda: apply_payment(facts, now=later),
        lambda: expire_orders(now=later),
        is_locked=False,
    )

    assert isinstance(result, InvalidTransition)
    assert _ends([facts]) == [("expired", 0)]
    assert ("expired", 0) not in RIGHT
