"""The inbox: what is signed is kept once and taken in once; what is not leaves no trace but a line in the log."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DataError
from structlog.testing import capture_logs

from apps.core import clock, handler_runs, relay
from apps.core.models import Event, Outbox
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.notifications.services import create_notifications
from apps.orders.states import OrderStatus
from apps.payments.models import PaymentAttempt, Webhook
from apps.payments.services import webhooks
from apps.payments.states import PaymentStatus, Source
from tests.factories.payments import make_payment
from tests.support.webhooks import SECRET, URL, body_of, receive, sign

pytestmark = pytest.mark.django_db


def post(client: Any, raw: bytes, *, signature: str | None = None, event_id: str = "evt_1") -> Any:
    headers = {"X-Razorpay-Event-Id": event_id}
    if signature != "":
        headers["X-Razorpay-Signature"] = sign(raw) if signature is None else signature
    return client.post(URL, data=raw, content_type="application/json", headers=headers)


def nothing_kept() -> bool:
    return not (
        Webhook.objects.exists()
        or PaymentAttempt.objects.exists()
        or Event.objects.filter(type__startswith="payments.webhook").exists()
    )


# The door -------------------------------------------------------------------------------------------------------------


def test_a_signed_webhook_is_kept_word_for_word_and_answered_at_once(anonymous: Any, order: Any) -> None:
    raw = body_of(make_payment(order))
    answer = post(anonymous, raw)
    webhook = Webhook.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"id": webhook.public_id, "object": "webhook"})
    assert bytes(webhook.body) == raw
    assert (webhook.event_type, webhook.event_id, webhook.processed_at) == ("payment.captured", "evt_1", None)
    assert Outbox.objects.filter(event__type="payments.webhook.received", event__subject_id=webhook.pk).count() == 1
    assert not PaymentAttempt.objects.exists()


def test_the_same_webhook_ten_times_is_kept_once(anonymous: Any, order: Any) -> None:
    raw = body_of(make_payment(order))
    answers = {post(anonymous, raw).content for _ in range(10)}
    assert (len(answers), Webhook.objects.count()) == (1, 1)
    assert Event.objects.filter(type="payments.webhook.received").count() == 1


def test_an_old_body_under_a_new_id_and_a_new_body_under_an_old_id_change_nothing(anonymous: Any, order: Any) -> None:
    payment = make_payment(order)
    post(anonymous, body_of(payment), event_id="evt_1")
    assert post(anonymous, body_of(payment), event_id="evt_2").status_code == 200
    assert post(anonymous, body_of(payment, "payment.failed"), event_id="evt_1").status_code == 200
    assert Webhook.objects.count() == 1


def test_a_webhook_is_accepted_under_either_secret_during_rotation(anonymous: Any, order: Any, settings: Any) -> None:
    settings.RAZORPAY_WEBHOOK_SECRETS = ["the new secret", SECRET]
    payment = make_payment(order)
    first, second = body_of(payment), body_of(payment, "payment.authorized")
    assert post(anonymous, first).status_code == 200
    assert post(anonymous, second, signature=sign(second, "the new secret"), event_id="evt_2").status_code == 200


def test_a_failure_and_the_attempt_after_it_that_come_together_tell_the_buyer_nothing(order: Any) -> None:
    payment = make_payment(order)
    receive(body_of(payment, "payment.failed", id="pay_First"))
    receive(body_of(payment, "payment.authorized", id="pay_Second"))
    together = [run.pk for run in relay.claim_outbox(now=clock.now()) if run.handler.endswith("process_webhook")]

    assert handler_runs.run_handlers(together) == 2

    attempts = PaymentAttempt.objects.order_by("pk").values_list("gateway_payment_id", "status")
    assert list(attempts) == [("pay_First", "failed"), ("pay_Second", "authorized")]
    failed = Event.objects.get(type="payments.attempt.failed")
    assert create_notifications(template="payment_failed", event=failed, now=clock.now()) == []


def forgeries(raw: bytes) -> list[tuple[bytes, str]]:
    signature = sign(raw)
    more = raw.replace(b'"amount": ', b'"amount": 1')
    return [
        (raw, ""), (raw, "0" * 64), (raw, signature[:-2]), (raw, signature.upper()), (raw, f"sha256={signature}"),
        (raw, sign(raw, "a wrong secret")), (raw, sign(raw, "sandbox_key_secret_0123456789")), (raw, sign(raw, "")),
        (more, signature), (raw + b" ", signature), (raw[:-1], signature), (b"", signature), (b"{}", signature),
        (json.dumps(json.loads(raw), separators=(",", ":")).encode(), signature), (raw.replace(b"upi", b"UPI"), signature),
        (b"\xef\xbb\xbf" + raw, signature), (raw.decode().encode("utf-16"), signature), (raw * 2, signature),
        (raw, hashlib.sha256(raw).hexdigest()), (raw, hashlib.sha256(SECRET.encode() + raw).hexdigest()),
        (raw, "None"), (raw, "null"), (raw, f"{signature},{signature}"), (raw, "9" * 5000),
    ]  # fmt: skip


def test_no_forgery_is_accepted_and_none_leaves_a_trace(anonymous: Any, order: Any) -> None:
    raw = body_of(make_payment(order))
    for body, signature in forgeries(raw):
        with capture_logs() as lines:
            answer = post(anonymous, body, signature=signature)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_webhook_signature"
        assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["webhook_signature_invalid"]
    assert nothing_kept()


def test_a_flood_of_forgeries_is_turned_away_and_the_gateway_is_not(
    anonymous: Any, order: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    # Forgeries are counted in fixed minutes, and one could end meanwhile.
    time_machine.move_to(clock.now(), tick=False)
    settings.RATELIMIT_ENABLE = True
    cache.clear()
    monkeypatch.setattr("apps.payments.views.webhooks._FORGERIES", "3/m")
    raw = body_of(make_payment(order))
    statuses = [post(anonymous, raw, signature="0" * 64).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]
    assert post(anonymous, raw).status_code == 200
    cache.clear()


def test_a_body_beyond_the_limit_is_not_read(anonymous: Any) -> None:
    assert post(anonymous, b"x" * 262_145).status_code == 413
    assert nothing_kept()


def test_a_webhook_needs_no_token_and_a_token_does_not_help(client_of: Any, owner: Any, order: Any) -> None:
    raw = body_of(make_payment(order))
    assert post(client_of(owner), raw, signature="0" * 64).status_code == 401
    assert nothing_kept()


def test_a_webhook_without_an_id_is_known_by_its_body(order: Any) -> None:
    raw = body_of(make_payment(order))
    for event_id in ("", "x" * 81, "with space", "ctl\x07"):
        webhook = webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id=event_id, now=clock.now())
        assert webhook.event_id == f"body:{hashlib.sha256(raw).hexdigest()}"
    assert Webhook.objects.count() == 1


# Taking in ------------------------------------------------------------------------------------------------------------


def test_stored_webhook_is_processed_once(order: Any) -> None:
    payment = make_payment(order)
    webhook = receive(body_of(payment))
    now = clock.now()
    for _ in range(3):
        webhooks.process_webhook(webhook_id=webhook.pk, now=now)
    webhook.refresh_from_db()
    order.refresh_from_db()
    attempt = PaymentAttempt.objects.get()
    assert (webhook.outcome, webhook.processed_at, webhook.outcome_reason) == ("processed", now, "")
    assert (attempt.source, attempt.status, attempt.payer) == (Source.WEBHOOK, "captured", "ga***@upi")
    assert order.status == OrderStatus.CONFIRMED
    assert LedgerTransaction.objects.count() == 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("refund.created", "refund.created is not processed by Bahi"),
        ("invoice.paid", "invoice.paid is not processed by Bahi"),
        ("something.new", "something.new is not processed by Bahi"),
    ],
)
def test_what_is_not_followed_is_kept_and_left_with_a_reason(order: Any, event: str, reason: str) -> None:
    webhook = receive(body_of(make_payment(order), event, status="captured"))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    assert (webhook.outcome, webhook.outcome_reason) == ("ignored", reason)
    assert not PaymentAttempt.objects.exists()


def test_a_long_reason_is_kept_as_far_as_it_fits(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DataError("x" * 300)

    monkeypatch.setattr(webhooks, "_apply", refuse)
    webhook = receive(body_of(make_payment(order)))

    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    webhook.refresh_from_db()
    assert webhook.outcome_reason == f"it cannot be stored: {'x' * 300}"[:200]


def test_money_of_an_order_that_is_not_ours_is_left_with_a_reason(order: Any) -> None:
    webhook = receive(body_of(make_payment(order), order_id="order_somebodyelses"))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    assert (webhook.outcome, webhook.outcome_reason) == ("ignored", "no payment in Bahi has this gateway order")
    assert not PaymentAttempt.objects.exists()


@pytest.mark.parametrize(("is_named", "levels"), [(True, ["error"]), (False, [])])
def test_money_that_names_a_payment_of_ours_and_came_by_another_gateway_order_is_an_exception(
    order: Any, is_named: bool, levels: list[str]
) -> None:
    payment = make_payment(order)
    notes: Any = {"payment": payment.public_id} if is_named else []
    webhook = receive(body_of(payment, order_id="order_madetwice", notes=notes))

    with capture_logs() as lines:
        webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    assert [line["log_level"] for line in lines if line["event"] == "unknown_gateway_order_paid"] == levels
    webhook.refresh_from_db()
    assert webhook.outcome == "ignored"
    exceptions = ReconciliationException.objects.values_list("reason", "actual_amount", "currency", "resolved_at")
    assert list(exceptions) == [("unknown_payment", payment.amount, "INR", None)] * is_named
    assert not LedgerTransaction.objects.exists()


def test_money_of_another_account_that_names_a_payment_of_ours_is_no_exception(order: Any, settings: Any) -> None:
    settings.RAZORPAY_ACCOUNT_ID = "acc_OursOursOurs01"
    payment = make_payment(order)
    raw = body_of(payment, order_id="order_madetwice", notes={"payment": payment.public_id})
    webhook = receive(raw.replace(b"{", b'{"account_id":"acc_SomebodyElse01",', 1))

    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    assert not ReconciliationException.objects.exists()


@pytest.mark.parametrize("account", [b"5", b"[]", b"{}", b"false", b'"acc_SomebodyElse01"'])
def test_an_account_that_is_not_ours_or_no_text_books_nothing(order: Any, settings: Any, account: bytes) -> None:
    settings.RAZORPAY_ACCOUNT_ID = "acc_OursOursOurs01"
    raw = body_of(make_payment(order))
    webhook = receive(raw.replace(b"{", b'{"account_id":' + account + b",", 1))

    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    assert (LedgerTransaction.objects.count(), ReconciliationException.objects.get().reason) == (0, "account_mismatch")


@pytest.mark.parametrize(
    "raw", [b"not json", b"[1]", b'{"event":"payment.captured","payload":{"payment":{"entity":{}}}}']
)
def test_a_signed_webhook_that_cannot_be_read_is_kept_and_left_with_a_reason(db: None, raw: bytes) -> None:
    webhook = receive(raw)
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    assert webhook.outcome == "ignored"
    assert webhook.outcome_reason.startswith("it cannot be read: ")


def test_order_paid_webhook_applies_its_payment_before_its_id_is_known(order: Any) -> None:
    payment = make_payment(order, is_ready=False)
    entity = json.loads(body_of(payment))["payload"]["payment"]
    entity["entity"]["order_id"] = "order_NQxk3a7bGfD1Ye"
    told = {"payment": entity, "order": {"entity": {"id": "order_NQxk3a7bGfD1Ye", "receipt": payment.public_id}}}
    webhook = receive(json.dumps({"event": "order.paid", "payload": told}).encode())
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    payment.refresh_from_db()
    assert (payment.status, payment.gateway_order_id) == (PaymentStatus.SUCCEEDED, "order_NQxk3a7bGfD1Ye")


def test_webhooks_whose_worker_never_came_are_swept_up_and_one_that_fails_keeps_nobody_waiting(
    order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make_payment(order)
    stuck, fine = receive(body_of(payment, "payment.authorized")), receive(body_of(payment))
    assert webhooks.sweep_webhooks(now=clock.now()) == 0

    real = webhooks.process_webhook

    def process(*, webhook_id: Any, now: Any) -> None:
        if webhook_id == stuck.pk:
            raise RuntimeError("a defect")
        real(webhook_id=webhook_id, now=now)

    monkeypatch.setattr("apps.payments.services.webhooks.process_webhook", process)
    assert webhooks.sweep_webhooks(now=clock.now() + timedelta(minutes=1)) == 1
    fine.refresh_from_db()
    stuck.refresh_from_db()
    assert (fine.outcome, stuck.outcome) == ("processed", "")
