"""Razorpay's scenario BP-06: a payment fails, is authorised late and captured, and its order is confirmed once."""

from typing import Any

import pytest

from apps.core import clock
from apps.core.models import Event
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.services import webhooks
from tests.factories.payments import make_payment
from tests.support.webhooks import body_of, receive

pytestmark = pytest.mark.django_db


def process(payment: Payment, event: str, **entity: Any) -> str:
    webhook = receive(body_of(payment, event, **entity))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    return str(webhook.outcome)


def test_documented_course_confirms_the_order_once(order: Any) -> None:
    payment = make_payment(order)

    failed = process(payment, "payment.failed", error_code="GATEWAY_ERROR", error_reason="payment_timed_out")
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (failed, order.status, payment.status) == ("processed", "pending_payment", "requires_payment")

    late = {"late_authorized": True, "captured": True}
    outcomes = [
        process(payment, "payment.authorized", late_authorized=True),
        process(payment, "payment.captured", **late),
        process(payment, "order.paid", **late),
    ]

    order.refresh_from_db()
    payment.refresh_from_db()
    assert outcomes == ["processed"] * 3
    assert (order.status, order.paid_amount, payment.status) == ("confirmed", order.total_amount, "succeeded")
    assert PaymentAttempt.objects.get().status == "captured"
    assert Event.objects.filter(type="orders.order.confirmed").count() == 1
