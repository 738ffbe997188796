import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from apps.core import clock, relay
from apps.core.events import SYSTEM, record
from apps.core.models import Delivery, Event, Outbox
from tests.factories.accounts import make_user
from tests.support.database_locks import wait_for_a_blocked_session

pytestmark = pytest.mark.django_db(transaction=True)

TYPE = "test.user.made"


class Listener:
    """A handler that notes what it hears, and fails as often as it is told."""

    __module__ = "apps.orders.handlers"

    failure = "the other side is away"

    def __init__(
        self,
        name: str,
        *,
        failures: int = 0,
        is_outside: bool = False,
        waits_for: Callable[[], object] = lambda: None,
    ) -> None:
        self.__qualname__ = name
        self.failures = failures
        self.talks_outside = is_outside
        self.waits_for = waits_for
        self.heard: list[Event] = []
        self.was_in_transaction: list[bool] = []

    def __call__(self, *, event: Event, now: Any) -> None:
        self.was_in_transaction.append(connection.in_atomic_block)
        make_user(name=f"effect of {self.__qualname__}")
        self.waits_for()
        if self.failures:
            self.failures -= 1
            raise ConnectionError(self.failure)
        self.heard.append(event)


@pytest.fixture
def subscribe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def with_(*listeners: Listener) -> None:
        monkeypatch.setattr(relay, "routes", lambda: {TYPE: tuple(relay._route(listener) for listener in listeners)})

    return with_


def happen() -> Event:
    with transaction.atomic():
        return record(TYPE, subject=make_user(), actor=SYSTEM, changed={})


def effects(name: str) -> int:
    return type(make_user()).objects.filter(name=f"effect of {name}").count()


class TestTakeOutbox:
    def test_makes_one_delivery_for_each_handler_and_empties_the_outbox(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"), Listener("two"))
        event = happen()

        taken = relay.take_outbox(now=clock.now())

        assert {delivery.handler for delivery in taken} == {"apps.orders.handlers.one", "apps.orders.handlers.two"}
        assert {delivery.event_id for delivery in taken} == {event.pk}
        assert not Outbox.objects.exists()
        assert relay.take_outbox(now=clock.now()) == []

    def test_an_event_that_nobody_hears_leaves_the_outbox_too(self, subscribe: Callable[..., None]) -> None:
        subscribe()
        happen()

        assert relay.take_outbox(now=clock.now()) == []
        assert not Outbox.objects.exists()

    def test_news_that_only_a_newer_release_knows_waits_for_its_relay_and_holds_nobody_up(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with transaction.atomic():
            new = record("test.user.cloned", subject=make_user(), actor=SYSTEM, changed={})
        subscribe(Listener("one"))
        happen()

        assert len(relay.take_outbox(now=clock.now(), limit=1)) == 1
        assert relay.take_outbox(now=clock.now()) == []
        assert [row.event_id for row in Outbox.objects.all()] == [new.pk]

        one = relay._route(Listener("one"))
        monkeypatch.setattr(relay, "routes", lambda: {"test.user.cloned": (one,)})
        assert [delivery.event_id for delivery in relay.take_outbox(now=clock.now())] == [new.pk]

    def test_news_of_a_transaction_that_was_rolled_back_never_travels(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"))
        with pytest.raises(RuntimeError), transaction.atomic():
            record(TYPE, subject=make_user(), actor=SYSTEM, changed={})
            raise RuntimeError

        assert relay.take_outbox(now=clock.now()) == []


class TestCarryOut:
    def test_writes_the_receipt_in_the_transaction_of_the_effect(self, subscribe: Callable[..., None]) -> None:
        listener = Listener("one")
        subscribe(listener)
        happen()
        [delivery] = relay.take_outbox(now=clock.now())

        assert relay.carry_out(delivery.pk) is True

        delivery.refresh_from_db()
        assert delivery.done_at is not None
        assert (delivery.starts, effects("one"), listener.was_in_transaction) == (1, 1, [True])

    def test_a_second_copy_of_the_hint_does_nothing(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"))
        happen()
        [delivery] = relay.take_outbox(now=clock.now())
        relay.carry_out(delivery.pk)

        assert relay.carry_out(delivery.pk) is False
        assert effects("one") == 1

    def test_a_failure_takes_its_effect_back_and_is_tried_again_later(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one", failures=1))
        happen()
        now = clock.now()
        [delivery] = relay.take_outbox(now=now)

        assert relay.carry_out(delivery.pk, now=now) is False
        delivery.refresh_from_db()
        assert (delivery.done_at, effects("one")) == (None, 0)
        assert "the other side is away" in delivery.last_error
        assert relay.take_due(now=now) == []

        [due] = relay.take_due(now=now + timedelta(seconds=10))
        assert relay.carry_out(due.pk) is True
        assert effects("one") == 1

    def test_the_fifth_failure_parks_it_and_staff_can_send_it_again(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one", failures=5))
        happen()
        [delivery] = relay.take_outbox(now=clock.now())
        for _ in range(6):
            relay.carry_out(delivery.pk)

        delivery.refresh_from_db()
        assert delivery.parked_at is not None
        assert (delivery.starts, delivery.done_at) == (5, None)
        assert relay.take_due(now=clock.now() + timedelta(days=1)) == []

        relay.retry_parked(delivery_id=delivery.pk, now=clock.now())
        assert relay.carry_out(delivery.pk) is True
        with pytest.raises(relay.DeliveryNotParked):
            relay.retry_parked(delivery_id=delivery.pk, now=clock.now())

    def test_a_start_that_died_without_a_word_counts_and_is_swept(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"))
        happen()
        now = clock.now()
        [delivery] = relay.take_outbox(now=now)
        relay._start(delivery.pk, now=now)

        assert relay.take_due(now=now + timedelta(seconds=89)) == []
        assert [due.pk for due in relay.take_due(now=now + timedelta(seconds=91))] == [delivery.pk]

    def test_a_poison_delivery_is_parked_without_being_called(self, subscribe: Callable[..., None]) -> None:
        listener = Listener("one")
        subscribe(listener)
        happen()
        [delivery] = relay.take_outbox(now=clock.now())
        Delivery.objects.filter(pk=delivery.pk).update(starts=5)

        assert relay.carry_out(delivery.pk) is False
        delivery.refresh_from_db()
        assert delivery.parked_at is not None
        assert listener.heard == []

    def test_a_handler_that_talks_to_the_outside_runs_in_no_transaction(self, subscribe: Callable[..., None]) -> None:
        listener = Listener("one", is_outside=True)
        subscribe(listener)
        happen()
        [delivery] = relay.take_outbox(now=clock.now())

        assert relay.carry_out(delivery.pk) is True
        assert listener.was_in_transaction == [False]

    def test_a_handler_that_is_gone_is_an_error_and_not_a_loss(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"))
        happen()
        [delivery] = relay.take_outbox(now=clock.now())
        subscribe()

        assert relay.carry_out(delivery.pk) is False
        delivery.refresh_from_db()
        assert "no handler is called apps.orders.handlers.one" in delivery.last_error


@pytest.mark.race
class TestTwins:
    """Two workers hold the same hint, and both have begun before either is done."""

    def run(self, delivery_id: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        both_began = threading.Barrier(2)
        call = relay._call

        def call_together(*args: Any, **kwargs: Any) -> None:
            both_began.wait(60)
            call(*args, **kwargs)

        def work() -> None:
            relay.carry_out(delivery_id)
            connection.close()

        monkeypatch.setattr(relay, "_call", call_together)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_the_second_waits_and_finds_it_done(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(Listener("one", waits_for=wait_for_a_blocked_session))
        happen()
        [delivery] = relay.take_outbox(now=clock.now())

        self.run(delivery.pk, monkeypatch)

        delivery.refresh_from_db()
        assert (delivery.starts, delivery.last_error, effects("one")) == (2, "", 1)
        assert delivery.done_at is not None

    def test_control_without_the_lock_the_effect_is_doubled(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_are_in_the_handler = threading.Barrier(2)
        subscribe(Listener("one", waits_for=lambda: both_are_in_the_handler.wait(60)))
        happen()
        [delivery] = relay.take_outbox(now=clock.now())
        monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)

        self.run(delivery.pk, monkeypatch)

        assert effects("one") == 2


@pytest.mark.race
class TestRelaysSideBySide:
    def test_share_the_outbox_and_lose_or_double_nothing(self, subscribe: Callable[..., None]) -> None:
        subscribe(Listener("one"), Listener("two"))
        events = {happen().pk for _ in range(40)}
        taken: list[Delivery] = []

        def work() -> None:
            while batch := relay.take_outbox(now=clock.now(), limit=3):
                taken.extend(batch)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(taken) == Delivery.objects.count() == 80
        assert {delivery.event_id for delivery in taken} == events
        assert not Outbox.objects.exists()


def test_an_error_is_kept_without_what_is_personal(
    subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener("one", failures=1)
    listener.failure = "Key (phone)=(+919876543210) already exists."
    subscribe(listener)
    happen()
    [delivery] = relay.take_outbox(now=clock.now())

    relay.carry_out(delivery.pk)

    delivery.refresh_from_db()
    assert delivery.last_error == "ConnectionError: Key (phone)=([phone]) already exists."


def test_the_backlog_tells_what_is_on_its_way(subscribe: Callable[..., None]) -> None:
    subscribe(Listener("one", failures=5))
    happen()
    [delivery] = relay.take_outbox(now=clock.now())
    happen()
    for _ in range(5):
        relay.carry_out(delivery.pk)

    backlog = relay.backlog(now=clock.now() + timedelta(seconds=60))

    assert (backlog["outbox"], backlog["deliveries_open"], backlog["deliveries_parked"]) == (1, 0, 1)
    assert 59 < backlog["outbox_oldest_seconds"] < 70
