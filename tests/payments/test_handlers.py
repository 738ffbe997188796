"""From news to deed: what the relay carries to payments, and what the clock starts."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock, relay
from apps.ledger import tasks as ledger_tasks
from apps.ledger.models import BalanceCheckpoint, LedgerTransaction
from apps.orders.states import OrderStatus
from apps.payments import tasks
from apps.payments.models import Payment, Webhook
from apps.payments.services import gateway_orders, webhooks
from apps.payments.states import PaymentStatus
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_payment
from tests.support.checkout import signed
from tests.support.handler_runs import run_handler
from tests.support.webhooks import URL, body_of, sign

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


def carry() -> list[str]:
    """Let the relay carry all news, and payments do what it is told; return the names of its handlers that did."""
    handler_runs = relay.claim_outbox(now=clock.now())
    ours = [handler_run for handler_run in handler_runs if handler_run.handler.startswith("apps.payments.")]
    assert all(run_handler(handler_run.pk) for handler_run in ours)
    return [handler_run.handler.removeprefix("apps.payments.handlers.") for handler_run in ours]


def test_a_payment_goes_from_request_to_confirmed_order(
    client_of: Any, owner: Any, anonymous: Any, order: Any, sandbox: Any
) -> None:
    client = client_of(owner)
    started = client.post(
        "/api/v1/payments", {"order_id": order.public_id}, format="json", headers={"Idempotency-Key": "the-only-one"}
    )
    assert carry() == ["create_gateway_order_for_payment"]
    ready = client.get(started["Location"]).json()
    assert ready["next_action"]["upi"]["link"].startswith("upi://pay?")

    gateway_payment_id = ready["next_action"]["upi"]["gateway_payment_id"]
    sandbox.control("POST", f"/payments/{gateway_payment_id}/approve")
    for event in reversed(sandbox.control("GET", "/webhooks")["items"]):
        raw = event["body"].encode()
        for _ in range(2):
            headers = {"X-Razorpay-Signature": sign(raw), "X-Razorpay-Event-Id": event["id"]}
            assert anonymous.post(URL, raw, content_type="application/json", headers=headers).status_code == 200
    assert set(carry()) == {"process_webhook"}

    paid = client.get(started["Location"]).json()
    order.refresh_from_db()
    assert (paid["status"], paid["next_action"], order.status) == ("succeeded", None, OrderStatus.CONFIRMED)
    assert [attempt["status"] for attempt in paid["attempts"]] == ["captured"]
    assert LedgerTransaction.objects.filter(order_id=order.pk).count() == 1
    assert not Webhook.objects.exclude(outcome="processed").exists()


def test_a_callback_is_followed_by_the_question_to_the_gateway(
    client_of: Any, owner: Any, order: Any, sandbox: Any
) -> None:
    payment = make_payment(order, is_ready=False)
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    paid = sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    carry()
    body = signed(payment, paid["razorpay_payment_id"])
    assert body["signature"] == paid["razorpay_signature"]
    answer = client_of(owner).post(f"/api/v1/payments/{payment.public_id}/verify", body, format="json")
    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    assert carry() == ["sync_payment"]
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.SUCCEEDED


def test_scheduled_polling_finds_unreported_payment(order: Any, sandbox: Any) -> None:
    payment = make_payment(order, is_ready=False)
    Payment.objects.filter(pk=payment.pk).update(next_check_at=clock.now())
    tasks.poll_open_payments()
    payment.refresh_from_db()
    assert payment.gateway_order_id is not None

    raw = body_of(payment)
    earlier = clock.now() - timedelta(minutes=2)
    webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="evt_1", now=earlier)
    tasks.sweep_webhooks()
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.SUCCEEDED

    ledger_tasks.checkpoint_balances()
    assert BalanceCheckpoint.objects.count() == 2
