"""How long queues wait: what the relay measures, and what processes read of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from redis.exceptions import ConnectionError as RedisIsDown
from rest_framework.test import APIClient

from apps.core import backlog
from apps.core.backlog import QueueBacklog, WaitMeter
from tests.support.queue_waits import forget, published_waits

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
LIMITS = override_settings(MAX_QUEUE_WAIT_SECONDS={"buyer": 20, "money": 120})


@pytest.fixture(autouse=True)
def _unmeasured() -> Iterator[None]:
    yield
    forget()


class TestRead:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        get = backlog._client().get

        def count(key: str) -> Any:
            asked.append(key)
            return get(key)

        monkeypatch.setattr(backlog._client(), "get", count)
        return asked

    def test_a_process_reads_once_a_second(self, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr(backlog.time, "monotonic", lambda: now[0])
        with published_waits(buyer=3.0):
            for _ in range(10):
                assert backlog.read()["buyer"] == QueueBacklog(hints=7, wait_seconds=3.0)
            assert len(asked) == 1

            now[0] += 1.0
            backlog.read()

        assert len(asked) == 2

    def test_a_redis_that_does_not_answer_is_left_alone_for_five_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, asked = [100.0], []

        def refuse(key: str) -> Any:
            asked.append(key)
            raise RedisIsDown

        monkeypatch.setattr(backlog.time, "monotonic", lambda: now[0])
        with published_waits(buyer=3.0):
            monkeypatch.setattr(backlog._client(), "get", refuse)
            assert backlog.read() == {}
            now[0] += 4.9
            assert (backlog.read(), len(asked)) == ({}, 1)
            now[0] += 0.1
            backlog.read()

        assert len(asked) == 2


class TestWaitMeter:
    def measure(
        self, meter: WaitMeter, *, after: float, waited: float | None, hints: int = 1, oldest_id: str = ""
    ) -> float:
        now = NOW + timedelta(seconds=after)
        since = None if waited is None else now - timedelta(seconds=waited)
        return meter.measure({"buyer": QueueBacklog(hints, since, oldest_id)}, now=now)["buyer"].wait_seconds

    def test_a_wait_grows_with_the_oldest_hint(self) -> None:
        meter = WaitMeter()

        waits = [self.measure(meter, after=after, waited=after) for after in (0, 2, 4, 30)]

        assert waits == [0, 2, 4, 30]

    def test_an_old_hint_that_a_broker_was_given_late_is_no_long_wait(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=None, hints=0)

        waits = [self.measure(meter, after=2, waited=600), self.measure(meter, after=4, waited=602)]

        assert waits == [2, 4]

    def test_an_empty_queue_waits_no_more(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=0)
        self.measure(meter, after=30, waited=30)

        assert self.measure(meter, after=32, waited=None, hints=0) == 0

    def test_a_task_of_the_clock_in_front_says_nothing_until_it_stays_there(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=0)
        self.measure(meter, after=30, waited=30)

        assert self.measure(meter, after=32, waited=None, oldest_id="of the clock") == 30
        assert self.measure(meter, after=34, waited=None, oldest_id="of the clock") == 32
        assert self.measure(meter, after=36, waited=None, oldest_id="another") == 32

    def test_hint_of_a_relay_whose_clock_is_ahead_does_not_wait(self) -> None:
        assert self.measure(WaitMeter(), after=0, waited=-5) == 0
