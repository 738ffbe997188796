"""Each invariant of notifications finds the violation that is planted, and nothing in a sound shop."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import audit, ids
from apps.core.events import SYSTEM, current_values
from apps.notifications import rules, services
from apps.notifications.models import Notification
from apps.orders.states import OrderStatus
from tests.factories.notifications import (
    NOON,
    make_event,
    make_notification,
    make_order_of,
    make_queued_email,
    make_queued_sms,
)
from tests.support.events import record_event

pytestmark = pytest.mark.django_db
LATER = NOON + rules.LEASE + timedelta(minutes=10, seconds=1)


def found(invariant: str, *, now: Any = NOON) -> list[dict[str, Any]]:
    (result,) = audit.run(now=now, only=[invariant]).results
    assert result.error == ""
    return result.rows


def lift(constraint: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks to come cannot be altered
        cursor.execute(f'ALTER TABLE notifications_notification DROP CONSTRAINT "{constraint}"')


def event_constraint() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'notifications_notification'::regclass"
            " AND confrelid = 'core_event'::regclass"
        )
        return str(cursor.fetchone()[0])


def test_valid_data_has_no_violation(owner: Any) -> None:
    order = make_order_of(owner, status=OrderStatus.CANCELLED)
    services.create_notifications(
        template="order_cancelled", event=make_event("orders.order.cancelled", order, root_id=order.pk), now=NOON
    )

    for invariant in ("INV-45", "INV-45b", "INV-45c"):
        assert found(invariant) == []


def test_the_same_message_twice_is_found(owner: Any) -> None:
    lift("one_notification_per_event_and_channel")
    first = make_notification(owner)
    make_notification(owner, event=first.event)

    (row,) = found("INV-45")

    assert (row["event_id"], row["channel"], row["messages"]) == (first.event_id, "in_app", 2)


def test_a_message_about_nothing_is_found(owner: Any) -> None:
    notification = make_notification(owner)
    lift(event_constraint())
    nothing = ids.new()
    Notification.objects.filter(pk=notification.pk).update(event_id=nothing)

    (row,) = found("one_notification_per_event_and_channel")

    assert row["event_id"] == nothing


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "sent", "sent_at": NOON, "provider_id": "", "next_attempt_at": None},
        {"status": "sent", "sent_at": None, "provider_id": "abc", "next_attempt_at": None},
        {"status": "failed", "sent_at": NOON, "next_attempt_at": None},
    ],
    ids=["no provider id", "no time", "time without success"],
)
def test_sms_without_provider_id_is_found(owner: Any, fields: dict[str, Any]) -> None:
    make_queued_sms(owner, status="sent", sent_at=NOON, provider_id="sound", next_attempt_at=None)
    planted = make_queued_sms(owner, **fields)

    assert [row["id"] for row in found("INV-45b")] == [planted.pk]


def test_an_email_without_message_id_is_found(owner: Any) -> None:
    make_queued_email(owner, status="sent", sent_at=NOON, next_attempt_at=None)
    planted = make_queued_email(owner, status="sent", sent_at=NOON, next_attempt_at=None, message_id="")

    assert [row["id"] for row in found("INV-45b")] == [planted.pk]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "sending", "claimed_until": NOON + rules.LEASE, "next_attempt_at": NOON + rules.LEASE},
        {"status": "sending", "claimed_until": None},
        {"status": "queued", "next_attempt_at": NOON},
        {"status": "queued", "next_attempt_at": None},
        {"status": "failed", "next_attempt_at": LATER},
    ],
    ids=["dead sender", "claim without end", "forgotten by the sweep", "never due", "closed but waiting"],
)
def test_a_stuck_message_is_found(owner: Any, fields: dict[str, Any]) -> None:
    make_queued_email(owner, next_attempt_at=LATER)
    planted = make_queued_email(owner, **fields)

    assert [row["id"] for row in found("INV-45c", now=LATER)] == [planted.pk]


def test_a_message_on_its_way_is_not_stuck(owner: Any) -> None:
    make_queued_sms(owner, status="sending", claimed_until=NOON + rules.LEASE, next_attempt_at=NOON + rules.LEASE)

    assert found("INV-45c", now=LATER - timedelta(seconds=2)) == []


def test_claimed_message_does_not_drift_from_its_events(owner: Any) -> None:
    claimed = make_queued_sms(owner)
    lost = make_queued_sms(owner)
    store_as_recorded(claimed)
    store_as_recorded(lost)

    Notification.objects.filter(pk=claimed.pk).update(status="sending", claimed_until=NOON + rules.LEASE)
    assert [row["id"] for row in found("INV-37b") if row["kind"] == "notifications.notification"] == []

    Notification.objects.filter(pk=lost.pk).update(status="failed", next_attempt_at=None)
    assert [row["id"] for row in found("INV-37b") if row["kind"] == "notifications.notification"] == [lost.pk]


def store_as_recorded(notification: Notification) -> None:
    with transaction.atomic():
        changed = current_values(notification, "status")
        record_event("notifications.notification.queued", subject=notification, actor=SYSTEM, changes=changed, now=NOON)


def test_a_message_that_is_attempted_without_end_is_found(owner: Any) -> None:
    message = make_queued_sms(owner, attempts=rules.MAX_ATTEMPTS)
    assert found("INV-45d") == []
    Notification.objects.update(attempts=rules.MAX_ATTEMPTS + 1)

    assert [(row["id"], row["attempts"]) for row in found("INV-45d")] == [(message.pk, 7)]
