"""Calling the gateway, losing its answers, and the poller who finds out: against the sandbox."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.external_calls import GatewayCall
from apps.ledger.models import LedgerTransaction
from apps.orders.services import cancel_unpaid_order, expire_orders
from apps.orders.states import OrderStatus
from apps.payments.facts import GatewayPayment
from apps.payments.gateways.razorpay import adapter
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services import gateway_orders as gateway_order_services
from apps.payments.services import payments as payment_services
from apps.payments.services import polling
from apps.payments.services.attempts import apply_polled_payment
from apps.payments.states import PaymentStatus
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(order: Any, sandbox: Any) -> Payment:
    return make_payment(order, is_ready=False)


def call(payment: Payment, *, after: int = 0) -> Payment:
    gateway_order_services.create_gateway_order(payment_id=payment.pk, now=clock.now() + timedelta(seconds=after))
    payment.refresh_from_db()
    return payment


def sync(payment: Payment, *, after: int = 0) -> bool:
    answered = polling.sync_payment(payment_id=payment.pk, now=clock.now() + timedelta(seconds=after))
    payment.refresh_from_db()
    return answered


def gateway_orders(sandbox: Any) -> list[Any]:
    return list(sandbox.control("GET", "/truth")["orders"])


def fault(sandbox: Any, kind: str, **fields: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "method": "POST", "kind": kind, **fields})


def checkout(sandbox: Any, payment: Payment, **how: Any) -> Any:
    return sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success", **how})


# Calling --------------------------------------------------------------------------------------------------------------


def test_gateway_order_is_created_and_next_action_is_set(payment: Payment, sandbox: Any, settings: Any) -> None:
    call(payment)
    (made,) = gateway_orders(sandbox)
    assert (made["amount"], made["receipt"], made["id"]) == (
        payment.amount,
        payment.public_id,
        payment.gateway_order_id,
    )
    action = payment.next_action
    assert (action["type"], action["key_id"], action["gateway_order_id"], action["amount"]) == (
        "razorpay_checkout", settings.RAZORPAY_KEY_ID, payment.gateway_order_id, payment.amount,
    )  # fmt: skip
    assert action["upi"]["link"].startswith("upi://pay?")
    assert (payment.gateway_call, payment.claimed_until, payment.status) == (
        GatewayCall.SUCCEEDED, None, PaymentStatus.PROCESSING,
    )  # fmt: skip
    assert payment.attempts.get().gateway_payment_id == action["upi"]["gateway_payment_id"]


def test_without_server_to_server_upi_the_buyer_gets_checkout(payment: Payment, sandbox: Any, settings: Any) -> None:
    settings.RAZORPAY_S2S_UPI = False
    call(payment)
    assert "upi" not in payment.next_action
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT


def test_an_account_that_may_not_open_upi_payments_still_has_checkout(payment: Payment, sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"s2s_upi": False})
    call(payment)
    assert payment.next_action["type"] == "razorpay_checkout"
    assert "upi" not in payment.next_action


def test_a_payment_whose_time_is_up_gets_no_gateway_order(payment: Payment, sandbox: Any) -> None:
    assert polling.sync_payment(payment_id=payment.pk, now=payment.live_until)

    payment.refresh_from_db()
    assert (payment.status, payment.gateway_order_id, gateway_orders(sandbox)) == (PaymentStatus.EXPIRED, None, [])


def test_being_called_again_makes_no_second_order(payment: Payment, sandbox: Any) -> None:
    for _ in range(3):
        call(payment)
    assert len(gateway_orders(sandbox)) == 1
    assert payment.attempts.count() == 1


def test_a_claim_keeps_a_second_worker_away_until_it_lapses(payment: Payment, sandbox: Any) -> None:
    Payment.objects.filter(pk=payment.pk).update(
        claimed_until=clock.now() + timedelta(seconds=60), gateway_call=GatewayCall.UNKNOWN
    )
    assert call(payment).gateway_order_id is None
    assert call(payment, after=61).gateway_order_id is not None


@pytest.mark.parametrize("habit", ["return", "refuse"])
@pytest.mark.parametrize("kind", ["drop_after_commit", "malformed"])
def test_an_answer_lost_after_the_gateway_acted_never_doubles_its_order(
    payment: Payment, sandbox: Any, kind: str, habit: str
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"unique_receipt": habit})
    fault(sandbox, kind)
    call(payment)
    assert (payment.gateway_call, payment.status, payment.gateway_order_id) == (
        GatewayCall.UNKNOWN, PaymentStatus.REQUIRES_PAYMENT, None,
    )  # fmt: skip
    assert payment.next_check_at is not None
    assert polling.poll_open_payments(now=clock.now() + timedelta(seconds=20)) == 1
    payment.refresh_from_db()
    (made,) = gateway_orders(sandbox)
    assert (payment.gateway_order_id, payment.gateway_call) == (made["id"], GatewayCall.SUCCEEDED)


@pytest.mark.parametrize(
    ("kind", "fields", "call_state"),
    [
        ("status", {"status": 500}, GatewayCall.UNKNOWN),
        ("status", {"status": 503}, GatewayCall.UNKNOWN),
        ("status", {"status": 429}, GatewayCall.PENDING),
        ("html", {"status": 502}, GatewayCall.UNKNOWN),
        ("drop_before_commit", {}, GatewayCall.UNKNOWN),
    ],
)
def test_a_gateway_in_trouble_is_called_again_and_one_order_comes_of_it(
    payment: Payment, sandbox: Any, kind: str, fields: dict[str, Any], call_state: str
) -> None:
    fault(sandbox, kind, **fields)
    call(payment)
    assert (payment.gateway_call, payment.status) == (call_state, PaymentStatus.REQUIRES_PAYMENT)
    sync(payment, after=20)
    assert len(gateway_orders(sandbox)) == 1
    assert payment.gateway_order_id is not None


def test_a_refusal_closes_the_payment_with_its_reason_and_makes_room_for_another(
    payment: Payment, order: Any, sandbox: Any, settings: Any
) -> None:
    fault(sandbox, "status", status=400)
    call(payment)
    order.refresh_from_db()
    assert (payment.status, payment.gateway_call, payment.next_check_at) == (
        PaymentStatus.CANCELLED, GatewayCall.REJECTED, None,
    )  # fmt: skip
    assert payment.error["status"] == 400
    assert order.payment_live_until is None
    assert call(make_payment(order, is_ready=False)).gateway_order_id is not None


def test_an_order_of_another_amount_under_our_receipt_is_not_taken(payment: Payment, sandbox: Any) -> None:
    gateway = adapter.Razorpay()
    gateway.create_order(receipt=payment.public_id, amount=payment.amount + 100, currency="INR", notes={})
    Payment.objects.filter(pk=payment.pk).update(gateway_call=GatewayCall.UNKNOWN)
    call(payment)
    assert (payment.status, payment.error["code"]) == (PaymentStatus.CANCELLED, "ORDER_DIFFERS")


def test_payment_cancelled_during_the_call_keeps_the_gateway_order_id(
    payment: Payment, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = adapter.Razorpay.create_order

    def create_order(self: Any, **asked: Any) -> Any:
        payment_services.cancel_payment(
            payment_id=payment.pk, customer_id=payment.customer_id, actor=SYSTEM, now=clock.now()
        )
        return real(self, **asked)

    monkeypatch.setattr(adapter.Razorpay, "create_order", create_order)
    call(payment)
    assert (payment.status, payment.next_action) == (PaymentStatus.CANCELLED, {})
    assert payment.gateway_order_id is not None


def test_money_of_a_payment_cancelled_after_a_lost_response_is_booked(payment: Payment, sandbox: Any) -> None:
    fault(sandbox, "drop_after_commit")
    call(payment)
    payment_services.cancel_payment(
        payment_id=payment.pk, customer_id=payment.customer_id, actor=SYSTEM, now=clock.now()
    )
    (made,) = gateway_orders(sandbox)
    sandbox.control("POST", f"/orders/{made['id']}/checkout", {"outcome": "success"})
    assert polling.poll_open_payments(now=clock.now() + timedelta(minutes=11)) == 1
    payment.refresh_from_db()
    assert (payment.gateway_order_id, payment.status) == (made["id"], PaymentStatus.SUCCEEDED_LATE)


# Asking ---------------------------------------------------------------------------------------------------------------


def test_with_every_webhook_lost_polling_finds_the_money(payment: Payment, order: Any, sandbox: Any) -> None:
    call(payment)
    checkout(sandbox, payment, outcome="failure")
    checkout(sandbox, payment, method="card")
    assert polling.poll_open_payments(now=clock.now() + timedelta(seconds=30)) == 1
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (order.status, payment.status) == (OrderStatus.CONFIRMED, PaymentStatus.SUCCEEDED)
    assert sorted(payment.attempts.values_list("status", flat=True)) == ["captured", "created", "failed"]
    assert LedgerTransaction.objects.count() == 1
    assert polling.poll_open_payments(now=clock.now() + timedelta(hours=2)) == 0


def test_a_poll_that_is_killed_between_two_captures_finds_the_second_later(
    payment: Payment, order: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(payment)
    facts = [make_gateway_payment(payment), make_gateway_payment(payment)]
    monkeypatch.setattr(adapter.Razorpay, "list_payments", lambda *_, **__: facts)

    class Killed(BaseException):
        pass

    def die_at_the_second(one: GatewayPayment, *, now: datetime) -> None:
        if one.id == facts[1].id:
            raise Killed
        apply_polled_payment(one, now=now)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(polling, "apply_polled_payment", die_at_the_second)
        sync(payment)
    payment.refresh_from_db()
    assert (payment.status, payment.attempts.filter(status="captured").count()) == (PaymentStatus.SUCCEEDED, 1)
    assert polling.poll_open_payments(now=clock.now()) == 0, "the claim of the dead holds"

    assert polling.poll_open_payments(now=clock.now() + timedelta(minutes=2)) == 1
    payment.refresh_from_db()
    assert payment.attempts.filter(status="captured").count() == 2
    assert (payment.next_check_at, payment.claimed_until) == (None, None)
    (refund,) = Refund.objects.filter(order=order)
    assert (refund.amount, refund.reason) == (payment.amount, "paid_twice")


def test_authorized_payment_is_captured_by_polling(
    payment: Payment, order: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(payment)
    sandbox.world.razorpay.orders[payment.gateway_order_id].capture = "manual"
    paid = checkout(sandbox, payment)
    assert sandbox.world.razorpay.payments[paid["razorpay_payment_id"]].status == "authorized"
    sync(payment)
    order.refresh_from_db()
    assert sandbox.world.razorpay.payments[paid["razorpay_payment_id"]].status == "captured"
    assert (payment.status, order.status) == (PaymentStatus.SUCCEEDED, OrderStatus.CONFIRMED)


def test_concurrent_capture_is_applied(payment: Payment, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call(payment)
    paid = checkout(sandbox, payment)
    apply_payment(make_gateway_payment(payment, id=paid["razorpay_payment_id"], status="authorized"))
    monkeypatch.setattr(adapter.Razorpay, "list_payments", lambda *_, **__: [])
    sync(payment)
    assert payment.status == PaymentStatus.SUCCEEDED


def test_authorized_payment_of_a_closed_order_is_not_captured(payment: Payment, order: Any, sandbox: Any) -> None:
    call(payment)
    sandbox.world.razorpay.orders[payment.gateway_order_id].capture = "manual"
    payment_services.cancel_payment(
        payment_id=payment.pk, customer_id=payment.customer_id, actor=SYSTEM, now=clock.now()
    )
    cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())
    paid = checkout(sandbox, payment)
    sync(payment)
    assert sandbox.world.razorpay.payments[paid["razorpay_payment_id"]].status == "authorized"
    assert payment.status == PaymentStatus.CANCELLED
    assert LedgerTransaction.objects.count() == 0


def test_a_payment_is_not_closed_while_the_gateway_does_not_answer(payment: Payment, sandbox: Any) -> None:
    call(payment)
    sandbox.control("POST", "/faults", {"path": "/v1/orders/*", "kind": "drop_before_commit", "times": 3})
    past = 3600
    assert sync(payment, after=past) is False
    assert (payment.status, payment.claimed_until) == (PaymentStatus.PROCESSING, None)
    assert payment.next_check_at is not None
    assert sync(payment, after=past) is True
    assert payment.status == PaymentStatus.EXPIRED


def test_money_is_found_before_a_payment_is_closed(payment: Payment, order: Any, sandbox: Any) -> None:
    call(payment)
    checkout(sandbox, payment)
    sync(payment, after=3600)
    order.refresh_from_db()
    assert (payment.status, order.status) == (PaymentStatus.SUCCEEDED, OrderStatus.CONFIRMED)


def test_an_order_whose_payment_ran_out_waits_for_the_last_question(payment: Payment, order: Any, sandbox: Any) -> None:
    """Paid in time, the webhook lost, and the sweep of orders comes by before the poller."""
    call(payment)
    checkout(sandbox, payment)
    payment.refresh_from_db()
    over = payment.live_until
    type(order).objects.update(expires_at=over)

    assert expire_orders(now=over) == 0
    polling.sync_payment(payment_id=payment.pk, now=over)

    order.refresh_from_db()
    payment.refresh_from_db()
    assert (payment.status, order.status) == (PaymentStatus.SUCCEEDED, OrderStatus.CONFIRMED)


def test_an_order_is_free_to_expire_once_its_payment_is_closed(payment: Payment, order: Any, sandbox: Any) -> None:
    call(payment)
    over = payment.live_until
    type(order).objects.update(expires_at=over)

    assert expire_orders(now=over) == 0
    polling.sync_payment(payment_id=payment.pk, now=over)

    assert expire_orders(now=over) == 1


def test_payment_unknown_to_the_gateway_expires(payment: Payment, sandbox: Any) -> None:
    sync(payment, after=3600)
    assert (payment.status, payment.next_check_at) == (PaymentStatus.EXPIRED, None)
    assert gateway_orders(sandbox) == []


def test_bank_response_days_late_is_applied(payment: Payment, order: Any, sandbox: Any) -> None:
    call(payment)
    sync(payment, after=3600)
    assert payment.status == PaymentStatus.EXPIRED
    assert expire_orders(now=clock.now() + timedelta(hours=1)) == 1
    sandbox.control("POST", f"/payments/{payment.attempts.get().gateway_payment_id}/approve")
    assert polling.poll_open_payments(now=clock.now() + timedelta(hours=3)) == 1
    payment.refresh_from_db()
    order.refresh_from_db()
    # Its goods can be had again, so the order is revived, as LATE_PAYMENT_POLICY says.
    assert (payment.status, order.status) == (PaymentStatus.SUCCEEDED_LATE, OrderStatus.CONFIRMED)
    assert PaymentAttempt.objects.get().review_reason == ""
    assert order.paid_amount == order.total_amount


def test_a_round_ends_when_the_gateway_has_stopped_answering(shop: Any, owner: Any, settings: Any) -> None:
    settings.RAZORPAY_BASE_URL = "http://127.0.0.1:9/razorpay"
    for _ in range(5):
        make_payment(make_order(owner))
    due = clock.now() + timedelta(minutes=1)
    assert polling.poll_open_payments(now=due) == 3
    assert Payment.objects.due(due).count() == 2


def test_payments_that_cannot_be_looked_at_keep_nobody_waiting(
    shop: Any, owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payments = [make_payment(make_order(owner), is_ready=False) for _ in range(5)]
    last = payments[-1]
    real = gateway_order_services.create_gateway_order

    def create_gateway_order(*, payment_id: Any, now: Any) -> None:
        if payment_id != last.pk:
            raise RuntimeError("a defect")
        real(payment_id=payment_id, now=now)

    monkeypatch.setattr("apps.payments.services.polling.create_gateway_order", create_gateway_order)
    due = clock.now() + timedelta(seconds=30)
    assert polling.poll_open_payments(now=due) == 5
    last.refresh_from_db()
    assert last.gateway_order_id is not None
    assert not Payment.objects.due(due).exists()


def test_an_outage_does_not_use_up_the_questions_about_a_closed_payment(payment: Payment, sandbox: Any) -> None:
    call(payment)
    payment_services.cancel_payment(
        payment_id=payment.pk, customer_id=payment.customer_id, actor=SYSTEM, now=clock.now()
    )
    sandbox.control("POST", "/faults", {"path": "/v1/orders/*", "kind": "drop_before_commit", "times": 30})
    for hour in range(1, 11):
        assert sync(payment, after=3600 * hour) is False
    assert payment.checks == 0
    assert payment.next_check_at is not None
