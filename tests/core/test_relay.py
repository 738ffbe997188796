import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import clock, relay
from apps.core.events import SYSTEM
from apps.core.models import Event, HandlerRun, Outbox
from tests.factories.accounts import make_user
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.events import record_event
from tests.support.lock_controls import without_lock

pytestmark = pytest.mark.django_db(transaction=True)

TYPE = "test.user.made"


class RecordingHandler:
    """A handler that records its events and fails as often as a test wants."""

    __module__ = "apps.orders.handlers"

    failure = "the other side is away"

    def __init__(
        self,
        name: str,
        *,
        failures: int = 0,
        calls_external: bool = False,
        waits_for: Callable[[], object] = lambda: None,
    ) -> None:
        self.__qualname__ = name
        self.failures = failures
        self.calls_external = calls_external
        self.waits_for = waits_for
        self.handled: list[Event] = []
        self.was_in_transaction: list[bool] = []

    def __call__(self, *, event: Event, now: Any) -> None:
        self.was_in_transaction.append(connection.in_atomic_block)
        make_user(name=f"effect of {self.__qualname__}")
        self.waits_for()
        if self.failures:
            self.failures -= 1
            raise ConnectionError(self.failure)
        self.handled.append(event)


@pytest.fixture
def subscribe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    def with_(*handlers: RecordingHandler) -> None:
        monkeypatch.setattr(
            relay, "get_subscriptions", lambda: {TYPE: tuple(relay._make_subscription(handler) for handler in handlers)}
        )

    return with_


def make_event() -> Event:
    with transaction.atomic():
        return record_event(TYPE, subject=make_user(), actor=SYSTEM, changes={})


def effects(name: str) -> int:
    return type(make_user()).objects.filter(name=f"effect of {name}").count()


class TestClaimOutbox:
    def test_makes_one_run_per_handler_and_empties_the_outbox(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"), RecordingHandler("two"))
        event = make_event()

        taken = relay.claim_outbox(now=clock.now())

        assert {handler_run.handler for handler_run in taken} == {
            "apps.orders.handlers.one",
            "apps.orders.handlers.two",
        }
        assert {handler_run.event_id for handler_run in taken} == {event.pk}
        assert not Outbox.objects.exists()
        assert relay.claim_outbox(now=clock.now()) == []

    def test_event_without_a_handler_leaves_the_outbox_too(self, subscribe: Callable[..., None]) -> None:
        subscribe()
        make_event()

        assert relay.claim_outbox(now=clock.now()) == []
        assert not Outbox.objects.exists()

    def test_unknown_event_waits_for_a_newer_relay_and_blocks_no_other(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with transaction.atomic():
            new = record_event("test.user.cloned", subject=make_user(), actor=SYSTEM, changes={})
        subscribe(RecordingHandler("one"))
        make_event()

        assert len(relay.claim_outbox(now=clock.now(), limit=1)) == 1
        assert relay.claim_outbox(now=clock.now()) == []
        assert [row.event_id for row in Outbox.objects.all()] == [new.pk]

        one = relay._make_subscription(RecordingHandler("one"))
        monkeypatch.setattr(relay, "get_subscriptions", lambda: {"test.user.cloned": (one,)})
        assert [handler_run.event_id for handler_run in relay.claim_outbox(now=clock.now())] == [new.pk]

    def test_event_of_a_rolled_back_transaction_is_never_handled(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        with pytest.raises(RuntimeError), transaction.atomic():
            record_event(TYPE, subject=make_user(), actor=SYSTEM, changes={})
            raise RuntimeError

        assert relay.claim_outbox(now=clock.now()) == []


class TestRunHandler:
    def test_sets_done_at_in_the_transaction_of_the_effect(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one")
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        assert relay.run_handler(handler_run.pk) is True

        handler_run.refresh_from_db()
        assert handler_run.done_at is not None
        assert (handler_run.starts, effects("one"), handler.was_in_transaction) == (1, 1, [True])

    def test_second_copy_of_a_hint_does_nothing(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        relay.run_handler(handler_run.pk)

        assert relay.run_handler(handler_run.pk) is False
        assert effects("one") == 1

    def test_failure_rolls_back_its_effect_and_is_retried_later(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one", failures=1))
        make_event()
        now = clock.now()
        [handler_run] = relay.claim_outbox(now=now)

        assert relay.run_handler(handler_run.pk, now=now) is False
        handler_run.refresh_from_db()
        assert (handler_run.done_at, effects("one")) == (None, 0)
        assert "the other side is away" in handler_run.last_error
        assert relay.claim_due(now=now) == []

        [due] = relay.claim_due(now=now + timedelta(seconds=10))
        assert relay.run_handler(due.pk) is True
        assert effects("one") == 1

    def test_fifth_failure_parks_it_and_staff_can_retry_it(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one", failures=5))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        for _ in range(6):
            relay.run_handler(handler_run.pk)

        handler_run.refresh_from_db()
        assert handler_run.parked_at is not None
        assert (handler_run.starts, handler_run.done_at) == (5, None)
        assert relay.claim_due(now=clock.now() + timedelta(days=1)) == []

        relay.retry_parked(handler_run_id=handler_run.pk, now=clock.now())
        assert relay.run_handler(handler_run.pk) is True
        with pytest.raises(relay.HandlerRunNotParked):
            relay.retry_parked(handler_run_id=handler_run.pk, now=clock.now())

    def test_start_that_crashed_counts_and_is_swept(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        now = clock.now()
        [handler_run] = relay.claim_outbox(now=now)
        relay._start(handler_run.pk, now=now)

        assert relay.claim_due(now=now + timedelta(seconds=89)) == []
        assert [due.pk for due in relay.claim_due(now=now + timedelta(seconds=91))] == [handler_run.pk]

    def test_run_with_five_starts_is_parked_without_a_call(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one")
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        HandlerRun.objects.filter(pk=handler_run.pk).update(starts=5)

        assert relay.run_handler(handler_run.pk) is False
        handler_run.refresh_from_db()
        assert handler_run.parked_at is not None
        assert handler.handled == []

    def test_handler_that_calls_external_runs_outside_a_transaction(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one", calls_external=True)
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        assert relay.run_handler(handler_run.pk) is True
        assert handler.was_in_transaction == [False]

    def test_handler_that_no_longer_exists_is_an_error(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        subscribe()

        assert relay.run_handler(handler_run.pk) is False
        handler_run.refresh_from_db()
        assert "no handler is called apps.orders.handlers.one" in handler_run.last_error


@pytest.mark.race
class TestConcurrentRuns:
    """Two workers hold the same hint, and both have begun before either is done."""

    def run(self, handler_run_id: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        both_began = threading.Barrier(2)
        call = relay._call_handler

        def call_together(*args: Any, **kwargs: Any) -> None:
            both_began.wait(60)
            call(*args, **kwargs)

        def work() -> None:
            relay.run_handler(handler_run_id)
            connection.close()

        monkeypatch.setattr(relay, "_call_handler", call_together)
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_second_run_waits_and_finds_it_done(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(RecordingHandler("one", waits_for=wait_for_a_blocked_session))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        self.run(handler_run.pk, monkeypatch)

        handler_run.refresh_from_db()
        assert (handler_run.starts, handler_run.last_error, effects("one")) == (2, "", 1)
        assert handler_run.done_at is not None

    def test_control_without_the_lock_the_effect_happens_twice(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_are_in_the_handler = threading.Barrier(2)
        subscribe(RecordingHandler("one", waits_for=lambda: both_are_in_the_handler.wait(60)))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        with without_lock("apps.core.relay._call_handler", meet=2):
            self.run(handler_run.pk, monkeypatch)

        assert effects("one") == 2


@pytest.mark.race
class TestConcurrentRelays:
    def test_each_event_is_claimed_exactly_once(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"), RecordingHandler("two"))
        events = {make_event().pk for _ in range(40)}
        taken: list[HandlerRun] = []

        def work() -> None:
            while batch := relay.claim_outbox(now=clock.now(), limit=3):
                taken.extend(batch)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(taken) == HandlerRun.objects.count() == 80
        assert {handler_run.event_id for handler_run in taken} == events
        assert not Outbox.objects.exists()


def test_stored_error_has_no_personal_data(subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    handler = RecordingHandler("one", failures=1)
    handler.failure = "Key (phone)=(+919876543210) already exists."
    subscribe(handler)
    make_event()
    [handler_run] = relay.claim_outbox(now=clock.now())

    relay.run_handler(handler_run.pk)

    handler_run.refresh_from_db()
    assert handler_run.last_error == "ConnectionError: Key (phone)=([phone]) already exists."


def test_backlog_counts_events_and_handler_runs(subscribe: Callable[..., None]) -> None:
    subscribe(RecordingHandler("one", failures=5))
    make_event()
    [handler_run] = relay.claim_outbox(now=clock.now())
    make_event()
    for _ in range(5):
        relay.run_handler(handler_run.pk)

    backlog = relay.measure_backlog(now=clock.now() + timedelta(seconds=60))

    assert (backlog["outbox"], backlog["handler_runs_open"], backlog["handler_runs_parked"]) == (1, 0, 1)
    assert 59 < backlog["outbox_oldest_seconds"] < 70
