"""What a buyer is notified of attempts to pay that failed: each thing once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.core import clock
from apps.core.models import Event
from apps.notifications import services
from apps.notifications.models import Notification
from apps.notifications.services import notifications
from apps.notifications.states import NotificationStatus
from apps.orders import locks as order_locks
from apps.orders import selectors as orders
from apps.payments.models import Payment
from apps.payments.services import payments
from apps.payments.states import AttemptStatus
from tests.factories.catalog import make_registration
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment

pytestmark = pytest.mark.django_db

UPI = "pay_UpiOfOurServer1"


@pytest.fixture
def order(owner: Any) -> Any:
    make_registration()
    return make_order(owner)


def failures() -> list[Event]:
    return list(Event.objects.filter(type="payments.attempt.failed").order_by("created_at", "id"))


def notify(event: Event, *, now: datetime | None = None) -> list[str]:
    return sorted(
        row.channel
        for row in services.create_notifications(template="payment_failed", event=event, now=now or clock.now())
    )


def fail(payment: Payment, *, gateway_payment_id: str | None = None, now: datetime | None = None) -> Event:
    apply_payment(make_gateway_payment(payment, id=gateway_payment_id, status=AttemptStatus.FAILED), now=now)
    return failures()[-1]


class TestPaymentFailed:
    def test_is_notified_once_by_sms_and_in_app(self, order: Any) -> None:
        event = fail(make_payment(order))

        assert notify(event) == ["in_app", "sms"]
        assert notify(event) == []

    def test_second_untouched_upi_attempt_is_not_notified(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment, id=UPI, status=AttemptStatus.CREATED))
        assert notify(fail(payment)) == ["in_app", "sms"]

        later = clock.now() + timedelta(minutes=10)
        of_upi = fail(payment, gateway_payment_id=UPI, now=later)

        assert notify(of_upi, now=later) == []
        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 1

    def test_single_untouched_upi_attempt_is_notified(self, order: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment, id=UPI, status=AttemptStatus.CREATED))

        assert notify(fail(payment, gateway_payment_id=UPI)) == ["in_app", "sms"]

    def test_attempt_followed_by_another_is_not_notified(self, order: Any) -> None:
        payment = make_payment(order)
        first = fail(payment)
        apply_payment(make_gateway_payment(payment, status=AttemptStatus.CREATED))

        assert notify(first) == []

    def test_same_text_is_not_sent_twice(self, order: Any) -> None:
        payment = make_payment(order)
        assert notify(fail(payment)) == ["in_app", "sms"]

        assert notify(fail(payment)) == []

    def test_later_deadline_is_notified_again(self, order: Any) -> None:
        payment = make_payment(order)
        notify(fail(payment))
        later = clock.now() + timedelta(minutes=29)
        apply_payment(make_gateway_payment(payment, id="pay_CardInCheckout2", status=AttemptStatus.CREATED), now=later)

        event = fail(payment, gateway_payment_id="pay_CardInCheckout2", now=later)

        assert notify(event, now=later) == ["in_app", "sms"]
        assert Notification.objects.filter(channel="sms").values("body").distinct().count() == 2

    def test_failed_message_is_repeated_by_the_next_event(self, order: Any) -> None:
        payment = make_payment(order)
        notify(fail(payment))
        Notification.objects.filter(channel="sms").update(status=NotificationStatus.FAILED, next_attempt_at=None)

        assert notify(fail(payment)) == ["sms"]

    def test_another_order_is_notified_separately(self, order: Any, owner: Any) -> None:
        notify(fail(make_payment(order)))

        assert notify(fail(make_payment(make_order(owner)))) == ["in_app", "sms"]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTwoFailuresAtOnce:
    @pytest.fixture
    def events(self, owner: Any, reference_data: None) -> list[Event]:
        """The failures of two payments of one order, which two workers notify in parallel."""
        make_registration()
        order = make_order(owner)
        first = make_payment(order)
        fail(first)
        payments.cancel_payment(payment_id=first.pk, customer_id=owner.pk, actor=actor_for(owner), now=clock.now())
        fail(make_payment(order))
        return failures()

    def test_are_notified_once(self, events: list[Event]) -> None:
        self._notify_in_parallel(events)

        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 1

    def test_control_without_the_lock_they_are_notified_twice(
        self, events: list[Event], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_have_looked = threading.Barrier(2)
        has_duplicate = notifications.has_duplicate

        def look_together(row: Notification) -> bool:
            found = has_duplicate(row)
            if row.channel == "sms":
                both_have_looked.wait(timeout=60)
            return bool(found)

        monkeypatch.setattr(order_locks, "lock_order", orders.get_order)
        monkeypatch.setattr(notifications, "has_duplicate", look_together)

        self._notify_in_parallel(events)

        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 2

    def _notify_in_parallel(self, events: list[Event]) -> None:
        start = threading.Barrier(len(events))

        def notify_one(event: Event) -> None:
            try:
                start.wait(timeout=60)
                notify(event)
            finally:
                connection.close()

        with ThreadPoolExecutor(len(events)) as pool:
            list(pool.map(notify_one, events))
