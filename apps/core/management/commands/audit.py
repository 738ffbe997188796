"""`manage.py audit`: the proof that no order and no rupee is lost or doubled."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import audit, clock


class Command(BaseCommand):
    help = (
        "Check every invariant against one snapshot of the database and print each with its result and time. "
        "Exits 1 if one is violated, with the rows that break it. Safe to run at any time; it only reads."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", action="append", default=[], metavar="ID", help="check this one (id or name); may be repeated"
        )
        parser.add_argument(
            "--list", action="store_true", dest="only_list", help="say what is checked, and check nothing"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
        parser.add_argument("--keep", action="store_true", help="also store the result, as the scheduled audit does")

    def handle(self, *args: Any, only: list[str], only_list: bool, as_json: bool, keep: bool, **options: Any) -> None:
        try:
            if only_list:
                self._list(only, as_json)
                return
            report = audit.run(now=clock.now(), only=only, on_result=None if as_json else self._print)
        except audit.NoSuchInvariant as error:
            raise CommandError(f"{error.text} `audit --list` shows their names.") from error

        if keep:
            audit.keep(report)
        if as_json:
            self.stdout.write(json.dumps(_as_json(report), default=str, indent=2))
        else:
            self._summarise(report)
        if report.violated:
            raise SystemExit(1)

    def _list(self, only: list[str], as_json: bool) -> None:
        invariants = audit.list_invariants(only)
        if as_json:
            entries = [{"id": one.id, "name": one.name, "statement": one.statement} for one in invariants]
            self.stdout.write(json.dumps(entries, indent=2))
            return
        for one in invariants:
            self.stdout.write(f"{one.id:<9} {one.name:<44} {one.statement}")

    def _print(self, result: audit.Result) -> None:
        mark = self.style.SUCCESS("holds   ") if result.holds else self.style.ERROR("VIOLATED")
        self.stdout.write(f"{mark} {result.invariant.id:<9} {result.invariant.name:<44} {result.milliseconds:7.1f} ms")
        if result.error:
            self.stdout.write(f"         could not be checked: {result.error}")
        for row in result.rows:
            self.stdout.write("         " + ", ".join(f"{name}={value}" for name, value in row.items()))
        if result.count > len(result.rows):
            self.stdout.write(f"         and {result.count - len(result.rows)} more")

    def _summarise(self, report: audit.Report) -> None:
        checked = len(report.results)
        if report.violated:
            self.stdout.write(self.style.ERROR(f"{len(report.violated)} of {checked} invariants are violated."))
        else:
            self.stdout.write(self.style.SUCCESS(f"All {checked} invariants hold ({report.milliseconds:.0f} ms)."))


def _as_json(report: audit.Report) -> dict[str, Any]:
    return {
        "started_at": clock.rfc3339(report.started_at),
        "checked": len(report.results),
        "violated": len(report.violated),
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
