"""Links and QR codes at the same moment: staff and buyer, many workers, payer and canceller. Each with its control."""

import threading
from typing import Any

import pytest
from django.db import IntegrityError

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.ledger.models import LedgerTransaction
from apps.orders.states import OrderStatus
from apps.payments.models import Payment
from apps.payments.services import gateway_orders, ledger_accounts, payments, polling
from apps.payments.services import webhooks as webhook_services
from apps.payments.states import PaymentChannel
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.support.lock_controls import without_lock
from tests.support.money_invariants import INVARIANTS
from tests.support.payment_links import at_gateway, make, pay, start, webhooks_of
from tests.support.threads import run_together
from tests.support.webhooks import receive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

QR = PaymentChannel.QR_CODE


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    ledger_accounts.set_up_reference_data(now=clock.now())
    return make_order(owner)


def by_staff(order: Any) -> Any:
    return lambda: start(order)


def by_buyer(order: Any) -> Any:
    asked = {"order_id": order.pk, "customer_id": order.customer_id, "actor": SYSTEM}
    return lambda: payments.start_payment(**asked, now=clock.now())


def assert_the_books_hold() -> None:
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS])
    assert [(result.invariant.id, result.rows) for result in report.failing] == []


def test_staff_and_buyer_at_once_begin_one_payment(order: Any) -> None:
    results = run_together(by_staff(order), by_buyer(order), by_staff(order), by_buyer(order))
    assert Payment.objects.count() == 1
    assert {type(one) for one in results} <= {Payment, payments.PaymentInProgress}
    assert_the_books_hold()


def test_control_without_the_lock_the_second_fails_at_the_constraint(
    order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(2)
    real = payments._amount_due

    def meet(*args: Any) -> int:
        barrier.wait(60)
        return real(*args)

    monkeypatch.setattr(payments, "_amount_due", meet)
    with without_lock("apps.orders.locks.lock_order"):
        results = run_together(by_staff(order), by_buyer(order))
    assert [type(one) for one in results if isinstance(one, Exception)] == [IntegrityError]


def make_by_eight(order: Any) -> Any:
    payment = start(order, QR)
    now = clock.now()
    return run_together(*[lambda: gateway_orders.create_gateway_order(payment_id=payment.pk, now=now)] * 8)


def test_eight_workers_make_one_code_though_the_gateway_would_make_eight(order: Any, sandbox: Any) -> None:
    assert make_by_eight(order) == [None] * 8
    assert len(at_gateway(sandbox, QR)) == 1
    assert Payment.objects.get().gateway_link_id is not None


def test_control_without_the_claim_there_are_more(order: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_orders, "_claim", lambda payment_id, now: Payment.objects.get(pk=payment_id))
    make_by_eight(order)
    assert len(at_gateway(sandbox, QR)) > 1


@pytest.mark.parametrize("channel", [PaymentChannel.PAYMENT_LINK, QR])
def test_payment_during_cancellation_is_booked_once(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    pay(sandbox, payment)
    webhooks = [receive(event.body.encode(), event_id=event.id) for event in webhooks_of(sandbox)]
    given_up = {"payment_id": payment.pk, "customer_id": None, "actor": SYSTEM}
    run_together(
        *[
            lambda pk=webhook.pk: webhook_services.process_webhook(webhook_id=pk, now=clock.now())
            for webhook in webhooks
        ],
        lambda: payments.cancel_payment(**given_up, now=clock.now()),
        lambda: polling.sync_payment(payment_id=payment.pk, now=clock.now()),
    )
    for webhook in webhooks:
        webhook_services.process_webhook(webhook_id=webhook.pk, now=clock.now())
    order.refresh_from_db()
    payment.refresh_from_db()
    assert payment.status in ("succeeded", "succeeded_late")
    assert (order.status, order.paid_amount) == (OrderStatus.CONFIRMED, order.total_amount)
    assert LedgerTransaction.objects.filter(kind="capture").count() == 1
    assert_the_books_hold()
