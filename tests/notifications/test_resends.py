"""What a provider did not take: what is attempted again by itself, and what staff have sent again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core.events import Actor
from apps.core.masking import mask
from apps.core.models import Event, IdempotencyKey, Outbox
from apps.notifications import handlers, rules, services
from apps.notifications.gateways import Outcome, SendResult
from apps.notifications.models import Notification
from apps.notifications.services import NotificationOutdated
from apps.notifications.services.resends import NotificationAlreadySent
from apps.orders.models import Order
from tests.factories.notifications import (
    NOON,
    make_event,
    make_order_of,
    make_queued_email,
    make_queued_sms,
    make_refund_of,
)

pytestmark = pytest.mark.django_db

STAFF = Actor(kind="user", id="cus_staff", label="Support")
FLOW = {"path": "/api/v5/flow", "service": "msg91"}


def make_failed_sms(user: Any, **fields: Any) -> Notification:
    values = {"status": "failed", "next_attempt_at": None, "attempts": 6, "last_error": "301: insufficient balance"}
    return make_queued_sms(user, **{**values, **fields})


def attempt_until_done(notification: Notification) -> list[float]:
    """Send a message whenever it is due, and return the minutes after NOON of each attempt."""
    at, minutes = NOON, []
    while True:
        before = notification.attempts
        services.send_notification(notification_id=notification.pk, now=at)
        notification.refresh_from_db()
        if notification.attempts > before:
            minutes.append((at - NOON).total_seconds() / 60)
        if notification.next_attempt_at is None:
            return minutes
        at = notification.next_attempt_at


def break_msg91(sandbox: Any, *, times: int, status: int = 500) -> None:
    sandbox.control("POST", "/faults", {**FLOW, "kind": "status", "status": status, "times": times})


class TestProviderError:
    """MSG91 answered with an error of its own: most likely it took nothing."""

    def test_repeatable_message_is_retried(self, owner: Any, sandbox: Any) -> None:
        break_msg91(sandbox, times=2)
        notification = make_queued_sms(owner)

        minutes = attempt_until_done(notification)

        assert minutes == [0, 0.5, 2.5]
        assert (notification.status, notification.attempts) == ("sent", 3)
        assert len(sandbox.control("GET", "/sms")["items"]) == 1

    def test_the_attempts_are_bounded_and_the_end_is_unknown(self, owner: Any, sandbox: Any) -> None:
        break_msg91(sandbox, times=10)
        notification = make_queued_sms(owner)

        minutes = attempt_until_done(notification)

        assert len(minutes) == rules.MAX_PROVIDER_ERROR_ATTEMPTS == 3
        assert (notification.status, notification.last_error[:4]) == ("unknown", "500:")
        assert Event.objects.get(subject_id=notification.pk).type == "notifications.notification.failed"

    @pytest.mark.parametrize(
        "template", ["refund_initiated", "refund_processed", "refund_failed", "duplicate_payment", "payment_failed"]
    )
    def test_money_message_is_not_retried_automatically(self, owner: Any, sandbox: Any, template: str) -> None:
        break_msg91(sandbox, times=10)
        notification = make_queued_sms(owner, template=template)

        minutes = attempt_until_done(notification)

        assert (minutes, notification.status) == ([0], "unknown")

    def test_what_is_no_longer_true_is_not_attempted_again(self, owner: Any, sandbox: Any) -> None:
        break_msg91(sandbox, times=1)
        notification = make_queued_sms(owner)
        services.send_notification(notification_id=notification.pk, now=NOON)
        Order.objects.update(status="confirmed")

        services.send_notification(notification_id=notification.pk, now=NOON + timedelta(minutes=5))

        notification.refresh_from_db()
        assert (notification.status, notification.attempts) == ("failed", 1)
        assert notification.last_error == "The message is no longer true."
        assert sandbox.control("GET", "/sms")["items"] == []

    @pytest.mark.parametrize("status", [429, 503])
    def test_overloaded_provider_is_retried(self, owner: Any, sandbox: Any, status: int) -> None:
        break_msg91(sandbox, times=4, status=status)
        notification = make_queued_sms(owner, template="refund_initiated", event=_refund_event(owner))

        minutes = attempt_until_done(notification)

        assert minutes == [0, 0.5, 2.5, 12.5, 72.5]
        assert notification.status == "sent"


def _refund_event(user: Any) -> Event:
    refund = make_refund_of(make_order_of(user))
    return make_event("payments.refund.requested", refund, root_id=refund.order_id, changes={"status": "pending"})


class TestRequestResend:
    def test_a_failed_message_is_sent_again(self, owner: Any, sandbox: Any) -> None:
        notification = make_failed_sms(owner)

        services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)

        notification.refresh_from_db()
        assert (notification.status, notification.attempts_since_resend, notification.last_error) == ("queued", 0, "")
        event = Event.objects.get(subject_id=notification.pk)
        assert (event.type, event.actor) == ("notifications.notification.resend_requested", "user:cus_staff")
        assert event.root_id == notification.root_id
        handlers.send_notification(event=event, now=NOON)
        notification.refresh_from_db()
        assert notification.status == "sent"
        assert len(sandbox.control("GET", "/sms")["items"]) == 1

    def test_message_of_unknown_outcome_can_be_resent(self, owner: Any) -> None:
        notification = make_failed_sms(owner, status="unknown")

        assert services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON).status == "queued"

    def test_an_email_keeps_its_message_id(self, owner: Any, sandbox: Any) -> None:
        notification = make_queued_email(owner, status="failed", next_attempt_at=None, attempts=6)

        services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)
        services.send_notification(notification_id=notification.pk, now=NOON)

        (sent,) = sandbox.control("GET", "/mails")["items"]
        assert sent["message_id"] == notification.message_id

    @pytest.mark.parametrize("status", ["queued", "sending", "sent"])
    def test_a_message_that_was_sent_or_is_about_to_be_is_refused(self, owner: Any, status: str) -> None:
        notification = make_failed_sms(owner, status=status)

        with pytest.raises(NotificationAlreadySent):
            services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)

        expect_unchanged(notification, status)

    def test_it_is_sent_again_once_for_two_requests(self, owner: Any) -> None:
        notification = make_failed_sms(owner)
        services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)

        with pytest.raises(NotificationAlreadySent):
            services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)

        assert Event.objects.filter(subject_id=notification.pk).count() == 1

    def test_late_outcome_of_an_earlier_attempt_is_ignored(self, owner: Any) -> None:
        notification = make_queued_sms(owner)
        first = services.claim_notification(notification_id=notification.pk, now=NOON)
        later = NOON + rules.LEASE + timedelta(seconds=1)
        assert services.claim_notification(notification_id=notification.pk, now=later) is None
        services.request_resend(notification_id=notification.pk, actor=STAFF, now=later)
        second = services.claim_notification(notification_id=notification.pk, now=later)
        assert first is not None
        assert second is not None
        assert (first.attempts, second.attempts, second.attempts_since_resend) == (1, 2, 1)

        turned_away = Outcome(SendResult.TEMPORARY_FAILURE, error="429")
        services.record_outcome(notification_id=notification.pk, attempt=first.attempts, outcome=turned_away, now=later)
        accepted = Outcome(SendResult.ACCEPTED, provider_id="x")
        done = services.record_outcome(
            notification_id=notification.pk, attempt=second.attempts, outcome=accepted, now=later
        )

        assert (done.status, done.next_attempt_at) == ("sent", None)

    def test_resend_has_the_full_number_of_attempts(self, owner: Any, sandbox: Any) -> None:
        break_msg91(sandbox, times=20, status=429)
        notification = make_failed_sms(owner)
        services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)
        notification.refresh_from_db()

        attempt_until_done(notification)

        assert (notification.status, notification.attempts, notification.attempts_before_resend) == ("failed", 12, 6)

    def test_what_is_no_longer_true_is_refused(self, owner: Any) -> None:
        notification = make_failed_sms(owner)
        Order.objects.update(status="confirmed")

        with pytest.raises(NotificationOutdated):
            services.request_resend(notification_id=notification.pk, actor=STAFF, now=NOON)

        expect_unchanged(notification, "failed")


def expect_unchanged(notification: Notification, status: str) -> None:
    notification.refresh_from_db()
    assert (notification.status, notification.attempts, notification.version) == (status, 6, 0)
    assert not Event.objects.filter(subject_id=notification.pk).exists()
    assert not Outbox.objects.filter(event__subject_id=notification.pk).exists()


@pytest.fixture
def page_of() -> Callable[[Any], Client]:
    def make(user: Any) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make


class TestAdmin:
    def test_support_sees_what_was_not_sent(self, owner: Any, support: Any, page_of: Callable[[Any], Client]) -> None:
        make_failed_sms(owner, title="Lost one")
        make_queued_sms(owner, title="Waiting one")

        page = page_of(support).get("/admin/notifications/notification/?sending=not_sent").content.decode()

        assert "Lost one" in page
        assert "Waiting one" not in page

    def test_the_page_says_what_happens_and_sends_it_again(
        self, owner: Any, support: Any, page_of: Callable[[Any], Client]
    ) -> None:
        notification = make_failed_sms(owner, status="unknown")
        client, url = page_of(support), f"/admin/notifications/notification/{notification.pk}/actions/resend/"

        asked = client.get(url).content.decode()

        assert "It may already have arrived, so the recipient may receive it twice." in asked
        assert "301: insufficient balance" in asked
        assert "Order ORD-2627-000001 is cancelled." in asked
        expect_unchanged(notification, "unknown")
        submitted = client.post(url)
        answer = client.get(submitted["Location"]).content.decode()
        assert f"The message to {mask(owner.phone)} is sent again." in answer
        assert sorted(submitted.cookies) == ["sessionid"]
        stored = bytes(IdempotencyKey.objects.get(principal=support.public_id).body or b"").decode()
        assert stored == f"The message to {mask(owner.phone)} is sent again."
        notification.refresh_from_db()
        assert notification.status == "queued"

    def test_many_are_sent_again_after_a_page_that_says_which(
        self, owner: Any, support: Any, page_of: Callable[[Any], Client]
    ) -> None:
        failed, unknown, sent = (make_failed_sms(owner, status=each) for each in ("failed", "unknown", "sent"))
        client, url = page_of(support), "/admin/notifications/notification/"
        chosen = {"action": "resend", "_selected_action": [str(one.pk) for one in (failed, unknown, sent)]}

        asked = client.post(url, chosen).content.decode()

        assert "The message is not sent again, because it was sent or is about to be sent." in asked
        assert asked.count('name="_selected_action"') == 3
        expect_unchanged(failed, "failed")
        answer = client.post(url, {**chosen, "confirmed": "yes"}, follow=True).content.decode()
        assert "Messages queued to be sent again: 2." in answer
        assert "This message was sent, or is about to be." in answer
        statuses = Notification.objects.order_by("pk").values_list("status", flat=True)
        assert sorted(statuses) == ["queued", "queued", "sent"]

    def test_staff_who_may_only_view_cannot_resend(
        self, owner: Any, catalogue_manager: Any, page_of: Callable[[Any], Client]
    ) -> None:
        notification = make_failed_sms(owner)
        client, url = page_of(catalogue_manager), f"/admin/notifications/notification/{notification.pk}/actions/resend/"

        assert client.post(url).status_code == 403
        expect_unchanged(notification, "failed")
