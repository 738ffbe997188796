"""A backlog of thousands of handler runs: what one start costs, and what is sent again."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import redis
from django.core.management import call_command
from django.db import connection

from apps.core import clock, handler_runs, lost_hints, relay
from apps.core.management import relay_loop
from apps.core.models import Event, HandlerRun
from apps.core.tasks import find_backlog
from tests.support.broker import Broker
from tests.support.broker import broker as open_broker
from tests.support.events import USER_MADE, make_event
from tests.support.statistics import count_rows_read, kept_statistics

pytestmark = pytest.mark.django_db(transaction=True)


_ADD = """
    INSERT INTO core_handlerrun (id, event_id, handler, queue, created_at, sent_at, send_after, starts, done_at, last_error)
    SELECT gen_random_uuid(), %(event)s, %(name)s || n, 'housekeeping', %(now)s, %(now)s, %(due)s, 0, %(done)s, ''
    FROM generate_series(1, %(count)s) AS n RETURNING id
"""


def add_handler_runs(
    event: Event, count: int, *, name: str, done: datetime | None = None, is_sent: bool = False
) -> list[UUID]:
    now = clock.now()
    values = {
        "event": event.pk, "name": name, "now": now, "done": done, "due": None if is_sent else now, "count": count,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_ADD, values)
        return [row[0] for row in cursor.fetchall()]


class TestStart:
    """The planner believes that nothing is open: its statistics are those of a quiet day."""

    def test_start_reads_only_its_own_run(self) -> None:
        event = make_event()
        add_handler_runs(event, 20_000, name="done", done=clock.now())
        with kept_statistics(HandlerRun):
            waiting = add_handler_runs(event, 6_000, name="open")

            read = count_rows_read(HandlerRun, lambda: handler_runs._start([waiting[3_000]], now=clock.now()))

        assert HandlerRun.objects.get(pk=waiting[3_000]).starts == 1
        assert read <= 4


class TestClaimLost:
    def test_sweep_of_a_moving_queue_reads_few_hints(self) -> None:
        event = make_event()
        now = clock.now()
        add_handler_runs(event, 20_000, name="done", done=now)
        with kept_statistics(HandlerRun):
            waiting = add_handler_runs(event, 6_000, name="open", is_sent=True)
            later = now + timedelta(minutes=10)
            handler_runs._start([waiting[0]], now=later)

            read = count_rows_read(HandlerRun, lambda: lost_hints.claim_lost(now=later, held=Unasked()))

        assert read <= 10


class Unasked(dict[str, int]):
    """What the broker holds, which is of no interest of a queue that moves."""

    def __contains__(self, queue: object) -> bool:
        raise AssertionError(f"what the broker holds was asked for: {queue}")


@pytest.fixture
def broker() -> Iterator[Broker]:
    with open_broker() as found:
        yield found


class Day:
    """A relay that looks every ten seconds, on a clock that the test moves; unless it is told otherwise, each run has its hint."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "HINT_SIZE", 1)
        self.now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: self.now)
        monkeypatch.setattr(relay, "get_subscriptions", lambda: {USER_MADE: (self.subscription,)})
        monkeypatch.setattr(relay, "get_subscription", lambda name: self.subscription)
        self.subscription = relay.Subscription(
            name="apps.orders.handlers.one", queue="housekeeping", call=self.handle, calls_external=False
        )
        self.handled: list[UUID] = []

    def handle(self, *, event: Event, now: datetime) -> None:
        self.handled.append(event.pk)

    def look(self) -> None:
        call_command("relay", once=True)

    def record_events(self, count: int) -> None:
        for _ in range(count):
            make_event()
        self.look()

    def pass_time(self, seconds: int, each: Callable[[], object] = lambda: None, *, step: int = 10) -> None:
        for _ in range(seconds // step):
            self.now += timedelta(seconds=step)
            each()
            self.look()


@pytest.fixture
def day(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Day:
    return Day(monkeypatch)


class TestHintsOfSeveral:
    """Sixty events have six hints, of ten handler runs each."""

    @pytest.fixture(autouse=True)
    def _of_ten(self, day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "HINT_SIZE", 10)

    def test_each_is_sent_once_while_it_waits(self, day: Day, broker: Broker) -> None:
        day.record_events(60)

        day.pass_time(3600, step=30)

        assert broker.count("housekeeping") == 6
        assert broker.consume("housekeeping", 100) == 6
        assert (len(day.handled), len(set(day.handled))) == (60, 60)

    def test_what_an_emptied_broker_lost_is_sent_again(self, day: Day, broker: Broker) -> None:
        day.record_events(60)
        broker.client.flushdb()

        day.pass_time(120, step=30)

        assert broker.consume("housekeeping", 100) == 6
        assert (len(day.handled), len(set(day.handled))) == (60, 60)

    def test_only_what_is_missing_for_sure_is_sent_again_while_no_worker_comes(self, day: Day) -> None:
        day.record_events(60)
        later = day.now + timedelta(hours=1)

        assert lost_hints.claim_lost(now=later, held={"housekeeping": 6}) == []
        assert len(lost_hints.claim_lost(now=later, held={"housekeeping": 5})) == 10


class TestResend:
    COUNT = 60

    def test_what_waits_for_a_worker_is_sent_once(self, day: Day, broker: Broker) -> None:
        day.record_events(self.COUNT)

        day.pass_time(3600, step=30)

        assert broker.count("housekeeping") == self.COUNT

    def test_a_slow_worker_gets_each_hint_once(self, day: Day, broker: Broker) -> None:
        day.record_events(self.COUNT)
        worked_off: list[int] = []

        day.pass_time(600, lambda: worked_off.append(broker.consume("housekeeping", 1)))

        assert (sum(worked_off), len(day.handled), len(set(day.handled))) == (60, 60, 60)
        assert broker.count("housekeeping") == 0
        assert not HandlerRun.objects.filter(done_at__isnull=True).exists()

    def test_a_worker_that_takes_two_minutes_for_each_gets_each_hint_once(self, day: Day, broker: Broker) -> None:
        day.record_events(10)
        worked_off = 0

        for _ in range(10):
            day.pass_time(120)
            worked_off += broker.consume("housekeeping", 1)

        assert (worked_off, len(set(day.handled)), broker.count("housekeeping")) == (10, 10, 0)

    def test_what_an_emptied_broker_lost_is_sent_again_once(self, day: Day, broker: Broker) -> None:
        day.record_events(self.COUNT)
        broker.client.flushdb()

        day.pass_time(80)
        assert broker.count("housekeeping") == 0
        day.pass_time(3600, step=30)

        assert broker.count("housekeeping") == self.COUNT
        assert broker.consume("housekeeping", 1_000) == self.COUNT
        assert len(set(day.handled)) == self.COUNT

    def test_only_lost_hints_are_sent_again(self, day: Day, broker: Broker) -> None:
        day.record_events(self.COUNT)
        for _ in range(7):
            broker.client.rpop("housekeeping")
        day.pass_time(60)
        day.record_events(self.COUNT)
        worked_off: list[int] = []

        day.pass_time(1500, lambda: worked_off.append(broker.consume("housekeeping", 1)))

        assert len(set(day.handled)) == 2 * self.COUNT
        assert sum(worked_off) == 2 * self.COUNT

    def test_the_wait_doubles_with_each_resend_up_to_six_minutes(self, day: Day, broker: Broker) -> None:
        day.record_events(1)
        started, sent = day.now, []

        def lose() -> None:
            if broker.client.rpop("housekeeping"):
                sent.append((day.now - started).total_seconds())

        lose()
        for _ in range(30):
            day.pass_time(90, step=90)
            lose()

        assert sent == [0, 90, 270, 630, 990, 1350, 1710, 2070, 2430]
        assert HandlerRun.objects.get().resends == 8

    def test_the_broker_is_asked_also_before_anything_was_sent(self, broker: Broker) -> None:
        assert find_backlog()["housekeeping"].hints == 0

    def test_a_broker_that_does_not_answer_is_sent_nothing_again(
        self, day: Day, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        day.record_events(3)
        later = day.now + timedelta(hours=1)

        assert lost_hints.claim_lost(now=later, held={}) == []
        assert len(lost_hints.claim_lost(now=later, held={"housekeeping": 1})) == 2

    def test_hint_that_the_broker_refused_is_sent_with_the_next_sweep(
        self, day: Day, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(groups: object) -> None:
            raise redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

        with monkeypatch.context() as full:
            full.setattr(relay_loop, "send_hints", refuse)
            day.record_events(3)
        assert broker.count("housekeeping") == 0

        day.pass_time(10)

        assert broker.count("housekeeping") == 3
