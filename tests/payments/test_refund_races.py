"""Refunds asked, sent and told at the same moment; captures racing expiry. Each with its control."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.orders.models import Order
from apps.orders.services import expire_orders
from apps.payments import locks, selectors, services
from apps.payments.invariants import INVARIANTS
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import giving_back, refunding
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import make_order
from tests.factories.payments import make_facts, make_payment, pay, take_in
from tests.payments.test_concurrency import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


def ask(order: Any, **fields: Any) -> Any:
    values = {"reason": "other", "decides": True, "actor": SYSTEM, "now": clock.now()}
    return services.request_refund(order_id=order.pk, **{**values, **fields})


def violated() -> list[Any]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    return [(result.invariant.id, result.rows, result.error) for result in report.violated]


def test_ten_full_refunds_at_once_are_one(order: Any) -> None:
    pay(order)
    results = together(*[lambda: ask(order)] * 10)
    assert Counter(type(result) for result in results) == {list: 1, services.NothingToRefund: 9}
    assert Refund.objects.count() == 1
    assert violated() == []


def test_control_without_the_locks_the_money_is_promised_twice(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pay(order)
    barrier = threading.Barrier(2)
    real = refunding._check_amount

    def meet(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        barrier.wait(10)

    def unlocked(order_id: Any, **_: Any) -> list[PaymentAttempt]:
        return list(PaymentAttempt.objects.filter(payment__order_id=order_id, status="captured"))

    monkeypatch.setattr(refunding, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(locks, "lock_captured_attempts", unlocked)
    monkeypatch.setattr(refunding, "_check_amount", meet)
    monkeypatch.setattr(refunding, "tell_order", lambda **_: None)
    numbers = iter(range(7, 100))
    # The numbering would catch it by chance; the sum must be safe by itself.
    real_create = Refund.objects.create
    monkeypatch.setattr(
        Refund.objects, "create", lambda **v: real_create(**{**v, "sequence": (n := next(numbers)), "number": f"R{n}"})
    )
    together(*[lambda: ask(order)] * 2)
    assert Refund.objects.count() == 2
    assert "INV-14b" in [found[0] for found in violated()]


def _paid_at_gateway(owner: Any, sandbox: Any, count: int) -> list[Order]:
    """Return orders that the sandbox has the money of."""
    variant = make_variant(stock=count)
    paid = []
    for _ in range(count):
        order = make_order(owner, [variant])
        payment = make_payment(order, is_ready=False)
        services.create_gateway_order(payment_id=payment.pk, now=clock.now())
        payment.refresh_from_db()
        sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
        services.sync_payment(payment_id=payment.pk, now=clock.now())
        paid.append(order)
    return paid


def _refund_twice_each(orders: list[Order]) -> list[Any]:
    refunds = [ask(order)[0] for order in orders]
    now = clock.now()

    def send(refund: Refund) -> Any:
        try:
            return services.send_refund(refund_id=refund.pk, now=now)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as workers:
        return list(workers.map(send, [refund for refund in refunds for _ in range(2)]))


@pytest.mark.timeout(400)
def test_five_hundred_refunds_attempted_twice_at_once_are_five_hundred(owner: Any, sandbox: Any) -> None:
    make_registration()
    orders = _paid_at_gateway(owner, sandbox, 500)
    results = _refund_twice_each(orders)
    assert results == [True] * 1000
    truth = sandbox.control("GET", "/truth")["refunds"]
    assert (len(truth), Refund.objects.filter(status="processed").count()) == (500, 500)
    books = ("refunds_payable", "customer_advances", "gateway_receivable:razorpay")
    assert [selectors.balance_of(code) for code in books] == [0, 0, 0]
    assert violated() == []


def test_control_without_claim_and_key_refunds_are_doubled(
    owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_registration()
    (order,) = _paid_at_gateway(owner, sandbox, 1)
    (refund,) = ask(order, amount=1_000)
    barrier = threading.Barrier(2)

    def both(refund_id: Any, *, now: Any) -> Refund:
        found = Refund.objects.get(pk=refund_id)
        found.idempotency_key = f"another-key-{threading.get_ident()}"
        barrier.wait(10)
        return found

    monkeypatch.setattr(giving_back, "_claim", both)
    together(*[lambda: services.send_refund(refund_id=refund.pk, now=clock.now())] * 2)
    assert len(sandbox.control("GET", "/truth")["refunds"]) == 2


@pytest.mark.timeout(300)
def test_captures_racing_expiry_never_leave_both_nor_neither(owner: Any, settings: Any) -> None:
    make_registration()
    settings.LATE_PAYMENT = "refund"
    variant = make_variant(stock=100)
    outcomes: Counter[str] = Counter()
    for _ in range(100):
        order = make_order(owner, [variant])
        payment = make_payment(order)
        facts, later = make_facts(payment), order.expires_at + timedelta(hours=1)
        together(lambda f=facts, n=later: take_in(f, now=n), lambda n=later: expire_orders(now=n))
        order.refresh_from_db()
        outcomes[order.status] += 1
        refunded = Refund.objects.filter(order=order).count()
        assert (order.status, refunded) in (("confirmed", 0), ("expired", 1))
    assert sum(outcomes.values()) == 100
    assert violated() == []


def test_control_without_the_lock_capture_and_expiry_both_win(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = make_payment(order)
    later = order.expires_at + timedelta(hours=1)
    stale = Order.objects.get(pk=order.pk)
    expire_orders(now=later)
    monkeypatch.setattr("apps.payments.services.applying.lock_order", lambda pk: stale)
    with pytest.raises(Exception, match="not at version|expired|InvalidTransition|cannot become"), transaction.atomic():
        take_in(make_facts(payment), now=later)
