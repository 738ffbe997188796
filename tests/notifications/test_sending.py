"""Claim, call, note: what each answer of a provider leads to, and what a crash leaves behind."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from apps.core import external_calls
from apps.core.errors import NotFound
from apps.core.http import CalledInsideTransaction
from apps.core.models import Event, Incident
from apps.notifications import handlers, rules, services, tasks
from apps.notifications.gateways import Outcome, SendResult, mail, msg91
from apps.notifications.models import Notification
from apps.notifications.services import sending
from apps.notifications.states import NotificationStatus
from tests.factories.notifications import NOON, make_queued_email, make_queued_sms

pytestmark = pytest.mark.django_db

AFTER_LEASE = NOON + rules.LEASE


class Crashed(BaseException):
    """What kill -9 looks like from inside a test."""


def event_types_of(notification: Notification) -> list[str]:
    events = Event.objects.filter(subject_type="notifications.notification", subject_id=notification.pk)
    return list(events.order_by("version").values_list("type", flat=True))


def answering(monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def send(**call: Any) -> Outcome:
        calls.append(call)
        return outcome

    monkeypatch.setattr(msg91, "send", send)
    monkeypatch.setattr(mail, "send", send)
    return calls


def test_an_sms_goes_out_with_its_template_and_variables(owner: Any, sandbox: Any) -> None:
    notification = make_queued_sms(owner)

    services.send_notification(notification_id=notification.pk, now=NOON)

    (sms,) = sandbox.control("GET", "/sms", to="919876543210")["items"]
    assert sms["template_id"] == "bahi_order_cancelled"
    assert sms["variables"] == {"NUMBER": "ORD-2627-000001", "SHOP": "Bahi"}
    notification.refresh_from_db()
    assert (notification.status, notification.provider_id) == ("sent", sms["request_id"])
    assert (notification.sent_at, notification.attempts) == (NOON, 1)
    assert (notification.claimed_until, notification.next_attempt_at) == (None, None)
    assert event_types_of(notification) == ["notifications.notification.sent"]


@override_settings(MSG91_FLOW_TEMPLATE_IDS={"order_cancelled": "6564aa01d6fc05"})
def test_the_shops_own_template_id_is_used(owner: Any, sandbox: Any) -> None:
    notification = make_queued_sms(owner)

    services.send_notification(notification_id=notification.pk, now=NOON)

    (sms,) = sandbox.control("GET", "/sms")["items"]
    assert sms["template_id"] == "6564aa01d6fc05"


def test_an_email_goes_out_as_text_and_html_under_its_message_id(owner: Any, sandbox: Any) -> None:
    notification = make_queued_email(owner)

    services.send_notification(notification_id=notification.pk, now=NOON)

    (sent,) = sandbox.control("GET", "/mails")["items"]
    assert sent["to"] == ["asha@example.com"]
    assert sent["subject"] == "Confirmed"
    assert sent["text"].strip() == "It is."
    assert "asha@example.com</strong> is now the e-mail address" in sent["html"]
    assert sent["message_id"] == notification.message_id
    notification.refresh_from_db()
    assert (notification.status, notification.sent_at) == ("sent", NOON)


def test_an_invoice_mail_carries_the_pdf(owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = {
        "shop": "Bahi", "name": "", "number": "ORD-1", "invoice_id": "0190a0a0-0000-7000-8000-000000000001",
        "invoice_number": "INV/27/0001", "invoice_date": "21 Nov 2026", "invoice_total": "₹1,179.00",
    }  # fmt: skip
    notification = make_queued_email(owner, template="invoice_ready", context=context)
    monkeypatch.setattr(sending.invoicing, "get_invoice_pdf", lambda invoice_id: (None, b"%PDF-1.7 of the invoice"))

    services.send_notification(notification_id=notification.pk, now=NOON)

    (sent,) = sandbox.control("GET", "/mails")["items"]
    assert sent["attachments"] == [{"name": "INV-27-0001.pdf", "content_type": "application/pdf", "size": 23}]


def test_a_document_that_is_missing_is_a_failed_attempt(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = {"invoice_id": "0190a0a0-0000-7000-8000-000000000001", "invoice_number": "INV1"}
    notification = make_queued_email(owner, template="invoice_ready", context=context)
    calls = answering(monkeypatch, Outcome(SendResult.ACCEPTED))

    def absent(_: Any) -> None:
        raise NotFound

    monkeypatch.setattr(sending.invoicing, "get_invoice_pdf", absent)

    services.send_notification(notification_id=notification.pk, now=NOON)

    notification.refresh_from_db()
    assert calls == []
    assert (notification.status, notification.next_attempt_at) == ("queued", NOON + rules.RETRY_DELAYS[0])


@pytest.mark.parametrize("make", [make_queued_sms, make_queued_email])
def test_temporary_failure_is_retried_later(owner: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = make(owner)
    answering(monkeypatch, Outcome(SendResult.TEMPORARY_FAILURE, error="451: try later"))

    services.send_notification(notification_id=notification.pk, now=NOON)

    notification.refresh_from_db()
    assert (notification.status, notification.attempts, notification.last_error) == ("queued", 1, "451: try later")
    assert notification.next_attempt_at == NOON + rules.RETRY_DELAYS[0]
    assert notification.claimed_until is None
    assert event_types_of(notification) == []


def test_the_attempts_end(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = make_queued_sms(owner)
    calls = answering(monkeypatch, Outcome(SendResult.TEMPORARY_FAILURE, error="301: insufficient balance"))
    at = NOON

    while notification.status == NotificationStatus.QUEUED:
        services.send_notification(notification_id=notification.pk, now=at)
        notification.refresh_from_db()
        at = notification.next_attempt_at or at

    assert len(calls) == rules.MAX_ATTEMPTS
    assert (notification.status, notification.next_attempt_at) == ("failed", None)
    assert event_types_of(notification) == ["notifications.notification.failed"]


def test_permanent_failure_is_not_retried(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = make_queued_email(owner)
    calls = answering(monkeypatch, Outcome(SendResult.REJECTED, error="550: no such mailbox"))

    services.send_notification(notification_id=notification.pk, now=NOON)
    services.send_notification(notification_id=notification.pk, now=NOON + timedelta(days=1))

    notification.refresh_from_db()
    assert (len(calls), notification.status, notification.last_error) == (1, "failed", "550: no such mailbox")


def test_an_sms_without_an_answer_is_unknown_and_not_sent_again(owner: Any, sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "/api/v5/flow", "service": "msg91", "kind": "drop_after_commit"})
    notification = make_queued_sms(owner)

    services.send_notification(notification_id=notification.pk, now=NOON)
    services.send_notification(notification_id=notification.pk, now=NOON + timedelta(days=1))

    notification.refresh_from_db()
    assert (notification.status, notification.attempts) == ("unknown", 1)
    assert len(sandbox.control("GET", "/sms")["items"]) == 1
    assert event_types_of(notification) == ["notifications.notification.failed"]


def test_sms_is_unknown_after_crash(owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = make_queued_sms(owner)
    kill_after_the_call(monkeypatch, msg91)
    with pytest.raises(Crashed):
        services.send_notification(notification_id=notification.pk, now=NOON)
    monkeypatch.undo()

    services.send_due(now=AFTER_LEASE)

    notification.refresh_from_db()
    assert notification.status == NotificationStatus.UNKNOWN
    assert notification.next_attempt_at is None
    assert len(sandbox.control("GET", "/sms")["items"]) == 1


def test_email_is_sent_again_with_same_message_id_after_crash(
    owner: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = make_queued_email(owner)
    with monkeypatch.context() as broken:
        kill_after_the_call(broken, mail)
        with pytest.raises(Crashed):
            services.send_notification(notification_id=notification.pk, now=NOON)

    services.send_due(now=AFTER_LEASE)

    notification.refresh_from_db()
    assert (notification.status, notification.attempts) == ("sent", 2)
    first, second = sandbox.control("GET", "/mails")["items"]
    assert first["message_id"] == second["message_id"] == notification.message_id


def kill_after_the_call(monkeypatch: pytest.MonkeyPatch, gateway: Any) -> None:
    real = gateway.send

    def send(**call: Any) -> Outcome:
        real(**call)
        raise Crashed

    monkeypatch.setattr(gateway, "send", send)


def test_claim_is_exclusive_during_its_lease(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, Outcome(SendResult.ACCEPTED, provider_id="1"))
    notification = make_queued_email(owner)
    assert services.claim_notification(notification_id=notification.pk, now=NOON) is not None

    assert services.send_notification(notification_id=notification.pk, now=AFTER_LEASE - timedelta(seconds=1)) is None

    assert calls == []


def test_late_outcome_does_not_overwrite_state(owner: Any) -> None:
    notification = make_queued_email(owner)
    services.claim_notification(notification_id=notification.pk, now=NOON)
    services.claim_notification(notification_id=notification.pk, now=AFTER_LEASE)

    services.record_outcome(
        notification_id=notification.pk, attempt=1, outcome=Outcome(SendResult.REJECTED, error="late"), now=AFTER_LEASE
    )

    notification.refresh_from_db()
    assert (notification.status, notification.attempts, notification.last_error) == ("sending", 2, "")


def test_email_fails_after_crash_of_every_attempt(owner: Any) -> None:
    notification = make_queued_email(owner)
    at = NOON
    for _ in range(rules.MAX_ATTEMPTS):
        assert services.claim_notification(notification_id=notification.pk, now=at) is not None
        at += rules.LEASE

    assert services.claim_notification(notification_id=notification.pk, now=at) is None

    notification.refresh_from_db()
    assert (notification.status, notification.last_error) == ("failed", "Every attempt crashed.")


def test_email_is_retried_when_server_was_down(owner: Any, sandbox: Any) -> None:
    notification = make_queued_email(owner)
    with override_settings(EMAIL_PORT=9):
        services.send_notification(notification_id=notification.pk, now=NOON)
    notification.refresh_from_db()
    assert notification.status == NotificationStatus.QUEUED
    assert "ConnectionRefused" in notification.last_error

    services.send_due(now=NOON + rules.RETRY_DELAYS[0])

    notification.refresh_from_db()
    assert (notification.status, notification.last_error, notification.attempts) == ("sent", "", 2)
    assert len(sandbox.control("GET", "/mails")["items"]) == 1


def test_sweep_sends_due_messages_only(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = answering(monkeypatch, Outcome(SendResult.ACCEPTED, provider_id="1"))
    due = make_queued_sms(owner, next_attempt_at=NOON)
    later = make_queued_sms(owner, next_attempt_at=NOON + timedelta(seconds=1), attempts=1)

    assert services.send_due(now=NOON) == 1

    due.refresh_from_db()
    later.refresh_from_db()
    assert (len(calls), due.status, later.status) == (1, "sent", "queued")


def test_the_sweep_stops_when_its_time_is_over(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, Outcome(SendResult.ACCEPTED, provider_id="1"))
    monkeypatch.setattr(external_calls, "ROUND_SECONDS", -1.0)
    make_queued_sms(owner, next_attempt_at=NOON)

    assert services.send_due(now=NOON) == 0


def test_the_task_and_the_handler_are_one_service_call_each(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[Any] = []
    sent: list[Any] = []
    monkeypatch.setattr(sending, "send_due", lambda *, now: swept.append(now))
    monkeypatch.setattr(
        sending, "send_notification", lambda *, notification_id, now: sent.append((notification_id, now))
    )
    event = Event(subject_id=owner.pk)

    tasks.send_due()
    handlers.send_notification(event=event, now=NOON)

    assert len(swept) == 1
    assert sent == [(owner.pk, NOON)]
    assert handlers.send_notification.calls_external is True


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [make_queued_sms, make_queued_email])
def test_no_gateway_is_called_inside_a_transaction(owner: Any, make: Any) -> None:
    notification = make(owner)

    with pytest.raises(CalledInsideTransaction), transaction.atomic():
        services.send_notification(notification_id=notification.pk, now=NOON)


class TestCredentials:
    def test_rejected_key_of_msg91_is_one_incident_and_the_sms_waits(
        self, owner: Any, sandbox: Any, settings: Any
    ) -> None:
        right, settings.MSG91_AUTH_KEY = settings.MSG91_AUTH_KEY, "wrong"
        notification = make_queued_sms(owner)

        services.send_notification(notification_id=notification.pk, now=NOON)

        incident = Incident.objects.get()
        assert (incident.kind, incident.key, incident.resolved_at) == ("gateway_credentials_rejected", "msg91", None)
        notification.refresh_from_db()
        assert (notification.status, notification.next_attempt_at is not None) == ("queued", True)

        settings.MSG91_AUTH_KEY = right
        services.send_notification(notification_id=notification.pk, now=NOON + timedelta(hours=1))

        notification.refresh_from_db()
        incident.refresh_from_db()
        assert (notification.status, incident.resolved_at) == ("sent", NOON + timedelta(hours=1))

    @pytest.mark.parametrize(
        "outcome", [Outcome(SendResult.TEMPORARY_FAILURE, error="429: busy"), Outcome(SendResult.UNKNOWN, error="502")]
    )
    def test_busy_provider_is_none(self, owner: Any, monkeypatch: pytest.MonkeyPatch, outcome: Outcome) -> None:
        answering(monkeypatch, outcome)

        services.send_notification(notification_id=make_queued_sms(owner).pk, now=NOON)

        assert not Incident.objects.exists()

    def test_rejected_log_in_at_the_mail_server_is_an_incident(
        self, owner: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answering(monkeypatch, mail._refusal(535, b"5.7.8 bad credentials"))

        services.send_notification(notification_id=make_queued_email(owner).pk, now=NOON)

        assert (Incident.objects.get().key, Incident.objects.get().detail) == ("smtp", "535: 5.7.8 bad credentials")
