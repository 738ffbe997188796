"""What a buyer is told of attempts to pay that failed: each thing once."""

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
from apps.notifications.services import composition
from apps.notifications.states import NotificationStatus
from apps.orders import locks as order_locks
from apps.orders import selectors as orders
from apps.payments import services as payment_services
from apps.payments.models import Payment
from apps.payments.states import AttemptStatus
from tests.factories.catalog import make_registration
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import make_facts, make_payment, take_in

pytestmark = pytest.mark.django_db

UPI = "pay_UpiOfOurServer1"


@pytest.fixture
def order(owner: Any) -> Any:
    make_registration()
    return make_order(owner)


def failures() -> list[Event]:
    return list(Event.objects.filter(type="payments.attempt.failed").order_by("created_at", "id"))


def tell_of(event: Event, *, now: datetime | None = None) -> list[str]:
    return sorted(row.channel for row in services.tell(message="payment_failed", event=event, now=now or clock.now()))


def fail(payment: Payment, *, gateway_payment_id: str | None = None, now: datetime | None = None) -> Event:
    take_in(make_facts(payment, id=gateway_payment_id, status=AttemptStatus.FAILED), now=now)
    return failures()[-1]


class TestPaymentFailed:
    def test_is_told_once_by_sms_and_in_the_app(self, order: Any) -> None:
        event = fail(make_payment(order))

        assert tell_of(event) == ["in_app", "sms"]
        assert tell_of(event) == []

    def test_an_untouched_upi_attempt_whose_time_is_over_says_nothing_new(self, order: Any) -> None:
        payment = make_payment(order)
        take_in(make_facts(payment, id=UPI, status=AttemptStatus.CREATED))
        assert tell_of(fail(payment)) == ["in_app", "sms"]

        later = clock.now() + timedelta(minutes=10)
        of_upi = fail(payment, gateway_payment_id=UPI, now=later)

        assert tell_of(of_upi, now=later) == []
        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 1

    def test_an_untouched_upi_attempt_alone_is_told(self, order: Any) -> None:
        payment = make_payment(order)
        take_in(make_facts(payment, id=UPI, status=AttemptStatus.CREATED))

        assert tell_of(fail(payment, gateway_payment_id=UPI)) == ["in_app", "sms"]

    def test_an_attempt_that_the_buyer_has_followed_by_another_is_not_told(self, order: Any) -> None:
        payment = make_payment(order)
        first = fail(payment)
        take_in(make_facts(payment, status=AttemptStatus.CREATED))

        assert tell_of(first) == []

    def test_the_same_words_are_not_said_twice(self, order: Any) -> None:
        payment = make_payment(order)
        assert tell_of(fail(payment)) == ["in_app", "sms"]

        assert tell_of(fail(payment)) == []

    def test_a_later_time_to_pay_by_is_said_again(self, order: Any) -> None:
        payment = make_payment(order)
        tell_of(fail(payment))
        later = clock.now() + timedelta(minutes=29)
        take_in(make_facts(payment, id="pay_CardInCheckout2", status=AttemptStatus.CREATED), now=later)

        event = fail(payment, gateway_payment_id="pay_CardInCheckout2", now=later)

        assert tell_of(event, now=later) == ["in_app", "sms"]
        assert Notification.objects.filter(channel="sms").values("body").distinct().count() == 2

    def test_what_was_not_sent_is_said_by_the_next_one(self, order: Any) -> None:
        payment = make_payment(order)
        tell_of(fail(payment))
        Notification.objects.filter(channel="sms").update(status=NotificationStatus.FAILED, next_attempt_at=None)

        assert tell_of(fail(payment)) == ["sms"]

    def test_another_order_is_told_for_itself(self, order: Any, owner: Any) -> None:
        tell_of(fail(make_payment(order)))

        assert tell_of(fail(make_payment(make_order(owner)))) == ["in_app", "sms"]


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTwoFailuresAtOnce:
    @pytest.fixture
    def events(self, owner: Any, reference_data: None) -> list[Event]:
        """The failures of two payments of one order, which two workers tell at once."""
        make_registration()
        order = make_order(owner)
        first = make_payment(order)
        fail(first)
        payment_services.cancel_payment(
            payment_id=first.pk, customer_id=owner.pk, actor=actor_for(owner), now=clock.now()
        )
        fail(make_payment(order))
        return failures()

    def test_are_told_once(self, events: list[Event]) -> None:
        self._tell_at_once(events)

        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 1

    def test_control_without_the_lock_they_are_told_twice(
        self, events: list[Event], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_have_looked = threading.Barrier(2)
        was_said = composition.selectors.was_said

        def look_together(row: Notification) -> bool:
            found = was_said(row)
            if row.channel == "sms":
                both_have_looked.wait(timeout=60)
            return bool(found)

        monkeypatch.setattr(order_locks, "lock_order", orders.get_order)
        monkeypatch.setattr(composition.selectors, "was_said", look_together)

        self._tell_at_once(events)

        assert Notification.objects.filter(template="payment_failed", channel="sms").count() == 2

    def _tell_at_once(self, events: list[Event]) -> None:
        start = threading.Barrier(len(events))

        def tell(event: Event) -> None:
            try:
                start.wait(timeout=60)
                tell_of(event)
            finally:
                connection.close()

        with ThreadPoolExecutor(len(events)) as pool:
            list(pool.map(tell, events))
