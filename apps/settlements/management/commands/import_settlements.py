"""`manage.py import_settlements`: imports a settlement report of the gateway, from its API or from a file."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples, parse_day
from apps.settlements.gateways.report_formats import DATE_ORDERS

if TYPE_CHECKING:
    from apps.settlements.models import SettlementImport

#: How long the command waits for a worker that imports the same report, and how often it checks.
_WAIT_SECONDS, _LOOK_AGAIN_SECONDS = 600, 0.5


class Command(OperatorCommand):
    help = (
        "Import a settlement report of the gateway: each line clears what the gateway owes us, or opens an exception with its"
        " reason. Importing the same report again changes nothing; an interrupted import continues where it stopped. Exits 1 if"
        " this import opened exceptions, 2 if the report could not be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py import_settlements", "today's report, from the gateway"),
                ("manage.py import_settlements --date 2026-11-24", "the report of another day in India"),
                (
                    "manage.py import_settlements --csv report.csv",
                    "a report of any size, downloaded from the dashboard",
                ),
                (
                    "manage.py import_settlements --csv report.csv --date-order day-first",
                    "if its dates are ambiguous",
                ),
                ("manage.py import_settlements --csv report.csv --json", "the same for a program"),
            ],
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--date", type=parse_day, metavar="YYYY-MM-DD", help="the day, in India")
        source.add_argument(
            "--csv", type=Path, metavar="FILE", help="a downloaded Settlement Recon, Combined or Settlements report"
        )
        parser.add_argument(
            "--date-order",
            choices=DATE_ORDERS,
            help="which comes first in the dates of the file; needed only if the file is ambiguous",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self, *args: Any, date: date | None, csv: Path | None, date_order: str | None, as_json: bool, **options: Any
    ) -> None:
        from apps.payments.services import GatewayFailure

        progress = Progress(self.stderr)
        try:
            report = self._read(date, csv, date_order, progress)
        except BahiError as error:
            raise self.fail(error.text) from error
        except GatewayFailure as error:
            raise self.fail(
                f"The gateway did not return the report: {error}. Run the command again later; it continues where it stopped."
            ) from error
        except OSError as error:
            raise self.fail(f"{csv} cannot be read: {error.strerror}.") from error
        finally:
            progress.end()

        if as_json:
            self.stdout.write(json.dumps(_summary(report), indent=2))
        else:
            self._summarise(report)
        if report.exceptions_opened:
            raise SystemExit(MISMATCH)

    def _read(
        self, date: date | None, csv: Path | None, date_order: str | None, progress: Progress
    ) -> SettlementImport:
        from apps.core.events import Actor
        from apps.settlements.services import report_imports as services
        from apps.settlements.services.import_claims import ImportInProgress

        operator = Actor(kind="operator", id="import_settlements")

        def on_progress(step: str, count: int) -> None:
            progress.show(f"{count:,} lines {step}")

        if csv is not None:
            with csv.open("rb") as stream:
                return services.import_settlement_file(
                    stream=stream,
                    name=csv.name,
                    actor=operator,
                    now=clock.now(),
                    on_progress=on_progress,
                    date_order=date_order,
                )
        now = clock.now()
        asked = services.request_settlement_import(day=date or clock.ist_date(now), actor=operator, now=now)
        try:
            return services.import_settlements(import_id=asked.pk, now=clock.now(), on_progress=on_progress)
        except ImportInProgress:
            # A worker received the same request and started first.
            return self._wait_for(asked, progress)

    def _wait_for(self, asked: SettlementImport, progress: Progress) -> SettlementImport:
        from apps.settlements import selectors
        from apps.settlements.services.import_claims import ImportInProgress
        from apps.settlements.services.report_imports import ReportUnreadable
        from apps.settlements.states import ImportStatus

        ends = time.monotonic() + _WAIT_SECONDS
        while (report := selectors.get_settlement_import(asked.pk)).status == ImportStatus.WAITING:
            if time.monotonic() > ends:
                raise ImportInProgress
            progress.show(f"{report.rows_read:,} lines read by a worker")
            time.sleep(_LOOK_AGAIN_SECONDS)
        if report.status == ImportStatus.FAILED:
            raise ReportUnreadable(report.error)
        return report

    def _summarise(self, report: SettlementImport) -> None:
        from apps.ledger import selectors as ledger

        self.stdout.write(
            f"{report.public_id}: {report.rows_read:,} rows read, {report.lines_added:,} lines added,"
            f" {report.exceptions_opened:,} exceptions opened."
        )
        for reason, count in ledger.count_open_exceptions().items():
            self.stdout.write(self.style.WARNING(f"  open: {reason:<18} {count:>8,}"))


def _summary(report: SettlementImport) -> dict[str, Any]:
    from apps.ledger import selectors as ledger

    return {
        "id": report.public_id,
        "status": report.status,
        "rows_read": report.rows_read,
        "lines_added": report.lines_added,
        "exceptions_opened": report.exceptions_opened,
        "open_exceptions": ledger.count_open_exceptions(),
    }
