"""`manage.py audit`: the proof that no order and no rupee is lost or doubled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_instant
from apps.core.management.operator_commands import FAILED, MISMATCH, OperatorCommand, add_examples

if TYPE_CHECKING:
    from apps.core import audit


class Command(OperatorCommand):
    help = (
        "Check every invariant against one snapshot of the database and print each with its result and time as its check ends."
        " Exits 0 if all hold, 1 if one is violated, with the rows that break it, and 2 if the audit could not run, or if one of its"
        " checks could not and none is violated. Safe to run at any time; it only reads, and --keep stores the result."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py audit", "every invariant"),
                ("manage.py audit --list", "what each of them says, without checking it"),
                ("manage.py audit --only INV-10 --only INV-62", "two of them, with the rows that break them"),
                ("manage.py audit --recent", "what has changed in the last two hours, in seconds at any size"),
                (
                    "manage.py audit --replica",
                    "the copy of the books that the replica has, without any load on the database",
                ),
                ("manage.py audit --connections 8", "all of a large shop, on eight processors"),
                ("manage.py audit --json", "the same for a program"),
            ],
        )
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="ID",
            help="check only this invariant (id or name); may be repeated",
        )
        parser.add_argument(
            "--list", action="store_true", dest="only_list", help="list the invariants without checking them"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
        parser.add_argument(
            "--recent",
            action="store_true",
            help="check what has changed in the last two hours, without the invariants that have to read all",
        )
        parser.add_argument(
            "--replica",
            action="store_true",
            help="audit the replica (DATABASE_REPLICA_URL) instead of the database, once it has all that the database has now",
        )
        parser.add_argument(
            "--connections",
            type=int,
            choices=range(1, 17),
            metavar="N",
            help="how many connections to the database share the work of a whole audit, 1 to 16: all read the same snapshot, and each"
            " takes a processor of the database server (default: 2)",
        )
        parser.add_argument("--keep", action="store_true", help="also store the result, as the scheduled audit does")

    def handle(
        self,
        *args: Any,
        only: list[str],
        only_list: bool,
        recent: bool,
        as_json: bool,
        keep: bool,
        replica: bool,
        connections: int | None = None,
        **options: Any,
    ) -> None:
        from apps.core import audit, audit_runs
        from apps.core.replica import ReplicaUnavailable

        if replica and (recent or keep):
            raise self.fail("--replica audits a copy as a whole: leave out --recent, which writes, and --keep.")
        if keep and only:
            raise self.fail("--keep stores what is known of all invariants, and --only checks a part: leave one out.")
        now = clock.now()
        try:
            if only_list:
                self._list(audit.list_invariants(only), as_json=as_json)
                return
            report = audit.run(
                now=now,
                only=only,
                since=now - audit.RECENT if recent else None,
                on_result=None if as_json else self._print,
                is_of_replica=replica,
                connections=connections or audit.CONNECTIONS,
            )
        except audit.InvariantNotFound as error:
            raise self.fail(f"{error.text} `audit --list` shows their names.") from error
        except ReplicaUnavailable as error:
            raise self.fail(f"{error} Audit the database: leave out --replica.") from error

        if keep:
            audit_runs.store_report(report)
        if as_json:
            self.stdout.write(json.dumps(_as_json(report), default=str, indent=2))
        else:
            self._summarise(report)
        if report.failing:
            raise SystemExit(MISMATCH if report.violated else FAILED)

    def _list(self, invariants: list[audit.Invariant], *, as_json: bool) -> None:
        if as_json:
            entries = [{"id": one.id, "name": one.name, "statement": one.statement} for one in invariants]
            self.stdout.write(json.dumps(entries, indent=2))
            return
        for one in invariants:
            self.stdout.write(f"{one.id:<9} {one.name:<44} {one.statement}")

    def _print(self, result: audit.Result) -> None:
        failed = self.style.ERROR("NOT RUN " if result.error else "VIOLATED")
        mark = self.style.SUCCESS("holds   ") if result.holds else failed
        self.stdout.write(f"{mark} {result.invariant.id:<9} {result.invariant.name:<44} {result.milliseconds:7.1f} ms")
        if result.error:
            self.stdout.write(f"         could not be checked: {result.error}")
        for row in result.rows:
            self.stdout.write("         " + ", ".join(f"{name}={value}" for name, value in row.items()))
        if result.count > len(result.rows):
            self.stdout.write(f"         and {result.count - len(result.rows)} more")

    def _summarise(self, report: audit.Report) -> None:
        checked, violated = len(report.results), len(report.violated)
        if violated:
            fate = "is violated" if violated == 1 else "are violated"
            self.stdout.write(self.style.ERROR(f"{_count(violated, checked)} {fate}."))
        if report.unchecked:
            self.stdout.write(self.style.ERROR(f"{_count(len(report.unchecked), checked)} could not be checked."))
        if not report.failing:
            subject = "The invariant holds" if checked == 1 else f"All {checked} invariants hold"
            if report.since:
                subject += f" for what has changed since {format_instant(report.since)}"
            self.stdout.write(self.style.SUCCESS(f"{subject} ({report.elapsed_milliseconds:.0f} ms)."))


def _count(number: int, checked: int) -> str:
    return "The invariant" if checked == 1 else f"{number} of {checked} invariants"


def _as_json(report: audit.Report) -> dict[str, Any]:
    return {
        "started_at": clock.rfc3339(report.started_at),
        "since": clock.rfc3339(report.since) if report.since else None,
        "milliseconds": round(report.elapsed_milliseconds, 1),
        "holds": not report.failing,
        "checked": len(report.results),
        "violated": len(report.violated),
        "unchecked": len(report.unchecked),
        "results": [
            {
                "id": result.invariant.id,
                "name": result.invariant.name,
                "statement": result.invariant.statement,
                "holds": result.holds,
                "milliseconds": round(result.milliseconds, 1),
                "count": result.count,
                "rows": result.rows,
                "error": result.error,
            }
            for result in report.results
        ],
    }
