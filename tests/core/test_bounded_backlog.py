"""More work than the broker has room for: it waits in Postgres, is sent as room appears, and what is urgent goes first."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, transaction
from redis.exceptions import ConnectionError as RedisIsDown
from redis.exceptions import OutOfMemoryError

from apps.core import backlog, clock, relay, tasks
from apps.core.backlog import QueueBacklog
from apps.core.events import SYSTEM
from apps.core.management import relay_loop
from apps.core.models import Event, HandlerRun, Outbox
from apps.core.queues import PASS_HINTS, HintBudget, list_queues
from apps.core.tasks import delete_expired_idempotency_keys, find_backlog
from tests.factories.accounts import make_user
from tests.support.broker import Broker
from tests.support.broker import broker as open_broker
from tests.support.events import record_event
from tests.support.queue_waits import forget

pytestmark = pytest.mark.django_db(transaction=True)

SLOW, URGENT = "test.user.made", "test.user.changed"
ROOM = 20


@pytest.fixture
def broker() -> Iterator[Broker]:
    with open_broker() as found:
        yield found
    forget()


class Shop:
    """Two events, one for a queue that nobody waits for; each handler run has a hint of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.handled: list[Any] = []
        subscriptions = {
            SLOW: (self._subscription("documents", "slow"),), URGENT: (self._subscription("buyer", "urgent"),)
        }  # fmt: skip
        monkeypatch.setattr(relay, "HINT_SIZE", 1)
        monkeypatch.setattr(relay_loop, "MAX_HINTS", ROOM)
        monkeypatch.setattr(relay, "get_subscriptions", lambda: subscriptions)
        by_name = {group[0].name: group[0] for group in subscriptions.values()}
        monkeypatch.setattr(relay, "get_subscription", by_name.__getitem__)

    def _subscription(self, queue: str, name: str) -> relay.Subscription:
        return relay.Subscription(
            name=f"apps.orders.handlers.{name}", queue=queue, call=self._handle, calls_external=False
        )

    def _handle(self, *, event: Event, now: Any) -> None:
        self.handled.append(event.pk)

    @transaction.atomic
    def record(self, count: int, event_type: str = SLOW) -> None:
        for _ in range(count):
            record_event(event_type, subject=make_user(), actor=SYSTEM, changes={})


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> Shop:
    return Shop(monkeypatch)


def look() -> None:
    call_command("relay", once=True)


class TestHintBudget:
    def test_the_broker_never_holds_more_than_it_has_room_for_and_each_is_done_once(
        self, shop: Shop, broker: Broker
    ) -> None:
        shop.record(5 * ROOM)
        held = []

        for _ in range(20):
            look()
            held.append(broker.count("documents"))
            broker.consume("documents", 7)

        assert max(held) == ROOM
        assert (len(shop.handled), len(set(shop.handled)), broker.count("documents")) == (5 * ROOM, 5 * ROOM, 0)
        assert not HandlerRun.objects.filter(done_at__isnull=True).exists()

    def test_what_has_no_room_leaves_the_outbox_and_waits_with_a_time(self, shop: Shop, broker: Broker) -> None:
        shop.record(ROOM + 3)

        look()

        assert not Outbox.objects.exists()
        waiting = HandlerRun.objects.filter(send_after__isnull=False)
        assert (waiting.count(), waiting.filter(sent_at__isnull=True).count()) == (3, 3)

    def test_a_full_queue_leaves_the_others_their_room(self, shop: Shop, broker: Broker) -> None:
        shop.record(3 * ROOM)
        look()
        shop.record(2, URGENT)

        look()

        assert (broker.count("documents"), broker.count("buyer")) == (ROOM, 2)

    def test_a_backlog_that_waits_is_sent_again_by_nobody(self, shop: Shop, broker: Broker, monkeypatch: Any) -> None:
        shop.record(3 * ROOM)
        look()
        later = clock.now() + timedelta(hours=1)
        monkeypatch.setattr(clock, "now", lambda: later)

        look()

        assert broker.count("documents") == ROOM
        assert not HandlerRun.objects.filter(resends__gt=0).exists()


class TestUrgency:
    def test_what_is_urgent_leaves_the_outbox_before_what_is_older(self, shop: Shop) -> None:
        shop.record(3)
        shop.record(1, URGENT)

        [first] = relay.claim_outbox(now=clock.now(), limit=1)

        assert first.queue == "buyer"

    def test_a_pass_claims_few_of_a_queue_so_that_the_next_look_is_soon(self, shop: Shop) -> None:
        shop.record(2 * PASS_HINTS)

        sent = relay.claim_outbox(now=clock.now(), budget=HintBudget({"documents": 1_000, "buyer": 1_000}))

        assert (len(sent), HandlerRun.objects.count()) == (PASS_HINTS, 2 * PASS_HINTS)

    def test_due_runs_of_each_queue_are_claimed_however_many_of_one_are_older(self, shop: Shop) -> None:
        shop.record(5)
        shop.record(1, URGENT)
        relay.claim_outbox(now=clock.now(), budget=HintBudget({}))

        due = relay.claim_due(now=clock.now(), limit=2)

        assert sorted(run.queue for run in due) == ["buyer", "documents", "documents"]


class TestHint:
    def test_it_says_since_when_its_oldest_has_waited(self, shop: Shop, broker: Broker, monkeypatch: Any) -> None:
        shop.record(1)
        recorded = clock.now()
        relay.claim_outbox(now=recorded, budget=HintBudget({}))
        later = recorded + timedelta(minutes=5)
        monkeypatch.setattr(clock, "now", lambda: later)

        look()

        found = find_backlog()["documents"]
        assert (found.hints, found.oldest_since) == (1, recorded)
        assert HandlerRun.objects.get().sent_at == later

    def test_the_oldest_of_a_queue_is_the_next_that_a_worker_takes(self, shop: Shop, broker: Broker) -> None:
        shop.record(1)
        look()
        oldest = find_backlog()["documents"].oldest_since
        shop.record(1)
        look()

        assert find_backlog()["documents"].oldest_since == oldest
        broker.consume("documents", 1)
        assert find_backlog()["documents"].oldest_since != oldest

    def test_a_task_of_the_clock_has_no_time(self, broker: Broker) -> None:
        delete_expired_idempotency_keys.apply_async(queue="housekeeping")

        found = find_backlog()["housekeeping"]
        assert (found.hints, found.oldest_since) == (1, None)


def refuse(calls: list[str], name: str) -> Callable[..., None]:
    """Return what a full Redis makes of a call."""

    def fail(*_: object) -> None:
        calls.append(name)
        raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")

    return fail


class TestBrokerThatRefuses:
    def test_a_full_broker_is_sent_nothing_and_everything_waits_until_it_has_room(
        self, shop: Shop, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        shop.record(5)
        with monkeypatch.context() as full:
            full.setattr(backlog, "publish", refuse(calls, "measure"))
            full.setattr(relay_loop, "send_hints", refuse(calls, "hints"))
            look()
        assert (set(calls), broker.count("documents"), Outbox.objects.count()) == ({"measure"}, 0, 0)
        assert HandlerRun.objects.filter(send_after__isnull=False, sent_at__isnull=True).count() == 5

        look()

        assert broker.consume("documents", 10) == 5
        assert len(set(shop.handled)) == 5

    def test_hints_that_are_refused_are_sent_later(
        self, shop: Shop, broker: Broker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        shop.record(5)
        with monkeypatch.context() as full:
            full.setattr(relay_loop, "send_hints", refuse(calls, "hints"))
            look()
        assert calls == ["hints"]
        assert HandlerRun.objects.filter(send_after__isnull=False, sent_at__isnull=True).count() == 5

        look()

        assert broker.consume("documents", 10) == 5

    def test_it_is_asked_again_after_pauses_that_grow_to_five_seconds(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, asked = [0.0], []

        def fail() -> None:
            asked.append(now[0])
            raise RedisIsDown

        monkeypatch.setattr(relay_loop.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(relay_loop, "find_backlog", fail)
        relaying = relay_loop._Relaying()

        for tick in range(100):
            now[0] = tick / 4
            assert not relaying.relay()

        assert asked == [0, 1, 3, 7, 12, 17, 22]

    def test_meanwhile_events_become_handler_runs(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay_loop, "find_backlog", lambda: (_ for _ in ()).throw(RedisIsDown()))
        relaying = relay_loop._Relaying()
        shop.record(2, URGENT)

        assert not relaying.relay()

        assert (Outbox.objects.count(), HandlerRun.objects.filter(sent_at__isnull=True).count()) == (0, 2)


class TestAssignQueues:
    def test_open_runs_move_to_the_queue_of_their_handler_and_the_others_stay(self, shop: Shop) -> None:
        shop.record(4)
        relay.claim_outbox(now=clock.now())
        runs = list(HandlerRun.objects.order_by("id"))
        handler = "apps.accounts.handlers.send_code"
        for run, fields in zip(
            runs,
            ({}, {"parked_at": clock.now()}, {"done_at": clock.now()}, {"handler": "apps.orders.handlers.of_old"}),
            strict=True,
        ):
            HandlerRun.objects.filter(pk=run.pk).update(**{"handler": handler, "queue": "notifications", **fields})

        assert relay.assign_queues() == 3

        moved = [HandlerRun.objects.get(pk=run.pk).queue for run in runs]
        assert moved == ["buyer", "buyer", "notifications", "housekeeping"]
        assert relay.assign_queues() == 0

    def test_what_was_claimed_is_sent_although_a_later_step_fails(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[Any] = []

        def fail(**_: object) -> None:
            raise OperationalError("canceling statement due to statement timeout")

        monkeypatch.setattr(relay_loop, "find_backlog", lambda: waits)
        monkeypatch.setattr(relay_loop, "send_hints", sent.extend)
        shop.record(1, URGENT)
        [run] = relay.claim_outbox(now=clock.now())
        relay.mark_unsent([run.pk], now=clock.now())
        waits = {queue: QueueBacklog(0, None, "") for queue in list_queues()}
        monkeypatch.setattr(relay_loop.relay, "claim_outbox", fail)

        with pytest.raises(OperationalError):
            relay_loop._Relaying().relay()

        assert [each.pk for group in sent for each in group] == [run.pk]


@pytest.mark.parametrize("message", [b"", b"no JSON", b"[]", b"{}", b'{"body": "e30=", "headers": {"id": "x"}}'])
def test_a_message_of_others_says_nothing(message: bytes) -> None:
    assert tasks._read_oldest(message) == (None, "")
