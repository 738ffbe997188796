"""Webhooks and payments in the hands of two at the same moment, each race with its control."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.payments.models import Payment, Webhook
from apps.payments.services import polling, webhooks
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_payment
from tests.support.lock_controls import run_amid, with_control
from tests.support.webhooks import body_of, receive

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def payment(reference_data: None, owner: Any) -> Payment:
    make_registration()
    return make_payment(make_order(owner))


def kinds(results: list[Any]) -> list[str]:
    return [type(result).__name__ for result in results]


@with_control
def test_two_sweeps_count_two_attempts_of_a_webhook(payment: Payment, is_locked: bool) -> None:
    webhook = receive(body_of(payment))
    later = clock.now() + timedelta(hours=1)

    def start() -> bool:
        return webhooks._start_attempt(webhook.pk, now=later)

    results = run_amid("apps.payments.locks.lock_unprocessed_webhook", start, start, is_locked=is_locked)

    webhook.refresh_from_db()
    # Without the lock a webhook that crashes the worker gets more attempts than are counted.
    assert (results, webhook.attempts) == ([True, True], 2 if is_locked else 1)


@with_control
def test_a_parked_webhook_is_retried_by_one_person(payment: Payment, is_locked: bool) -> None:
    webhook = receive(body_of(payment))
    Webhook.objects.filter(pk=webhook.pk).update(parked_at=clock.now(), next_attempt_at=None)

    def retry() -> Any:
        return webhooks.retry_webhook(webhook_id=webhook.pk, actor=SYSTEM, now=clock.now())

    results = run_amid("apps.payments.locks.lock_webhook", retry, retry, is_locked=is_locked)

    assert kinds(results) == (["Webhook", "WebhookNotParked"] if is_locked else ["SubjectNotLocked", "Webhook"])


@with_control
def test_a_poll_requested_twice_is_requested_once(payment: Payment, is_locked: bool) -> None:
    now = clock.now()
    Payment.objects.filter(pk=payment.pk).update(next_check_at=now + timedelta(hours=1))

    def request() -> Any:
        return polling.request_payment_sync(payment_id=payment.pk, actor=SYSTEM, now=now)

    results = run_amid("apps.payments.locks.lock_payment", request, request, is_locked=is_locked)

    assert kinds(results) == (["Payment", "Payment"] if is_locked else ["SubjectNotLocked", "Payment"])
