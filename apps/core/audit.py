"""
The proof of the promise: each invariant is one SELECT that must return no row.

All of them read one snapshot (REPEATABLE READ), so that an audit may run while orders come in. The whole audit reads all that
there is, and can write nothing; it may do so on several connections, which share the snapshot. An audit of recent changes
leaves out what has to read all, and checks what is about single orders and rows by temporary tables of those that have changed
since an instant.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import connections as databases
from django.db import transaction
from django.utils.module_loading import import_string

from apps.core import replica
from apps.core.errors import Conflict, NotFound
from apps.core.long_queries import allow_long_queries
from apps.core.recent_rows import hide_other_orders, hide_other_rows
from apps.core.shared_snapshots import for_each

SHOWN_ROWS = 20
#: The connections of a whole audit: as many processors as it takes of the database.
CONNECTIONS = 2
#: Of each sort and hash table. With the 4 MB of a request nearly all of them would go through files.
_WORK_MEMORY = "64MB"
#: Longer than a transaction takes, and than most invariants let things be on their way.
RECENT = timedelta(hours=2)
#: How long an audit of the replica waits until that has what was committed before the audit began.
_REPLICA_PATIENCE_SECONDS = 60
#: Any numbers that nothing else in the database locks by.
_LOCK, _RECENT_LOCK = 8_224_421, 8_224_422


class InvariantNotFound(NotFound):
    """No invariant has this id. `bin/bahi audit --list` shows all of them."""

    message = "There is no invariant called {0}."


class AuditInProgress(Conflict):
    """Another audit is running. Wait until it has ended."""

    message = "Another audit is running."


class Reads(StrEnum):
    """What an invariant has to read to find what breaks it."""

    ALL = "all"
    #: As much at any size: an index of what is open, a table that stays small, the schema.
    LITTLE = "little"
    #: An order with all that belongs to it, and what else these rows name.
    ONE_ORDER = "one order"
    #: One row that records events, and its events.
    ONE_ROW = "one row"


@dataclass(frozen=True)
class Invariant:
    """
    One thing that must always hold.

    `sql` returns the rows that break it; it may use `%(now)s`. `sql` may be a function of (cursor, now) where a SELECT alone
    cannot say it. `grace_seconds` is the number of seconds that the rule allows things to be on their way; the SELECT itself
    honours it.

    `reading` returns the queries of a WITH that the SELECT names. Those with the same one are checked by one statement, which
    runs these queries once.
    """

    id: str
    name: str
    statement: str
    sql: str | Callable[[Any, datetime], list[dict[str, Any]]]
    grace_seconds: int = 0
    reads: Reads = Reads.ALL
    reading: Callable[[], str] | None = None


@dataclass(frozen=True)
class Result:
    """
    How one check went: the rows found (at most SHOWN_ROWS), their full number, and its time in milliseconds.

    Of a statement that checks several invariants each has an equal share of the time.
    """

    invariant: Invariant
    rows: list[dict[str, Any]]
    count: int
    milliseconds: float
    error: str = ""

    @property
    def holds(self) -> bool:
        return self.count == 0 and not self.error


@dataclass(frozen=True)
class Report:
    """
    All results of one audit; `since` is from when on rows were read, or None if all were.

    Checks on several connections take more time together (`milliseconds`) than passes meanwhile (`elapsed_milliseconds`).
    """

    started_at: datetime
    results: Sequence[Result] = field(default_factory=list)
    since: datetime | None = None
    elapsed_milliseconds: float = 0.0

    @property
    def failing(self) -> list[Result]:
        """What is violated, and what could not be checked."""
        return [result for result in self.results if not result.holds]

    @property
    def violated(self) -> list[Result]:
        return [result for result in self.failing if not result.error]

    @property
    def unchecked(self) -> list[Result]:
        return [result for result in self.results if result.error]

    @property
    def milliseconds(self) -> float:
        return sum(result.milliseconds for result in self.results)


def list_invariants(only: Iterable[str] = ()) -> list[Invariant]:
    """
    Return the invariants of all apps, or those named by id or name.

    :raises InvariantNotFound: if a name is none of them
    """
    every: Sequence[Invariant] = import_string(settings.INVARIANTS)
    names = list(only)
    wanted = {name.lower() for name in names}
    known = {invariant.id.lower() for invariant in every} | {invariant.name.lower() for invariant in every}
    for name in names:
        if name.lower() not in known:
            raise InvariantNotFound(name)
    if not wanted:
        return list(every)
    return [invariant for invariant in every if {invariant.id.lower(), invariant.name.lower()} & wanted]


def run(
    *,
    now: datetime,
    only: Iterable[str] = (),
    since: datetime | None = None,
    on_result: Callable[[Result], None] | None = None,
    is_alone: bool = False,
    is_of_replica: bool = False,
    max_seconds: float = float("inf"),
    connections: int = 1,
) -> Report:
    """
    Check the invariants in one snapshot and return what was found.

    :param since: read only what has changed since, and leave out the invariants that have to read all
    :param on_result: called as each check ends, which on several connections is not their order
    :param is_of_replica: read the replica, once it has all that was committed by `now`, on one connection; not with `since`, which writes
        temporary tables
    :param max_seconds: after which no further check is begun; those that are left could not be checked
    :param connections: how many share the work of a whole audit; inside a transaction of the caller, only that one
    :raises ReplicaUnavailable: if `is_of_replica` and there is none that answers and has replayed all that
    :raises AuditInProgress: if `is_alone` and another audit of everything, or of changes, with `is_alone` is running
    """
    chosen, started = list_invariants(only), time.monotonic()
    place = replica.all_reads_there(patience_seconds=_REPLICA_PATIENCE_SECONDS) if is_of_replica else nullcontext()
    with place, transaction.atomic(using=_database()), databases[_database()].cursor() as cursor:
        _take_snapshot(cursor, is_read_only=since is None)
        _require_tables(cursor)
        if is_alone:
            _require_only_audit(cursor, of_all=since is None)
        checks = _Checks(now=now, on_result=on_result, ends_at=started + max_seconds)
        if since is None:
            # What was written in a transaction of the caller, as in that of a test, no other connection sees.
            is_shareable = not is_of_replica and len(databases[_database()].atomic_blocks) == 1
            checks.run(chosen, cursor, connections=connections if is_shareable else 1)
        else:
            _check_recent_rows(checks, chosen, cursor, since=since)
    elapsed = (time.monotonic() - started) * 1000
    return Report(started_at=now, results=checks.results, since=since, elapsed_milliseconds=elapsed)


class _Checks:
    """The checks of one audit and what they have found."""

    def __init__(self, *, now: datetime, on_result: Callable[[Result], None] | None, ends_at: float) -> None:
        self.results: list[Result] = []
        self._now, self._on_result, self._ends_at = now, on_result, ends_at
        self._result_lock = threading.Lock()

    def run(self, invariants: Sequence[Invariant], cursor: Any, *, connections: int = 1) -> None:
        """Check invariants, and leave out those for which there is no time left."""
        found: dict[str, Result] = {}

        def begin(cursor: Any) -> Callable[[Sequence[Invariant]], None]:
            _tune(cursor)
            # One for all checks: they only read, so that going back to it after one has failed loses nothing.
            before_checks = transaction.savepoint(using=_database())

            def check(group: Sequence[Invariant]) -> None:
                for result in self._check(group, cursor, before_checks):
                    with self._result_lock:
                        found[result.invariant.id] = result
                        if self._on_result:
                            self._on_result(result)

            return check

        for_each(cursor, _group(invariants), begin, connections=connections)
        self.results += [found[invariant.id] for invariant in invariants]

    def _check(self, group: Sequence[Invariant], cursor: Any, before_checks: str) -> list[Result]:
        if time.monotonic() >= self._ends_at:
            return [_leave_out(invariant) for invariant in group]
        if group[0].reading:
            return _check_together(group, cursor, self._now, before_checks)
        return [_check(invariant, cursor, self._now, before_checks) for invariant in group]


def _group(invariants: Iterable[Invariant]) -> list[list[Invariant]]:
    """Return what is checked by one statement each. What is shared is first: it takes longest, and others can go on meanwhile."""
    shared: dict[Callable[[], str], list[Invariant]] = {}
    single = []
    for invariant in invariants:
        if invariant.reading:
            shared.setdefault(invariant.reading, []).append(invariant)
        else:
            single.append([invariant])
    return [*shared.values(), *single]


def _check_recent_rows(checks: _Checks, chosen: Iterable[Invariant], cursor: Any, *, since: datetime) -> None:
    by_what_it_reads = {what: [each for each in chosen if each.reads is what] for what in Reads}
    checks.run(by_what_it_reads[Reads.LITTLE], cursor)
    before_hiding = transaction.savepoint()
    hide_other_orders(cursor, since=since)
    checks.run(by_what_it_reads[Reads.ONE_ORDER], cursor)
    hide_other_rows(cursor)
    checks.run(by_what_it_reads[Reads.ONE_ROW], cursor)
    transaction.savepoint_rollback(before_hiding)


def _database() -> str:
    return replica.reading_alias()


def _take_snapshot(cursor: Any, *, is_read_only: bool) -> None:
    # Inside a test's transaction queries have run already, and Postgres no longer lets the level be set.
    if len(databases[_database()].atomic_blocks) == 1:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ {'ONLY' if is_read_only else 'WRITE'}")


def _tune(cursor: Any) -> None:
    allow_long_queries(cursor)
    # Compiling what is planned once, and read by hundreds of statements, costs more than it gains.
    cursor.execute(f"SET LOCAL work_mem = '{_WORK_MEMORY}'; SET LOCAL jit = off")


def _require_tables(cursor: Any) -> None:
    """Fail once, as ProgrammingError, where every check would fail: in a database that was never migrated."""
    cursor.execute("SELECT 1 FROM core_event LIMIT 0")


def _require_only_audit(cursor: Any, *, of_all: bool) -> None:
    # Gone with the transaction, whatever becomes of us. Each kind has its own: of large books a whole audit takes long.
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK if of_all else _RECENT_LOCK])
    if not cursor.fetchone()[0]:
        raise AuditInProgress


def _leave_out(invariant: Invariant) -> Result:
    return Result(invariant=invariant, rows=[], count=0, milliseconds=0.0, error="There was no time left to check it.")


def _check(invariant: Invariant, cursor: Any, now: datetime, before_checks: str) -> Result:
    started = time.monotonic()
    error = ""
    rows: list[dict[str, Any]] = []
    try:
        rows = _violations(invariant, cursor, now)
    except Exception as failure:  # noqa: BLE001 - a check that cannot run is a violation, not an excuse
        error = str(failure).strip()
        transaction.savepoint_rollback(before_checks, using=_database())
    return Result(
        invariant=invariant,
        rows=rows[:SHOWN_ROWS],
        count=len(rows),
        milliseconds=(time.monotonic() - started) * 1000,
        error=error,
    )


def _check_together(group: Sequence[Invariant], cursor: Any, now: datetime, before_checks: str) -> list[Result]:
    """
    Check invariants with the same reading by one statement, and those that it finds violated, or all if it fails, one by one.

    It counts: a planner that needed only one row of each would choose a plan for finding it soon, where there is none.
    """
    counts = " UNION ALL ".join(
        f"SELECT '{each.id}' AS id, count(*) AS rows FROM ({each.sql}) AS found"  # noqa: S608 - our own statements
        for each in group
    )
    started = time.monotonic()
    try:
        allow_long_queries(cursor, times=len(group))
        found = {row["id"]: row["rows"] for row in _execute(_with_reading(group[0], counts), cursor, now)}
        allow_long_queries(cursor)
    except Exception:  # noqa: BLE001 - which of them it was is seen one by one
        transaction.savepoint_rollback(before_checks, using=_database())
        return [_check(each, cursor, now, before_checks) for each in group]
    share = (time.monotonic() - started) * 1000 / len(group)
    return [
        _check(each, cursor, now, before_checks) if found[each.id] else Result(each, [], 0, share) for each in group
    ]


def _violations(invariant: Invariant, cursor: Any, now: datetime) -> list[dict[str, Any]]:
    if callable(invariant.sql):
        return invariant.sql(cursor, now)
    return _execute(_with_reading(invariant, invariant.sql), cursor, now)


def _with_reading(invariant: Invariant, sql: str) -> str:
    # As a whole in parentheses, since it may begin with a WITH of its own.
    return f"WITH {invariant.reading()} SELECT * FROM ({sql}) AS found" if invariant.reading else sql  # noqa: S608


def _execute(sql: str, cursor: Any, now: datetime) -> list[dict[str, Any]]:
    cursor.execute(sql, {"now": now})
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
