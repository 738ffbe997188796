"""
Reads from a replica of Postgres: who may make them, and when the replica knows enough.

Two must agree. A selector that is marked with `tolerates_lag` may be answered by a replica; it is, if its caller has said, by
`lag_tolerated`, from which position of the primary's log on an answer is good enough. Everything else reads the primary, and so does a
selector in a transaction. A replica that has not replayed that position, lags too far or does not answer is not used: the primary is.
"""

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import psycopg
import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

log = structlog.get_logger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: The name of the replica among Django's databases, where there is one.
ALIAS: Final = "replica"
#: A replica that did not answer is left alone for this long; then one request of the process looks whether it does.
PAUSE_SECONDS = 10.0
#: What a read of a request may take there. One that takes longer is made on the primary.
ANSWER_SECONDS = 2.0
#: For how long what a connection has learnt of its replica is good, and how soon one that was behind is asked again.
_KNOWN_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 0.05
#: How many positions a process remembers, with their times: one a second, for longer than any lag that may be allowed.
_MAX_MARKS = 700
_MARK_SECONDS = 0.5

#: In bytes since the log began. Read after what it is to cover, because a statement's snapshot is older than what its functions return.
_WRITTEN = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
#: NULL from a server that has no primary, such as one that was promoted.
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint WHERE pg_is_in_recovery()"


class ReplicaUnavailable(RuntimeError):
    """There is no replica, it does not answer, or it lags too far. The database itself is to be used."""

    def __init__(
        self, why: str = "There is no replica that answers and has replayed what the database has written."
    ) -> None:
        super().__init__(why)


class ReplicaUnusable(Error):
    """The replica answers, but not as a replica of the primary does."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the primary had written its log, in bytes, when this process asked it, by the monotonic clock."""

    written: int
    read_at: float


@dataclass(frozen=True, slots=True)
class _Known:
    """How far a replica had replayed the primary's log, in bytes, when a connection to it asked."""

    replayed: int
    asked_at: float


_tolerated: ContextVar[Position | None] = ContextVar("tolerated", default=None)
_alias: ContextVar[str] = ContextVar("alias", default=DEFAULT_DB_ALIAS)


def reading_alias() -> str:
    """Return the name of the database that the present code reads: the replica within a read that was sent there."""
    return _alias.get()


class Router:
    """Lets the ORM read where the selector has decided to read, and write to the primary alone."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """Return the database of the read that is under way."""
        return reading_alias()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return the primary."""
        return DEFAULT_DB_ALIAS

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        """Return True: both databases hold the same rows."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        """Return whether a database is the primary, which the replica follows."""
        return db == DEFAULT_DB_ALIAS


def is_configured() -> bool:
    """Return whether this installation has a replica."""
    return ALIAS in connections.settings


def read_position() -> Position | None:
    """Return how far the primary has written its log, and so what covers all that was committed before; None without a replica."""
    if not is_configured():
        return None
    read_at = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_WRITTEN)
        [(written,)] = cursor.fetchall()
    position = Position(written=written, read_at=read_at)
    _marks.add(position)
    return position


@contextmanager
def lag_tolerated(after: Position | None) -> Iterator[None]:
    """
    Let selectors that tolerate lag read a replica within the context, if it has replayed the log up to a position.

    :param after: covers whatever the reader must see, such as their own last write; None reads the primary
    """
    token = _tolerated.set(after)
    try:
        yield
    finally:
        _tolerated.reset(token)


def tolerate_lag(after: Position | None) -> None:
    """Change the position of the innermost `lag_tolerated`, once it is known who reads."""
    _tolerated.set(after)


def tolerates_lag(selector: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """
    Mark a selector whose rows may be a replica's. It decides no write, reads no money, and returns no lazy queryset.

    What fails on the replica is read from the primary, whose error counts.
    """

    @wraps(selector)
    def read(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        after = _tolerated.get()
        if after is None or reading_alias() == ALIAS:
            return selector(*args, **kwargs)
        if connection.in_atomic_block or not _replica.has_replayed(after):
            return selector(*args, **kwargs)
        token = _alias.set(ALIAS)
        try:
            with _answered_in_time():
                return selector(*args, **kwargs)
        except Error as error:
            _replica.note_failure(error)
        finally:
            _alias.reset(token)
        return selector(*args, **kwargs)

    return read


@contextmanager
def all_reads_there(*, patience_seconds: float) -> Iterator[None]:
    """
    Return a context that reads the replica alone, once it has replayed all that the primary has written before.

    :raises ReplicaUnavailable: if there is none, or it has not replayed that in time
    """
    position = read_position()
    if position is None:
        raise ReplicaUnavailable("There is no replica: DATABASE_REPLICA_URL is not set.")
    deadline = time.monotonic() + patience_seconds
    while (known := _replica.ask()) is None or known.replayed < position.written:
        if known is None or time.monotonic() > deadline:
            raise ReplicaUnavailable
        time.sleep(_ASK_AGAIN_SECONDS)
    token = _alias.set(ALIAS)
    try:
        yield
    finally:
        _alias.reset(token)


def find_state() -> str:
    """Return `ok`, `lagging` (further than REPLICA_MAX_LAG_SECONDS) or `unreachable`; for a replica that is configured."""
    read_position()
    known = _replica.ask()
    if known is None:
        return "unreachable"
    return "lagging" if _marks.is_far_behind(known) else "ok"


def measure_lag() -> int | None:
    """Return how many bytes of the primary's log the replica has not replayed, or None if there is none that answers."""
    position = read_position()
    known = None if position is None else _replica.ask()
    return None if position is None or known is None else max(0, position.written - known.replayed)


# What this process knows -------------------------------------------------------------------------------------------------


class _Marks:
    """The positions of the last minutes, by which a lag in bytes becomes one in seconds, without comparing two clocks."""

    def __init__(self) -> None:
        self._marks: deque[Position] = deque(maxlen=_MAX_MARKS)
        self._lock = threading.Lock()

    def add(self, position: Position) -> None:
        """Remember a position, unless one of a moment ago is remembered."""
        with self._lock:
            last = self._marks[-1] if self._marks else None
            if last is not None and position.written < last.written:
                self._marks.clear()  # a backup was restored, or another server took over: another log
            elif last is not None and position.read_at - last.read_at < _MARK_SECONDS:
                return
            self._marks.append(position)

    def is_recent(self, known: _Known) -> bool:
        """Return whether the replica has all that the primary had written at some instant within the lag that is allowed."""
        with self._lock:
            reached = bisect_right(self._marks, known.replayed, key=lambda mark: mark.written)
            return reached > 0 and known.asked_at - self._marks[reached - 1].read_at <= settings.REPLICA_MAX_LAG_SECONDS

    def is_far_behind(self, known: _Known) -> bool:
        """Return whether it lacks what the primary had written before the lag that is allowed; False while nobody knows."""
        with self._lock:
            reached = bisect_right(self._marks, known.replayed, key=lambda mark: mark.written)
            missing = self._marks[reached] if reached < len(self._marks) else None
        return missing is not None and known.asked_at - missing.read_at > settings.REPLICA_MAX_LAG_SECONDS


class _Replica:
    """Whether the replica is used at present, and what each connection knows of it."""

    def __init__(self) -> None:
        self._failed_at = float("-inf")
        self._is_down = False
        self._probe = threading.Lock()

    def has_replayed(self, after: Position) -> bool:
        """Return whether the replica has replayed a position, lags no further than it may, and answers."""
        known = self.ask(wanted=after.written)
        return known is not None and known.replayed >= after.written and _marks.is_recent(known)

    def ask(self, *, wanted: int | None = None) -> _Known | None:
        """
        Return how far the replica has replayed the log, or None if it does not answer, or did not a moment ago.

        What a connection knows never becomes less: a server that goes back has closed its connections.

        :param wanted: the position that matters; what is known for less than a second answers if it is beyond that
        """
        if not self._is_down:
            return self._ask(wanted)
        # One request of the process looks whether the replica is back; the others do not wait for it.
        if time.monotonic() - self._failed_at < PAUSE_SECONDS or not self._probe.acquire(blocking=False):
            return None
        try:
            return self._ask(wanted)
        finally:
            self._probe.release()

    def _ask(self, wanted: int | None) -> _Known | None:
        try:
            raw = _connect()
            known: _Known | None = getattr(raw, "bahi_known", None)
            if known is None or wanted is None or _is_outdated(known, wanted):
                known = raw.bahi_known = _ask_replayed()
        except Error as error:
            self.note_failure(error)
            return None
        if self._is_down:
            self._is_down = False
            log.info("replica_available")
        return known

    def note_failure(self, error: Error) -> None:
        """Leave the replica alone for a while, unless only a statement failed: replaying the log may end one."""
        database = connections[ALIAS]
        raw: Any = database.connection
        if raw is not None and not raw.closed and not isinstance(error, ReplicaUnusable):
            log.warning("replica_read_failed", error=_in_one_line(error))
            return
        database.close()
        self._failed_at = time.monotonic()
        if not self._is_down:
            self._is_down = True
            log.warning("replica_unavailable", error=_in_one_line(error))


_marks = _Marks()
_replica = _Replica()


def _is_outdated(known: _Known, wanted: int) -> bool:
    age = time.monotonic() - known.asked_at
    return age >= (_KNOWN_SECONDS if known.replayed >= wanted else _ASK_AGAIN_SECONDS)


def _in_one_line(error: Error) -> str:
    return " ".join(str(error).split())


# The connection ----------------------------------------------------------------------------------------------------------


class _Bound:
    """Ends a wait for the replica when its time is over: a server that is frozen keeps its connections open and says nothing."""

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self._raw = raw
        self._wait: Any = raw.wait
        self.ends_at: float | None = None

    def wait(self, generator: Any, interval: float = 0.1) -> Any:
        """
        Wait as psycopg does, and close the connection when the time is over: its answer would be taken for that of the next statement.

        :raises psycopg.OperationalError: when the time is over
        """
        if self.ends_at is None:
            return self._wait(generator, interval=interval)
        try:
            return self._wait(generator, interval=interval, timeout=max(0.0, self.ends_at - time.monotonic()))
        except psycopg.OperationalError:
            if time.monotonic() >= self.ends_at:
                self._raw.pgconn.finish()
            raise


def _connect() -> Any:
    """Return the connection of this thread to the replica, whose waits can be bounded."""
    database = connections[ALIAS]
    database.close_if_health_check_failed()
    database.ensure_connection()
    raw: Any = database.connection
    if not hasattr(raw, "bahi_bound"):
        raw.bahi_bound = bound = _Bound(raw)
        raw.wait = bound.wait
    return raw


@contextmanager
def _answered_in_time() -> Iterator[None]:
    bound: _Bound = connections[ALIAS].connection.bahi_bound
    bound.ends_at = time.monotonic() + ANSWER_SECONDS
    try:
        yield
    finally:
        bound.ends_at = None


def _ask_replayed() -> _Known:
    """
    Ask a replica how far it is.

    :raises ReplicaUnusable: if the server has no primary
    """
    asked_at = time.monotonic()
    with _answered_in_time(), connections[ALIAS].cursor() as cursor:
        cursor.execute(_REPLAYED)
        rows = cursor.fetchall()
    if not rows or rows[0][0] is None:
        raise ReplicaUnusable("DATABASE_REPLICA_URL names a server that follows no primary")
    return _Known(replayed=rows[0][0], asked_at=asked_at)
