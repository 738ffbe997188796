import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from apps.core import clock, outbox_watch, relay
from apps.core.management import relay_loop
from apps.core.models import OUTBOX_CHANNEL, HandlerRun
from apps.core.outbox_watch import OutboxWatch
from apps.core.relay import Subscription
from tests.support.events import USER_MADE, make_event
from tests.support.lock_controls import with_control, without_lock
from tests.support.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True)

_PATIENCE_SECONDS = 60
_RUNNING = threading.Event()


@pytest.fixture(autouse=True)
def _sleeps_until_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_watch, "SLEEP_SECONDS", 10 * _PATIENCE_SECONDS)
    monkeypatch.setattr(outbox_watch, "AWAKE_SECONDS", 0.0)


class Listener:
    """A session of its own that hears what is sent to relays that sleep."""

    def __init__(self) -> None:
        self.database = connection.copy()
        with self.database.cursor() as cursor:
            cursor.execute(f"LISTEN {OUTBOX_CHANNEL}")

    def heard(self) -> list[str]:
        """Return what was sent until now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, 'the end')", [OUTBOX_CHANNEL])
        notifications: list[str] = []
        for notification in self.database.connection.notifies(timeout=_PATIENCE_SECONDS):
            if notification.payload == "the end":
                return notifications
            notifications.append(notification.payload)
        raise AssertionError("nothing is heard")


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard = Listener()
    yield heard
    heard.database.close()


def write_event() -> None:
    """Write an event in another session, as all but the relay do."""
    run_together(make_event)


def stay_awake(watch: OutboxWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as awake:
        awake.setattr(outbox_watch, "AWAKE_SECONDS", 10.0 * _PATIENCE_SECONDS)
        watch.wait(stop=_RUNNING, has_found=True)


@contextlib.contextmanager
def in_background(call: Callable[[], Any]) -> Iterator[threading.Thread]:
    def run() -> None:
        try:
            call()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield thread
    thread.join(_PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_event_wakes_a_relay_that_sleeps() -> None:
    listens = threading.Event()

    def sleep() -> None:
        watch = OutboxWatch(pause=0.0)
        watch.wait(stop=_RUNNING, has_found=False)  # it has only begun to listen, and looks once more
        listens.set()
        watch.wait(stop=_RUNNING, has_found=False)

    with in_background(sleep):
        assert listens.wait(_PATIENCE_SECONDS)
        write_event()


def test_event_that_came_before_the_relay_listened_does_not_wait() -> None:
    write_event()

    with in_background(lambda: OutboxWatch(pause=0.0).wait(stop=_RUNNING, has_found=False)):
        pass


def test_relay_listens_in_a_new_session_after_it_has_lost_one() -> None:
    watch = OutboxWatch(pause=0.0)
    watch.wait(stop=_RUNNING, has_found=False)
    connection.close()
    watch.wait(stop=_RUNNING, has_found=False)

    write_event()
    watch.wait(stop=_RUNNING, has_found=False)

    assert connection.connection.pgconn.notifies() is None


@pytest.mark.race
@with_control
def test_event_notifies_nobody_while_a_relay_is_awake(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    lock = contextlib.nullcontext() if is_locked else without_lock("apps.core.outbox_watch.OutboxWatch._say_awake")
    with lock:
        stay_awake(OutboxWatch(pause=0.0), monkeypatch)

        write_event()

    assert listener.heard() == ([] if is_locked else [""])


def test_event_notifies_once_the_relay_sleeps(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = OutboxWatch(pause=0.0)
    stay_awake(watch, monkeypatch)
    watch.wait(stop=_RUNNING, has_found=False)

    write_event()

    assert listener.heard() == [""]


def test_one_relay_speaks_for_all_and_another_takes_over(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = OutboxWatch(pause=0.0), OutboxWatch(pause=0.0)
    goes_to_sleep, sleeps = threading.Event(), threading.Event()
    is_awake = threading.Event()

    def be_awake_for_a_while() -> None:
        stay_awake(one, monkeypatch)
        is_awake.set()
        goes_to_sleep.wait(_PATIENCE_SECONDS)
        one.wait(stop=_RUNNING, has_found=True)  # with no time to stay awake, it says that it sleeps
        sleeps.set()

    with in_background(be_awake_for_a_while):
        assert is_awake.wait(_PATIENCE_SECONDS)
        stay_awake(other, monkeypatch)
        write_event()
        goes_to_sleep.set()
        assert sleeps.wait(_PATIENCE_SECONDS)
        write_event()
        stay_awake(other, monkeypatch)
        write_event()

    assert listener.heard() == [""]


def test_loop_sends_what_came_while_it_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    subscriptions = {USER_MADE: (Subscription("one", queue="messages", call=print, calls_external=False),)}
    monkeypatch.setattr(relay, "get_subscriptions", lambda: subscriptions)
    sent: list[HandlerRun] = []
    first_is_sent, both_are_sent, stop = threading.Event(), threading.Event(), threading.Event()

    class Relaying:
        has_work = False

        def relay(self) -> bool:
            claimed = relay.claim_outbox(now=clock.now())
            sent.extend(claimed)
            for is_sent, count in ((first_is_sent, 1), (both_are_sent, 2)):
                if len(sent) >= count:
                    is_sent.set()
            return bool(claimed)

    monkeypatch.setattr(relay_loop, "_Relaying", Relaying)
    first = make_event()

    with in_background(lambda: relay_loop.run(stop=stop, poll=0.01, is_once=False)):
        assert first_is_sent.wait(_PATIENCE_SECONDS)
        second = make_event()
        assert both_are_sent.wait(_PATIENCE_SECONDS)
        stop.set()

    assert [run.event_id for run in sent] == [first.pk, second.pk]
