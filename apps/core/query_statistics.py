"""
What Postgres has counted: the statements that take long, indexes that nobody uses, tables that are read whole, dead rows.

Nothing here reads a row of a table, and no text of a statement keeps a value: whatever stands for one becomes `?`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, connection

from apps.core import transactions

#: Whatever may hold a value in a statement, also one that was cut off in the middle: comments, strings, numbers. Before them the
#: names in double quotes, which are kept: an apostrophe or `--` in one begins nothing.
_NAMES_AND_VALUES: Final = re.compile(
    r"(?P<name>\"(?:[^\"]|\"\")*\")"
    r"|/\*.*?(?:\*/|$)|--[^\n]*|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)|\b[eE]'(?:[^'\\]|\\.|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)"
    r"|(?<![\w$\"])[0-9][0-9.]*(?:[eE][+-]?[0-9]+)?",
    re.DOTALL,
)
#: What Postgres answers where the library was not loaded when the server started.
_NOT_LOADED: Final = "55000"
_HIDDEN: Final = "<insufficient privilege>"


@dataclass(frozen=True)
class Statement:
    """One normalised statement: how often it ran, its whole time and that of each run, in milliseconds, and its rows each time."""

    text: str
    calls: int
    total_ms: float
    mean_ms: float
    rows_per_call: float


@dataclass(frozen=True)
class RunningStatement:
    """A statement that runs now, or the last one of a transaction that is still open; for how many seconds since it began."""

    text: str
    seconds: float
    state: str


@dataclass(frozen=True)
class UnusedIndex:
    """An index that no statement has used, its size in bytes, and whether Postgres may use it at all."""

    index: str
    table: str
    size: int
    is_valid: bool


@dataclass(frozen=True)
class WholeReads:
    """A table that was read whole: its rows and bytes, how often, and how many rows that took each time."""

    table: str
    rows: int
    size: int
    scans: int
    rows_per_scan: int


@dataclass(frozen=True)
class DeadRows:
    """A table with more dead rows than those at which a vacuum begins; the bytes that they take are an estimate."""

    table: str
    live: int
    dead: int
    size: int
    begins_at: int
    last_vacuum: datetime | None


@dataclass(frozen=True)
class StatementSource:
    """
    The statements that pg_stat_statements has counted, or why there are none.

    `missing` is "" where it counts, else "not_installed" (the server does not have it), "not_loaded" (not in
    shared_preload_libraries) or "not_created" (not in this database). `hidden` counts statements of other roles.
    """

    statements: Sequence[Statement] = ()
    missing: str = ""
    hidden: int = 0


def normalise(text: str) -> str:
    """Return a statement on one line without any value: Django sends values inside of its statements."""
    return " ".join(_NAMES_AND_VALUES.sub(lambda found: found["name"] or "?", text).split())


def read_statements() -> StatementSource:
    """Return the statements of this database, at most a thousand, those first that took most time in all."""
    if not _fetch("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'") and not _has_view():
        return StatementSource(missing="not_installed")
    if not _has_view():
        loaded = _fetch(
            "SELECT 1 FROM pg_settings WHERE name = 'shared_preload_libraries' AND setting ~ 'pg_stat_statements'"
        )
        return StatementSource(missing="not_created" if loaded else "not_loaded")
    try:
        with transactions.atomic():
            rows = _fetch(_STATEMENTS)
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != _NOT_LOADED:
            raise
        return StatementSource(missing="not_loaded")
    shown = [row for row in rows if row[0] != _HIDDEN]
    return StatementSource(
        [Statement(normalise(text), calls, total, mean, per_call) for text, calls, total, mean, per_call in shown],
        hidden=sum(row[0] == _HIDDEN for row in rows),
    )


def read_running(*, longer_than_seconds: float) -> list[RunningStatement]:
    """Return the statements of this database that have been running for longer than that, the longest first."""
    rows = _fetch(_RUNNING, [longer_than_seconds])
    return [RunningStatement(normalise(text), seconds, state) for text, seconds, state in rows]


def read_unused_indexes(*, at_least_bytes: int) -> list[UnusedIndex]:
    """Return the indexes that no statement has used and that keep no rule, such as uniqueness, the largest first."""
    return [UnusedIndex(*row) for row in _fetch(_UNUSED_INDEXES, [at_least_bytes])]


def read_whole_reads(*, at_least_rows: int, at_least_scans: int) -> list[WholeReads]:
    """Return the tables with that many rows that were read whole that often, those first of which most rows were read."""
    return [WholeReads(*row) for row in _fetch(_WHOLE_READS, [at_least_rows, at_least_scans, at_least_rows])]


def read_dead_rows(*, at_least_rows: int) -> list[DeadRows]:
    """Return the tables whose dead rows are that many and twice those at which a vacuum should have begun, the most first."""
    return [DeadRows(*row) for row in _fetch(_DEAD_ROWS, [at_least_rows])]


def counted_since() -> datetime | None:
    """Return since when Postgres counts what happens in this database, or None if it was never reset."""
    return next(
        (row[0] for row in _fetch("SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()")), None
    )


def is_autovacuum_on() -> bool:
    """Test if Postgres removes dead rows by itself."""
    return bool(_fetch("SELECT 1 WHERE current_setting('autovacuum')::bool AND current_setting('track_counts')::bool"))


def _has_view() -> bool:
    return bool(_fetch("SELECT 1 WHERE to_regclass('pg_stat_statements') IS NOT NULL"))


def _fetch(statement: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(params) or None)
        return list(cursor.fetchall())


_STATEMENTS: Final = """
SELECT query, calls, total_exec_time, mean_exec_time, rows::float / greatest(calls, 1)
FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC
LIMIT 1000
"""

_RUNNING: Final = """
SELECT query, extract(epoch FROM clock_timestamp() - query_start)::float, state
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
  AND query_start < clock_timestamp() - %s * interval '1 second'
ORDER BY query_start
"""

_UNUSED_INDEXES: Final = """
SELECT s.indexrelname, s.relname, pg_relation_size(s.indexrelid), i.indisvalid
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
WHERE s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisexclusion AND pg_relation_size(s.indexrelid) >= %s
ORDER BY 3 DESC, 1
"""

_WHOLE_READS: Final = """
SELECT relname, n_live_tup, pg_table_size(relid), seq_scan, seq_tup_read / seq_scan
FROM pg_stat_user_tables
WHERE n_live_tup >= %s AND seq_scan >= %s AND seq_tup_read / greatest(seq_scan, 1) >= %s
ORDER BY seq_tup_read DESC, relname
"""

_DEAD_ROWS: Final = """
SELECT s.relname, n_live_tup, n_dead_tup,
       (pg_table_size(relid) * n_dead_tup / greatest(n_live_tup + n_dead_tup, 1))::bigint,
       begins_at, greatest(last_vacuum, last_autovacuum)
FROM pg_stat_user_tables s
JOIN pg_class c ON c.oid = s.relid,
LATERAL (SELECT (current_setting('autovacuum_vacuum_threshold')::float
                 + current_setting('autovacuum_vacuum_scale_factor')::float * greatest(c.reltuples, 0))::bigint) AS vacuum(begins_at)
WHERE n_dead_tup >= %s AND n_dead_tup >= 2 * begins_at
ORDER BY n_dead_tup DESC, 1
"""
