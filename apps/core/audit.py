"""
The proof of the promise: each invariant is one SELECT that must return no row.

All of them read one snapshot (REPEATABLE READ, READ ONLY), so that an audit may run while orders come in.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from apps.core.errors import Conflict, NotFound
from apps.core.long_queries import allow_long_queries
from apps.core.models import AuditRun

log = structlog.get_logger(__name__)

SHOWN_ROWS = 20
#: Any number that nothing else in the database locks by.
_LOCK = 8_224_421


class InvariantNotFound(NotFound):
    """No invariant has this id. `bin/bahi audit --list` shows all of them."""

    message = "There is no invariant called {0}."


class AuditInProgress(Conflict):
    """Another audit is running. Wait until it has ended."""

    message = "Another audit is running."


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
    """All results of one audit."""

    started_at: datetime
    results: Sequence[Result] = field(default_factory=list)

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
    on_result: Callable[[Result], None] | None = None,
    is_alone: bool = False,
) -> Report:
    """
    Check the invariants in one snapshot and return what was found.

    :raises AuditInProgress: if `is_alone` and another audit with `is_alone` is running
    """
    chosen = list_invariants(only)
    results = []
    with transaction.atomic(), connection.cursor() as cursor:
        _take_snapshot(cursor)
        _require_tables(cursor)
        if is_alone:
            _require_only_audit(cursor)
        # One for all checks: they only read, so that going back to it after one has failed loses nothing.
        before_checks = transaction.savepoint()
        for invariant in chosen:
            result = _check(invariant, cursor, now, before_checks)
            results.append(result)
            if on_result:
                on_result(result)
    return Report(started_at=now, results=results)


def _take_snapshot(cursor: Any) -> None:
    # Inside a test's transaction queries have run already, and Postgres no longer lets the level be set.
    if len(connection.atomic_blocks) == 1:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    allow_long_queries(cursor)


def _require_tables(cursor: Any) -> None:
    """Fail once, as ProgrammingError, where every check would fail: in a database that was never migrated."""
    cursor.execute("SELECT 1 FROM core_event LIMIT 0")


def _require_only_audit(cursor: Any) -> None:
    # Gone with the transaction, whatever becomes of us.
    cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
    if not cursor.fetchone()[0]:
        raise AuditInProgress


def _check(invariant: Invariant, cursor: Any, now: datetime, before_checks: str) -> Result:
    started = time.monotonic()
    error = ""
    rows: list[dict[str, Any]] = []
    try:
        rows = _violations(invariant, cursor, now)
    except Exception as failure:  # noqa: BLE001 - a check that cannot run is a violation, not an excuse
        error = str(failure).strip()
        transaction.savepoint_rollback(before_checks)
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
        duration_ms=round(report.milliseconds),
        checked=len(report.results),
        violated=violated,
    )


def find_latest_run() -> AuditRun | None:
    """Return the last audit that was kept, or None."""
    return AuditRun.objects.order_by("-started_at").first()
