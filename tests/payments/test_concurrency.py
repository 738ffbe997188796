"""Webhook, callback and poll at the same moment; two buyers' clicks; a checkpoint amid postings. Each with its control."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction
from apps.ledger.services import checkpoints
from apps.orders.models import Order
from apps.payments import locks
from apps.payments.gateways.razorpay import adapter
from apps.payments.models import Payment, PaymentAttempt, Webhook
from apps.payments.services import (
    attempts,
    checkout_signatures,
    gateway_orders,
    ledger_accounts,
    payments,
    polling,
    webhooks,
)
from apps.payments.states import Source
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_gateway_payment, make_payment
from tests.support.lock_controls import without_lock
from tests.support.money_invariants import INVARIANTS
from tests.support.threads import run_together
from tests.support.webhooks import body_of, sign

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


@contextmanager
def without_locks(monkeypatch: pytest.MonkeyPatch, *, meet_in: str) -> Iterator[None]:
    """
    Take the row locks away, and let all threads read before any of them writes.

    `meet_in` names the function of `applying` before which they wait for each other.
    """
    barrier = threading.Barrier(2)
    real = getattr(attempts, meet_in)

    def meet(*args: Any, **kwargs: Any) -> Any:
        barrier.wait(60)
        return real(*args, **kwargs)

    def read_attempt(*, gateway: str, gateway_payment_id: str) -> PaymentAttempt | None:
        return PaymentAttempt.objects.filter(gateway=gateway, gateway_payment_id=gateway_payment_id).first()

    with monkeypatch.context() as patch:
        patch.setattr(attempts, "lock_order", lambda pk: Order.objects.get(pk=pk))
        patch.setattr(locks, "lock_payment", lambda pk: Payment.objects.get(pk=pk))
        patch.setattr(locks, "lock_attempt", read_attempt)
        patch.setattr(attempts, meet_in, meet)
        yield


def books_hold() -> bool:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    return [(result.invariant.id, result.rows) for result in report.failing] == []


def apply_as(facts: Any, source: Source) -> Callable[[], Any]:
    return lambda: attempts.apply_gateway_payment(facts=facts, source=source, actor=SYSTEM, now=clock.now())


def test_webhook_callback_and_poll_at_once_book_the_money_once(order: Any, sandbox: Any) -> None:
    payment = make_payment(order, is_ready=False)
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    paid = sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    raw = body_of(payment, id=paid["razorpay_payment_id"])

    def by_webhook() -> None:
        webhook = webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="evt_1", now=clock.now())
        webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    def by_callback() -> None:
        checkout_signatures.verify_checkout(
            payment_id=payment.pk,
            customer_id=payment.customer_id,
            gateway_payment_id=paid["razorpay_payment_id"],
            signature=paid["razorpay_signature"],
            actor=SYSTEM,
            now=clock.now(),
        )
        polling.sync_payment(payment_id=payment.pk, now=clock.now())

    def by_poll() -> None:
        polling.sync_payment(payment_id=payment.pk, now=clock.now())

    facts = adapter.Razorpay().get_payment(gateway_payment_id=paid["razorpay_payment_id"])
    results = run_together(by_webhook, by_webhook, by_callback, by_poll, by_poll, apply_as(facts, Source.POLL))

    assert results[:5] == [None] * 5
    assert PaymentAttempt.objects.filter(status="captured").count() == 1
    assert (LedgerTransaction.objects.count(), Webhook.objects.count()) == (1, 1)
    assert Event.objects.filter(type="orders.order.confirmed").count() == 1
    assert Event.objects.filter(type="payments.payment.succeeded").count() == 1
    assert books_hold()


def test_eight_at_once_make_one_attempt_and_one_posting(order: Any) -> None:
    facts = make_gateway_payment(make_payment(order))
    results = run_together(*[apply_as(facts, Source.POLL)] * 8)
    assert {result.pk for result in results} == {PaymentAttempt.objects.get().pk}
    assert LedgerTransaction.objects.count() == 1
    assert books_hold()


def test_control_without_locks_one_of_two_fails_at_the_constraint(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = make_gateway_payment(make_payment(order))
    with without_locks(monkeypatch, meet_in="_backfill_gateway_ids"):
        results = run_together(*[apply_as(facts, Source.POLL)] * 2)
    assert [type(result) for result in results if isinstance(result, Exception)] == [IntegrityError]
    assert "one_attempt_per_gateway_payment" in str(next(result for result in results if isinstance(result, Exception)))


def test_two_captures_of_one_order_at_once_pay_it_once_and_review_the_other(order: Any) -> None:
    payment = make_payment(order)
    first, second = make_gateway_payment(payment), make_gateway_payment(payment)
    run_together(apply_as(first, Source.POLL), apply_as(second, Source.POLL))
    assert sorted(PaymentAttempt.objects.values_list("review_reason", flat=True)) == ["", "paid_twice"]
    assert books_hold()


def test_control_without_locks_neither_of_two_captures_is_seen_as_the_second(
    order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(order)
    first, second = make_gateway_payment(payment), make_gateway_payment(payment)
    monkeypatch.setattr(attempts, "sync_order_totals", lambda **_: None)
    monkeypatch.setattr(attempts, "sync_payment_status", lambda *_, **__: None)
    with without_locks(monkeypatch, meet_in="_post_capture"):
        run_together(apply_as(first, Source.POLL), apply_as(second, Source.POLL))
    assert list(PaymentAttempt.objects.values_list("review_reason", flat=True)) == ["", ""]
    assert not books_hold()


def _start(order: Any) -> Callable[[], Payment]:
    return lambda: payments.start_payment(
        order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now()
    )


def test_eight_clicks_on_pay_make_one_payment(order: Any) -> None:
    results = run_together(*[_start(order)] * 8)
    assert {result.pk for result in results} == {Payment.objects.get().pk}


def test_control_without_the_lock_a_click_fails_at_the_constraint(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    barrier = threading.Barrier(2)
    real = payments._amount_due

    def meet(*args: Any) -> int:
        barrier.wait(60)
        return real(*args)

    monkeypatch.setattr(payments, "_amount_due", meet)
    with without_lock("apps.orders.locks.lock_order"):
        results = run_together(*[_start(order)] * 2)
    assert [type(result) for result in results if isinstance(result, Exception)] == [IntegrityError]
    assert Payment.objects.count() == 1


def test_eight_workers_make_one_gateway_order(order: Any, sandbox: Any) -> None:
    payment = make_payment(order, is_ready=False)
    now = clock.now()
    results = run_together(*[lambda: gateway_orders.create_gateway_order(payment_id=payment.pk, now=now)] * 8)
    assert results == [None] * 8
    calls = sandbox.control("GET", "/journal", service="razorpay", direction="in")["items"]
    assert [call["path"] for call in calls if call["method"] == "POST"].count("/v1/orders") == 1
    payment.refresh_from_db()
    assert payment.gateway_call == "succeeded"


def test_ten_copies_of_a_webhook_at_once_are_kept_once(order: Any) -> None:
    raw = body_of(make_payment(order))
    results = run_together(
        *[lambda: webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="evt_1", now=clock.now())] * 10
    )
    assert {result.pk for result in results} == {Webhook.objects.get().pk}
    assert Event.objects.filter(type="payments.webhook.received").count() == 1


def test_one_fact_posted_by_eight_at_once_is_posted_once(order: Any) -> None:
    source_id = order.pk

    def post() -> LedgerTransaction:
        return ledger_services.post_to_ledger(
            source_type="test",
            source_id=source_id,
            kind="fee",
            order_id=None,
            entries={"bank": 5, "round_off": -5},
            description="a test",
            occurred_at=clock.now(),
        )

    ledger_accounts.set_up_reference_data(now=clock.now())
    results = run_together(*[post] * 8)
    assert {result.pk for result in results} == {LedgerTransaction.objects.get().pk}


def _checkpoint_amid_a_posting(order: Any) -> int:
    """Begin a posting, begin a checkpoint, post and commit another, commit the first; return what the checkpoint missed."""
    ledger_accounts.set_up_reference_data(now=clock.now())
    has_begun, may_end = threading.Event(), threading.Event()

    def post(source: Any) -> None:
        ledger_services.post_to_ledger(
            source_type="test", source_id=source, kind="fee", order_id=None, entries={"bank": 5, "round_off": -5},
            description="a test", occurred_at=clock.now(),
        )  # fmt: skip

    def slow() -> None:
        with transaction.atomic():
            post(order.pk)
            has_begun.set()
            may_end.wait(60)

    def quick_then_checkpoint() -> None:
        has_begun.wait(60)
        post(order.customer_id)
        threading.Timer(0.5, may_end.set).start()
        checkpoints.checkpoint_balances(now=clock.now())

    run_together(slow, quick_then_checkpoint)
    return 10 - ledger.balance_of("bank")


def test_a_checkpoint_waits_for_postings_that_have_begun(order: Any) -> None:
    assert _checkpoint_amid_a_posting(order) == 0


def test_control_a_checkpoint_that_does_not_wait_loses_money(order: Any) -> None:
    with without_lock("apps.ledger.locks.wait_for_postings"):
        assert _checkpoint_amid_a_posting(order) == 5


def test_cancellation_and_capture_at_once_end_with_the_money_booked(order: Any) -> None:
    payment = make_payment(order)

    def give_up() -> None:
        payments.cancel_payment(payment_id=payment.pk, customer_id=payment.customer_id, actor=SYSTEM, now=clock.now())

    run_together(give_up, apply_as(make_gateway_payment(payment), Source.POLL))
    payment.refresh_from_db()
    order.refresh_from_db()
    assert payment.status in ("succeeded", "succeeded_late")
    assert (order.status, order.paid_amount) == ("confirmed", order.total_amount)
    assert books_hold()


def test_two_pollers_at_once_leave_no_claim_behind(order: Any, sandbox: Any) -> None:
    payment = make_payment(order, is_ready=False)
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    due = clock.now() + timedelta(minutes=1)
    run_together(*[lambda: polling.poll_open_payments(now=due)] * 2)
    payment.refresh_from_db()
    assert payment.checks in (1, 2)
    assert payment.claimed_until is None
