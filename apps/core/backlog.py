"""
What waits in the queues of the broker: the relay measures it, and web processes read what it has measured.

Redis keeps the measure for a few seconds. While Redis is away, full or read-only, or no relay runs, there is none.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import redis
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from apps.core.redis_client import open_redis

log = structlog.get_logger(__name__)

#: How long a measure holds.
MEASURE_TTL_SECONDS = 10
#: A process reads the measure at most this often.
READ_INTERVAL_SECONDS = 1.0
#: A process asks a Redis that did not answer again after this time.
PAUSE_SECONDS = 5.0
#: Redis answers in this time, or there is no measure.
_TIMEOUT_SECONDS = 0.25
_KEY = "bahi:backlog"
_REFUSED_KEY = "bahi:backlog#refused"


@dataclass(frozen=True)
class QueueBacklog:
    """
    What waits in one queue: how many hints, and for how many seconds its work has been waiting for a worker.

    `oldest_since` is since when the oldest has waited, or None if it does not say so, as a task of the clock; `oldest_id` is
    the id of its message.
    """

    hints: int
    oldest_since: datetime | None = None
    oldest_id: str = ""
    wait_seconds: float = 0.0


class WaitMeter:
    """
    How long the work of each queue waits, by the oldest hint at each look.

    A wait grows no faster than time passes between the looks. After a broker was away the oldest hint is old, and yet it is
    begun at once: a queue is slow only if its oldest hint stays old.
    """

    def __init__(self) -> None:
        self._before: dict[str, QueueBacklog] = {}
        self._looked_at: datetime | None = None

    def measure(self, found: Mapping[str, QueueBacklog], *, now: datetime) -> dict[str, QueueBacklog]:
        """Return what was found with the wait of each queue."""
        passed = (now - self._looked_at).total_seconds() if self._looked_at else 0.0
        self._before = {
            queue: replace(each, wait_seconds=self._wait_of(queue, each, now=now, passed=passed))
            for queue, each in found.items()
        }
        self._looked_at = now
        return self._before

    def _wait_of(self, queue: str, found: QueueBacklog, *, now: datetime, passed: float) -> float:
        before = self._before.get(queue, QueueBacklog(0))
        if not found.hints:
            return 0.0
        if found.oldest_since is None:
            return before.wait_seconds + (passed if found.oldest_id == before.oldest_id else 0.0)
        return max(0.0, min((now - found.oldest_since).total_seconds(), before.wait_seconds + passed))


def publish(measured: Mapping[str, QueueBacklog]) -> None:
    """
    Let all processes read a measure for a few seconds.

    :raises RedisError: if Redis does not take it
    """
    _client().set(_KEY, orjson.dumps({queue: asdict(each) for queue, each in measured.items()}), ex=MEASURE_TTL_SECONDS)


def read() -> dict[str, QueueBacklog]:
    """Return the latest measure by queue, or nothing if there is none."""
    return _reader.read()


def find_overloaded(measured: Mapping[str, QueueBacklog]) -> tuple[str, float] | None:
    """Return the first queue that waits longer than `MAX_QUEUE_WAIT_SECONDS`, and by how many seconds, or None."""
    for queue, most in settings.MAX_QUEUE_WAIT_SECONDS.items():
        if most and queue in measured and measured[queue].wait_seconds > most:
            return queue, measured[queue].wait_seconds - most
    return None


def count_refused(queue: str) -> None:
    """Count a request that was refused because of a queue, for all processes."""
    try:
        _client().hincrby(_REFUSED_KEY, queue, 1)
    except RedisError as error:
        log.warning("backlog_unavailable", error=type(error).__name__)


def read_refused() -> dict[str, int]:
    """Return how many requests were refused by queue since Redis began to count, or nothing if it does not answer."""
    try:
        found: Any = _client().hgetall(_REFUSED_KEY)
    except RedisError as error:
        log.warning("backlog_unavailable", error=type(error).__name__)
        return {}
    return {queue.decode(): int(count) for queue, count in found.items()}


class _Reader:
    """The measure as this process has read it last. While one thread reads, the others use the one before."""

    def __init__(self) -> None:
        self._measured: dict[str, QueueBacklog] = {}
        self._next_read = 0.0

    def read(self) -> dict[str, QueueBacklog]:
        now = time.monotonic()
        if now >= self._next_read:
            self._next_read = now + READ_INTERVAL_SECONDS
            self._measured = self._ask()
        return self._measured

    def _ask(self) -> dict[str, QueueBacklog]:
        try:
            stored: Any = _client().get(_KEY)
        except RedisError as error:
            self._next_read = time.monotonic() + PAUSE_SECONDS
            log.warning("backlog_unavailable", error=type(error).__name__)
            return {}
        try:
            return {queue: _stored(each) for queue, each in orjson.loads(stored or b"{}").items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            # Of another release, or somebody else's: no measure.
            log.warning("backlog_unreadable")
            return {}


def _stored(fields: dict[str, Any]) -> QueueBacklog:
    since = fields["oldest_since"]
    return QueueBacklog(**fields | {"oldest_since": datetime.fromisoformat(since) if since else None})


_reader = _Reader()


def _client() -> redis.Redis:
    return open_redis(timeout_seconds=_TIMEOUT_SECONDS)
