"""`manage.py slow_queries`: what Postgres has counted of slow statements, unused indexes, whole reads of tables and dead rows."""

from __future__ import annotations

import argparse
import dataclasses
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_instant
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, add_examples, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from apps.core.query_statistics import (
        DeadRows,
        RunningStatement,
        Statement,
        StatementSource,
        UnusedIndex,
        WholeReads,
    )

#: What a statement is shown with at most; `--json` has it whole.
_SHOWN_CHARACTERS = 300
_MIN_INDEX_BYTES = 10 * 1024 * 1024
_MIN_ROWS = 10_000
_MIN_SCANS = 100
#: What runs once a night, such as the audit, may take its time.
_MIN_CALLS = 100
#: A statement of a request that runs for longer than this keeps others waiting.
_RUNNING_SECONDS = 5.0
_MAX_STATEMENTS = 1_000
_KILO = 1024
#: How pg_stat_statements is got, by what is missing.
_HOW_TO_GET = {
    "not_installed": (
        "This server does not have pg_stat_statements, so that nobody can say which statements take most time. It comes with"
        " Postgres' contrib modules (Debian has them in postgresql-18, Red Hat in postgresql18-contrib; managed databases have"
        " it); the embedded server has none. Until then, log_min_duration_statement = 100ms writes slow statements to"
        " the server's log, with their values, some of which are personal data."
    ),
    "not_loaded": (
        "pg_stat_statements is not loaded. Set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, restart"
        " Postgres, and run CREATE EXTENSION pg_stat_statements in this database."
    ),
    "not_created": "pg_stat_statements counts already. Run CREATE EXTENSION pg_stat_statements in this database to read it.",
}


class Command(OperatorCommand):
    help = (
        "Say which statements take most time, which indexes nobody uses, which large tables are read whole, so that an index is"
        " probably missing, and where dead rows pile up faster than vacuum removes them. It reads what Postgres has counted since"
        " its statistics were last reset, and no row of any table; values in statements are shown as ?. Run it on the primary"
        " after some days of usual work: what was counted for an hour says little. Exits 0 if nothing is found, 1 if something"
        " should be looked at, 2 if it could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py slow_queries", "what to look at, the worst first"),
                ("manage.py slow_queries --slower-than 20", "also statements that take 20 ms on average"),
                ("manage.py slow_queries --limit 50", "the 50 statements that take most time in all"),
                ("manage.py slow_queries --json", "the same for a program, with whole statements"),
            ],
        )
        parser.add_argument(
            "--slower-than", type=_milliseconds, default=100.0, metavar="MS", dest="slower_than",
            help="the milliseconds on average from which a statement is slow (100)",
        )  # fmt: skip
        parser.add_argument("--limit", type=_count, default=10, metavar="N", help="how many statements are listed (10)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, slower_than: float, limit: int, as_json: bool, **options: Any) -> None:
        from apps.core import query_statistics

        source = query_statistics.read_statements()
        slow = [each for each in source.statements if each.mean_ms >= slower_than and each.calls >= _MIN_CALLS]
        source = dataclasses.replace(source, statements=source.statements[:limit])
        found: dict[str, list[Any]] = {
            "slow_statements": sorted(slow, key=lambda each: -each.mean_ms),
            "running": query_statistics.read_running(longer_than_seconds=_RUNNING_SECONDS),
            "unused_indexes": query_statistics.read_unused_indexes(at_least_bytes=_MIN_INDEX_BYTES),
            "whole_reads": query_statistics.read_whole_reads(at_least_rows=_MIN_ROWS, at_least_scans=_MIN_SCANS),
            "dead_rows": query_statistics.read_dead_rows(at_least_rows=_MIN_ROWS),
        }
        is_autovacuum_on, since = query_statistics.is_autovacuum_on(), query_statistics.counted_since()
        findings = sum(len(rows) for rows in found.values()) + (not is_autovacuum_on)
        if as_json:
            self.stdout.write(_as_json(source, found, since, is_autovacuum_on=is_autovacuum_on, findings=findings))
        else:
            self._print(source, found, since, is_autovacuum_on=is_autovacuum_on, slower_than=slower_than)
            self._summarise(findings)
        if findings:
            raise SystemExit(MISMATCH)

    def _print(
        self,
        source: StatementSource,
        found: dict[str, Any],
        since: datetime | None,
        *,
        is_autovacuum_on: bool,
        slower_than: float,
    ) -> None:
        begin = format_instant(since) if since else "the database was made or its server was last rebuilt"
        self.stdout.write(f"Counted since {begin}.\n")
        self._section("Statements that take most time in all", _statement_lines(source))
        self._section(
            f"Statements that take {slower_than:g} ms or more each", _slow_lines(found["slow_statements"], source)
        )
        self._section(
            f"Running, or left in an open transaction, for more than {_RUNNING_SECONDS:.0f} s",
            _running_lines(found["running"]),
        )
        self._section("Indexes that no statement has used", _index_lines(found["unused_indexes"]))
        self._section("Large tables that are read whole", _scan_lines(found["whole_reads"]))
        self._section("Dead rows that vacuum has not removed", _dead_lines(found["dead_rows"], is_on=is_autovacuum_on))

    def _section(self, title: str, lines: Iterable[str]) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(title))
        for line in lines:
            self.stdout.write(f"  {line}")
        self.stdout.write("")

    def _summarise(self, findings: int) -> None:
        if findings:
            self.stdout.write(
                self.style.WARNING(f"{counted(findings, 'finding')}. docs/runbook.md says what to do about each.")
            )
        else:
            self.stdout.write(self.style.SUCCESS("Nothing was found."))


def _statement_lines(source: StatementSource) -> list[str]:
    if source.missing:
        return [_HOW_TO_GET[source.missing]]
    lines = _table_of(source.statements) or ["None was counted yet."]
    if source.hidden:
        lines.append(
            f"{counted(source.hidden, 'statement')} of other roles are hidden; grant pg_read_all_stats to see them."
        )
    return lines


def _slow_lines(slow: Sequence[Statement], source: StatementSource) -> list[str]:
    unknown = "This needs pg_stat_statements."
    return _table_of(slow) or [unknown if source.missing else f"None that ran {_MIN_CALLS} times."]


def _table_of(statements: Sequence[Statement]) -> list[str]:
    heading = f"{'total':>12}{'calls':>12}{'each':>12}{'rows each':>12}  statement"
    rows = [
        f"{_duration(each.total_ms):>12}{each.calls:>12,}{_duration(each.mean_ms):>12}{each.rows_per_call:>12,.1f}  {_cut(each.text)}"
        for each in statements
    ]
    return [heading, *rows] if rows else []


def _running_lines(running: Sequence[RunningStatement]) -> list[str]:
    return [f"{_duration(each.seconds * 1000):>12}  {each.state}: {_cut(each.text)}" for each in running] or ["None."]


def _index_lines(indexes: Sequence[UnusedIndex]) -> list[str]:
    advice = "It costs each write and helps no read here. A replica may use it: look there, too, before it is dropped."
    broken = "Its build was broken off: it costs each write, and Postgres does not use it. Drop it and build it again."
    least = f"None of {_size(_MIN_INDEX_BYTES)} or more."
    return [
        f"{_size(each.size):>12}  {each.index} of {each.table}. {advice if each.is_valid else broken}"
        for each in indexes
    ] or [least]


def _scan_lines(reads: Sequence[WholeReads]) -> list[str]:
    return [
        f"{each.table} ({counted(each.rows, 'row')}, {_size(each.size)}) was read whole {counted(each.scans, 'time')},"
        f" {counted(each.rows_per_scan, 'row')} each. An index is probably missing."
        for each in reads
    ] or [f"None of {_MIN_ROWS:,} rows or more was read whole {_MIN_SCANS} times."]


def _dead_lines(tables: Sequence[DeadRows], *, is_on: bool) -> list[str]:
    lines = [] if is_on else ["Autovacuum is off: nothing removes dead rows. Turn autovacuum and track_counts on."]
    for each in tables:
        last = f"was vacuumed last on {format_instant(each.last_vacuum)}" if each.last_vacuum else "was never vacuumed"
        lines.append(
            f"{each.table} has {counted(each.dead, 'dead row')} besides {each.live:,} live ones, about {_size(each.size)};"
            f" vacuum should have begun at {each.begins_at:,}. It {last}. Look for a transaction that stays open."
        )
    return lines or [f"No table has {_MIN_ROWS:,} or more, and twice those at which vacuum begins."]


def _as_json(
    source: StatementSource, found: dict[str, Any], since: datetime | None, *, is_autovacuum_on: bool, findings: int
) -> str:
    body = {
        "counted_since": since,
        "findings": findings,
        "statements": {
            "source": None if source.missing else "pg_stat_statements",
            "missing": source.missing or None,
            "how_to_get": _HOW_TO_GET.get(source.missing),
            "hidden": source.hidden,
            "rows": [dataclasses.asdict(each) for each in source.statements],
        },
        "autovacuum": is_autovacuum_on,
        **{name: [dataclasses.asdict(each) for each in rows] for name, rows in found.items()},
    }
    return json.dumps(body, indent=2, default=clock.rfc3339, ensure_ascii=False)


def _duration(milliseconds: float) -> str:
    """Return a duration in the unit in which it reads best."""
    if milliseconds < 1_000:  # noqa: PLR2004 - a second
        return f"{milliseconds:,.1f} ms"
    return f"{milliseconds / 1_000:,.1f} s"


def _size(count: int) -> str:
    """Return a number of bytes in the unit in which it reads best."""
    size, units = float(count), iter(("bytes", "KiB", "MiB", "GiB"))
    unit = next(units)
    while size >= _KILO and (larger := next(units, "")):
        size, unit = size / _KILO, larger
    return f"{size:,.0f} {unit}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} …"


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds, such as 20")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_STATEMENTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MAX_STATEMENTS}")
    return int(text)
