import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import clock, handler_runs, relay
from apps.core.events import SYSTEM
from apps.core.models import Event, HandlerRun, Outbox
from tests.factories.accounts import make_user
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.events import USER_MADE, make_event, record_event
from tests.support.handler_runs import run_handler

pytestmark = pytest.mark.django_db(transaction=True)


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
            relay,
            "get_subscriptions",
            lambda: {USER_MADE: tuple(relay._make_subscription(handler) for handler in handlers)},
        )

    return with_


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

    @pytest.mark.parametrize(
        ("values", "is_handled"), [({"size": "large"}, True), ({"size": "small"}, False), ({}, True)]
    )
    def test_event_of_other_values_is_left_out_and_one_without_them_is_not(
        self, subscribe: Callable[..., None], values: dict[str, str], is_handled: bool
    ) -> None:
        """The release before wrote events without them."""
        subscribe(relay.OnlyIf(RecordingHandler("one"), {"size": "large"}), RecordingHandler("other"))
        with transaction.atomic():
            record_event(USER_MADE, subject=make_user(), actor=SYSTEM, changes=values)

        taken = [handler_run.handler.rpartition(".")[2] for handler_run in relay.claim_outbox(now=clock.now())]

        assert taken == (["one", "other"] if is_handled else ["other"])
        assert not Outbox.objects.exists()

    def test_event_of_a_rolled_back_transaction_is_never_handled(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        with pytest.raises(RuntimeError), transaction.atomic():
            record_event(USER_MADE, subject=make_user(), actor=SYSTEM, changes={})
            raise RuntimeError

        assert relay.claim_outbox(now=clock.now()) == []


class TestRunHandler:
    def test_sets_done_at_in_the_transaction_of_the_effect(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one")
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        assert run_handler(handler_run.pk) is True

        handler_run.refresh_from_db()
        assert handler_run.done_at is not None
        assert (handler_run.starts, effects("one"), handler.was_in_transaction) == (1, 1, [True])

    def test_second_copy_of_a_hint_does_nothing(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        run_handler(handler_run.pk)

        assert run_handler(handler_run.pk) is False
        assert effects("one") == 1

    def test_failure_rolls_back_its_effect_and_is_retried_later(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one", failures=1))
        make_event()
        now = clock.now()
        [handler_run] = relay.claim_outbox(now=now)

        assert run_handler(handler_run.pk, now=now) is False
        handler_run.refresh_from_db()
        assert (handler_run.done_at, effects("one")) == (None, 0)
        assert "the other side is away" in handler_run.last_error
        assert relay.claim_due(now=now) == []

        [due] = relay.claim_due(now=now + timedelta(seconds=10))
        assert run_handler(due.pk) is True
        assert effects("one") == 1

    def test_fifth_failure_parks_it_and_staff_can_retry_it(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one", failures=5))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        for _ in range(6):
            run_handler(handler_run.pk)

        handler_run.refresh_from_db()
        assert handler_run.parked_at is not None
        assert (handler_run.starts, handler_run.done_at) == (5, None)
        assert relay.claim_due(now=clock.now() + timedelta(days=1)) == []

        handler_runs.retry_parked(handler_run_id=handler_run.pk, now=clock.now())
        assert run_handler(handler_run.pk) is True
        with pytest.raises(handler_runs.HandlerRunNotParked):
            handler_runs.retry_parked(handler_run_id=handler_run.pk, now=clock.now())

    def test_start_that_crashed_counts_and_is_swept(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        now = clock.now()
        [handler_run] = relay.claim_outbox(now=now)
        handler_runs._start([handler_run.pk], now=now)

        assert relay.claim_due(now=now + timedelta(seconds=89)) == []
        assert [due.pk for due in relay.claim_due(now=now + timedelta(seconds=91))] == [handler_run.pk]

    def test_run_with_five_starts_is_parked_without_a_call(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one")
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        HandlerRun.objects.filter(pk=handler_run.pk).update(starts=5)

        assert run_handler(handler_run.pk) is False
        handler_run.refresh_from_db()
        assert handler_run.parked_at is not None
        assert handler.handled == []

    def test_handler_that_calls_external_runs_outside_a_transaction(self, subscribe: Callable[..., None]) -> None:
        handler = RecordingHandler("one", calls_external=True)
        subscribe(handler)
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        assert run_handler(handler_run.pk) is True
        assert handler.was_in_transaction == [False]

    def test_handler_that_no_longer_exists_is_an_error(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())
        subscribe()

        assert run_handler(handler_run.pk) is False
        handler_run.refresh_from_db()
        assert "no handler is called apps.orders.handlers.one" in handler_run.last_error


class WorkerKilled(BaseException):
    """What no code of a worker catches: its process is gone."""


class TestRunHandlers:
    """Several handler runs of one hint."""

    @pytest.fixture
    def runs(self, subscribe: Callable[..., None]) -> Callable[..., list[HandlerRun]]:
        def make(*handlers: RecordingHandler) -> list[HandlerRun]:
            subscribe(*handlers)
            make_event()
            return relay.claim_outbox(now=clock.now())

        return make

    def test_each_has_its_own_transaction(self, runs: Callable[..., list[HandlerRun]]) -> None:
        made = runs(RecordingHandler("one"), RecordingHandler("two", failures=1), RecordingHandler("three"))

        assert handler_runs.run_handlers([run.pk for run in made]) == 2

        assert [effects(name) for name in ("one", "two", "three")] == [1, 0, 1]
        rows = HandlerRun.objects.order_by("handler").values_list("handler", "done_at", "starts")
        assert [(handler.rpartition(".")[2], done_at is not None, starts) for handler, done_at, starts in rows] == [
            ("one", True, 1), ("three", True, 1), ("two", False, 1)
        ]  # fmt: skip

    def test_gives_handlers_the_event_as_it_is_stored(self, runs: Callable[..., list[HandlerRun]]) -> None:
        handler = RecordingHandler("one")
        [run] = runs(handler)

        handler_runs.run_handlers([run.pk])

        [seen], stored = handler.handled, Event.objects.get()
        assert {name: value for name, value in vars(seen).items() if name != "_state"} == {
            name: value for name, value in vars(stored).items() if name != "_state"
        }

    def test_one_that_was_started_before_waits_for_a_hint_of_its_own(
        self, runs: Callable[..., list[HandlerRun]]
    ) -> None:
        first, second = runs(RecordingHandler("one"), RecordingHandler("two"))
        handler_runs._start([first.pk], now=clock.now())

        assert handler_runs.run_handlers([first.pk, second.pk]) == 1

        assert (effects("one"), effects("two")) == (0, 1)
        assert handler_runs.run_handlers([first.pk]) == 1

    def test_one_that_kills_its_worker_parks_alone(self, runs: Callable[..., list[HandlerRun]]) -> None:
        names = ["one", "two", "three", "four", "five"]
        made = runs(
            *(RecordingHandler(name, waits_for=self.kill if name == "three" else lambda: None) for name in names)
        )
        hints, now = [[run.pk for run in made]], clock.now()

        for _ in range(12):
            for hint in hints:
                with contextlib.suppress(WorkerKilled):
                    handler_runs.run_handlers(hint, now=now)
            now += relay.RESEND_AFTER + timedelta(seconds=1)
            hints = [[run.pk for run in group] for group in relay.group_by_hint(relay.claim_due(now=now))]

        starts = dict(HandlerRun.objects.values_list("handler", "starts"))
        assert [starts[f"apps.orders.handlers.{name}"] for name in names] == [1, 1, 5, 2, 2]
        [parked] = HandlerRun.objects.filter(parked_at__isnull=False)
        assert (parked.handler, HandlerRun.objects.filter(done_at__isnull=False).count()) == (
            "apps.orders.handlers.three", 4
        )  # fmt: skip
        assert [effects(name) for name in names] == [1, 1, 0, 1, 1]

    def kill(self) -> None:
        raise WorkerKilled


class TestGroupByHint:
    def group(self, *runs: tuple[str, str, int]) -> list[list[tuple[str, str, int]]]:
        handler_runs = [HandlerRun(queue=queue, handler=handler, starts=starts) for queue, handler, starts in runs]
        return [
            [(each.queue, each.handler, each.starts) for each in group] for group in relay.group_by_hint(handler_runs)
        ]

    def test_up_to_ten_of_a_queue_share_one(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        one, other = ("housekeeping", "apps.orders.handlers.one", 0), ("money", "apps.orders.handlers.one", 0)

        assert self.group(one, other, *[one] * 10) == [[one] * 10, [other], [one]]

    def test_what_calls_the_outside_is_alone(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"), RecordingHandler("two", calls_external=True))
        one, two = (("housekeeping", f"apps.orders.handlers.{name}", 0) for name in ("one", "two"))

        assert self.group(two, one, two, one) == [[two], [one, one], [two]]

    def test_what_was_started_before_or_is_not_known_is_alone(self, subscribe: Callable[..., None]) -> None:
        subscribe(RecordingHandler("one"))
        again, new, unknown = (
            ("housekeeping", "apps.orders.handlers.one", 1), ("housekeeping", "apps.orders.handlers.one", 0),
            ("housekeeping", "apps.orders.handlers.of_another_release", 0),
        )  # fmt: skip

        assert self.group(new, again, unknown, new) == [[new, new], [again], [unknown]]


@pytest.mark.race
class TestConcurrentRuns:
    """Two workers hold the same hint, and both have begun before either is done."""

    def run(self, handler_run_id: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        both_began = threading.Barrier(2)
        call = handler_runs._call_handler

        def call_together(*args: Any, **kwargs: Any) -> None:
            both_began.wait(60)
            call(*args, **kwargs)

        def work() -> None:
            run_handler(handler_run_id)
            connection.close()

        monkeypatch.setattr(handler_runs, "_call_handler", call_together)
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

    def test_control_without_a_receipt_the_effect_happens_twice(
        self, subscribe: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both_are_in_the_handler = threading.Barrier(2)
        subscribe(RecordingHandler("one", waits_for=lambda: both_are_in_the_handler.wait(60)))
        make_event()
        [handler_run] = relay.claim_outbox(now=clock.now())

        monkeypatch.setattr(handler_runs, "_mark_done", lambda handler_run: True)
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

    run_handler(handler_run.pk)

    handler_run.refresh_from_db()
    assert handler_run.last_error == "ConnectionError: Key (phone)=([phone]) already exists."


def test_open_work_is_counted(subscribe: Callable[..., None]) -> None:
    subscribe(RecordingHandler("one", failures=5))
    make_event()
    [handler_run] = relay.claim_outbox(now=clock.now())
    make_event()
    for _ in range(5):
        run_handler(handler_run.pk)

    found = relay.count_open_work(now=clock.now() + timedelta(seconds=60))

    assert (found["outbox"], found["handler_runs_open"], found["handler_runs_parked"]) == (1, 0, 1)
    assert 59 < found["outbox_oldest_seconds"] < 70
