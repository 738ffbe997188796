"""Many senders and one message: it goes once; and twice if the lock is off."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.notifications import services
from apps.notifications.gateways import Outcome, SendResult, msg91
from apps.notifications.models import Notification
from apps.orders.states import OrderStatus
from tests.factories.notifications import NOON, make_event, make_order_of, make_queued_sms
from tests.support.lock_controls import without_lock

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
SENDERS = 4


def together(work: Callable[[], Any], count: int = SENDERS) -> list[Any]:
    results: list[Any] = []
    start = threading.Barrier(count)

    def run() -> None:
        try:
            start.wait(60)
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    return results


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []

    def send(**call: Any) -> Outcome:
        made.append(call)
        return Outcome(SendResult.ACCEPTED, provider_id="abc")

    monkeypatch.setattr(msg91, "send", send)
    return made


def test_two_workers_at_once_send_once(owner: Any, calls: list[Any]) -> None:
    notification = make_queued_sms(owner)

    together(lambda: services.send_notification(notification_id=notification.pk, now=NOON))

    notification.refresh_from_db()
    assert len(calls) == 1
    assert (notification.status, notification.attempts, notification.version) == ("sent", 1, 1)


def test_control_without_the_lock_they_send_twice(owner: Any, calls: list[Any]) -> None:
    notification = make_queued_sms(owner)

    with without_lock("apps.notifications.locks.lock_notification", meet=SENDERS):
        together(lambda: services.send_notification(notification_id=notification.pk, now=NOON))

    assert len(calls) == SENDERS


def test_event_handled_by_two_workers_is_notified_once(owner: Any) -> None:
    order = make_order_of(owner, status=OrderStatus.CANCELLED)
    event = make_event("orders.order.cancelled", order, root_id=order.pk)

    together(lambda: services.create_notifications(template="order_cancelled", event=event, now=NOON))

    assert sorted(Notification.objects.values_list("channel", flat=True)) == ["in_app", "sms"]
