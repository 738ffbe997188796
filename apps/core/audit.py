"""
The proof of the promise: each invariant is one SELECT that must return no row.

All of them read one snapshot (REPEATABLE READ), so that an audit may run while orders come in. The whole audit reads all that
there is, and can write nothing. An audit of recent changes leaves out what has to read all, and checks what is about single
orders and rows by temporary tables of those that have changed since an instant.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from datetime import time as time_of_day
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from django.db import connections, transaction
from django.utils.module_loading import import_string

from apps.core import clock, replica
from apps.core.errors import Conflict, NotFound
from apps.core.long_queries import allow_long_queries
from apps.core.models import AuditRun
from apps.core.recent_rows import hide_other_orders, hide_other_rows

log = structlog.get_logger(__name__)

SHOWN_ROWS = 20
#: Longer than a transaction takes, and than most invariants let things be on their way.
RECENT = timedelta(hours=2)
#: A whole audit that was as quick as this is repeated each minute.
QUICK_MILLISECONDS = 3_000
#: When, in India, one that takes longer is due each night.
AUDIT_AT = time_of_day(3)
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
    """

    id: str
    name: str
    statement: str
    sql: str | Callable[[Any, datetime], list[dict[str, Any]]]
    grace_seconds: int = 0
    reads: Reads = Reads.ALL


@dataclass(frozen=True)
class Result:
    """How one check went: the rows found (at most SHOWN_ROWS), their full number, and its time in milliseconds."""

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
    """All results of one audit; `since` is from when on rows were read, or None if all were."""

    started_at: datetime
    results: Sequence[Result] = field(default_factory=list)
    since: datetime | None = None

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
) -> Report:
    """
    Check the invariants in one snapshot and return what was found.

    :param since: read only what has changed since, and leave out the invariants that have to read all
    :param is_of_replica: read the replica, once it has all that was committed by `now`; not with `since`, which writes temporary tables
    :param max_seconds: after which no further check is begun; those that are left could not be checked
    :raises ReplicaUnavailable: if `is_of_replica` and there is none that answers and has replayed all that
    :raises AuditInProgress: if `is_alone` and another audit of everything, or of changes, with `is_alone` is running
    """
    chosen = list_invariants(only)
    place = replica.all_reads_there(patience_seconds=_REPLICA_PATIENCE_SECONDS) if is_of_replica else nullcontext()
    with place, transaction.atomic(using=_database()), connections[_database()].cursor() as cursor:
        _take_snapshot(cursor, is_read_only=since is None)
        _require_tables(cursor)
        if is_alone:
            _require_only_audit(cursor, of_all=since is None)
        checks = _Checks(cursor, now=now, on_result=on_result, ends_at=time.monotonic() + max_seconds)
        if since is None:
            checks.run(chosen)
        else:
            _check_recent_rows(checks, chosen, since=since)
    return Report(started_at=now, results=checks.results, since=since)


class _Checks:
    """The checks of one audit and what they have found."""

    def __init__(
        self, cursor: Any, *, now: datetime, on_result: Callable[[Result], None] | None, ends_at: float
    ) -> None:
        self.cursor = cursor
        self.results: list[Result] = []
        self._now, self._on_result, self._ends_at = now, on_result, ends_at

    def run(self, invariants: Iterable[Invariant]) -> None:
        """Check invariants, and leave out those for which there is no time left."""
        # One for all checks: they only read, so that going back to it after one has failed loses nothing.
        before_checks = transaction.savepoint(using=_database())
        for invariant in invariants:
            is_in_time = time.monotonic() < self._ends_at
            result = _check(invariant, self.cursor, self._now, before_checks) if is_in_time else _leave_out(invariant)
            self.results.append(result)
            if self._on_result:
                self._on_result(result)


def _check_recent_rows(checks: _Checks, chosen: Iterable[Invariant], *, since: datetime) -> None:
    by_what_it_reads = {what: [each for each in chosen if each.reads is what] for what in Reads}
    checks.run(by_what_it_reads[Reads.LITTLE])
    before_hiding = transaction.savepoint()
    hide_other_orders(checks.cursor, since=since)
    checks.run(by_what_it_reads[Reads.ONE_ORDER])
    hide_other_rows(checks.cursor)
    checks.run(by_what_it_reads[Reads.ONE_ROW])
    transaction.savepoint_rollback(before_hiding)


def _database() -> str:
    return replica.reading_alias()


def _take_snapshot(cursor: Any, *, is_read_only: bool) -> None:
    # Inside a test's transaction queries have run already, and Postgres no longer lets the level be set.
    if len(connections[_database()].atomic_blocks) == 1:
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ {'ONLY' if is_read_only else 'WRITE'}")
    allow_long_queries(cursor)


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


def _violations(invariant: Invariant, cursor: Any, now: datetime) -> list[dict[str, Any]]:
    if callable(invariant.sql):
        return invariant.sql(cursor, now)
    cursor.execute(invariant.sql, {"now": now})
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def store_report(report: Report) -> AuditRun:
    """Write an audit's result down, and into the log as an error if anything is violated."""
    violated = {result.invariant.id: result.count or result.error for result in report.failing}
    for result in report.failing:
        log.error(
            "invariant_violated",
            invariant=result.invariant.id,
            name=result.invariant.name,
            rows=result.count,
            failure=result.error,
        )
    return AuditRun.objects.create(
        started_at=report.started_at,
        since=report.since,
        duration_ms=round(report.milliseconds),
        checked=len(report.results),
        violated=violated,
    )


def choose_since(*, now: datetime) -> datetime | None:
    """
    Return from when on the audit of this minute checks changes, or None if it checks all, as it does while that is quick.

    It begins RECENT before the last audit, however long ago that was.
    """
    kept = AuditRun.objects.order_by("-started_at")
    last, whole = kept.first(), kept.filter(since=None).first()
    if last is None or whole is None or whole.duration_ms <= QUICK_MILLISECONDS:
        return None
    return min(now, last.started_at) - RECENT


def is_whole_audit_due(*, now: datetime) -> bool:
    """
    Test if everything is to be audited by itself, because that is not quick enough for each minute.

    That is so once after each night's AUDIT_AT, and once an hour while anything is violated or could not be checked: a row that
    is broken and then left alone must not be forgotten.
    """
    state, whole = find_state(), _find_whole_run()
    if state is None or whole is None or whole.duration_ms <= QUICK_MILLISECONDS:
        return False
    today = datetime.combine(clock.ist_date(now), AUDIT_AT, tzinfo=clock.IST)
    is_of_last_night = whole.started_at >= (today if today <= now else today - timedelta(days=1))
    return not is_of_last_night or (bool(state.violated) and whole.started_at < now - timedelta(hours=1))


@dataclass(frozen=True)
class State:
    """
    What is known of all invariants.

    :param violated: id -> number of rows, or why it could not be checked
    :param checked: how many the last whole audit checked
    """

    violated: Mapping[str, int | str]
    checked: int
    started_at: datetime
    whole_started_at: datetime | None


def find_state() -> State | None:
    """
    Return what the last whole audit and those since then found, or None if none was kept.

    Of what waits or is small the last one knows; an order that any of them found broken is broken until a whole audit finds
    it in order.
    """
    last = AuditRun.objects.order_by("-started_at").first()
    if last is None:
        return None
    whole = _find_whole_run()
    since = AuditRun.objects.exclude(violated={}).order_by("started_at")
    later = [] if whole is None or whole == last else since.filter(started_at__gt=whole.started_at)
    found = [] if whole is None else [whole, *later]
    renewed = {invariant.id for invariant in list_invariants() if invariant.reads is Reads.LITTLE}
    violated = {
        name: rows for run in found for name, rows in run.violated.items() if run == last or name not in renewed
    }
    return State(
        violated=violated if whole else last.violated,
        checked=(whole or last).checked,
        started_at=last.started_at,
        whole_started_at=whole.started_at if whole else None,
    )


def _find_whole_run() -> AuditRun | None:
    return AuditRun.objects.filter(since=None).order_by("-started_at").first()
