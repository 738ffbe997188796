"""What the gateway's answer to our order changes, together with the UPI attempt that it opened."""

from typing import Any

import pytest

from apps.core import clock
from apps.core.models import Event
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.services import gateway_orders
from apps.payments.states import AttemptStatus, PaymentStatus
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment

pytestmark = pytest.mark.django_db

ORDER, UPI = "order_OfOurServer01", "pay_UpiOfOurServer1"
ACTION = {"type": "razorpay_checkout", "upi": {"link": "upi://pay?pa=shop@upi", "gateway_payment_id": UPI}}


@pytest.fixture
def claimed(order: Any) -> Payment:
    """A payment whose gateway order a worker is creating."""
    payment = make_payment(order, is_ready=False)
    taken = gateway_orders._claim(payment.pk, now=clock.now())
    assert taken is not None
    return taken


def answer(payment: Payment) -> Payment:
    """Record that the gateway created the order, and opened a UPI attempt with it; return the payment as it is stored then."""
    facts = make_gateway_payment(payment, id=UPI, order_id=ORDER, status=AttemptStatus.CREATED)
    made = gateway_orders._Created("gateway_order_id", ORDER, ACTION, facts)
    gateway_orders._record_success(payment, made, now=clock.now())
    return Payment.objects.get(pk=payment.pk)


def events_of(subject: Any) -> list[str]:
    return [each.type for each in Event.objects.filter(subject_id=subject.pk).order_by("version")]


def test_the_answer_and_the_attempt_change_the_payment_once(claimed: Payment) -> None:
    payment = answer(claimed)

    assert (payment.gateway_order_id, payment.status, payment.next_action) == (
        ORDER, PaymentStatus.PROCESSING, ACTION
    )  # fmt: skip
    assert (payment.gateway_call, payment.claimed_until) == ("succeeded", None)
    assert events_of(payment) == ["payments.payment.created", "payments.payment.ready"]
    ready = Event.objects.get(type="payments.payment.ready")
    assert (ready.changes["status"], ready.changes["gateway_order_id"], ready.changes["channel"]) == (
        "processing", ORDER, "checkout"
    )  # fmt: skip
    assert events_of(PaymentAttempt.objects.get()) == ["payments.attempt.created"]


def test_an_answer_that_comes_after_the_money_is_stored_all_the_same(claimed: Payment) -> None:
    apply_payment(make_gateway_payment(claimed, id=UPI, order_id=ORDER, our_payment=claimed.public_id))

    payment = answer(claimed)

    assert (payment.status, payment.gateway_order_id) == (PaymentStatus.SUCCEEDED, ORDER)
    assert (payment.gateway_call, payment.claimed_until) == ("succeeded", None)
    assert events_of(payment)[-1] == "payments.payment.updated"
    assert PaymentAttempt.objects.get().status == AttemptStatus.CAPTURED
