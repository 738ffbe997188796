"""`manage.py import_settlements`: imports a settlement report of the gateway, from its API or from a file."""

from __future__ import annotations

import json
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples, counted, parse_day
from apps.settlements.gateways.report_formats import DATE_ORDERS
from apps.settlements.messages import already_imported, exceptions_opened

if TYPE_CHECKING:
    from apps.settlements.models import SettlementImport

#: How long the command waits for a worker that imports the same report, and how often it checks.
_WAIT_SECONDS, _LOOK_AGAIN_SECONDS = 600, 0.5


class Command(OperatorCommand):
    help = (
        "Import a settlement report of the gateway: each line clears what the gateway owes us, or opens an exception with its"
        " reason. Importing the same report again changes nothing; an interrupted import continues where it stopped. Exits 1 if"
        " this import opened exceptions, 2 if the report could not be read; a file that was imported already adds nothing and exits 0."
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

        progress, now = Progress(self.stderr), clock.now()
        try:
            report = self._read(date, csv, date_order, progress, now)
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

        # A day's report is read again each time; a worker may have completed it.
        was_imported = csv is not None and report.completed_at != now
        if as_json:
            self.stdout.write(json.dumps(_summary(report, was_imported=was_imported), indent=2))
        else:
            self._summarise(report, was_imported=was_imported)
        if report.exceptions_opened and not was_imported:
            raise SystemExit(MISMATCH)

    def _read(
        self, date: date | None, csv: Path | None, date_order: str | None, progress: Progress, now: datetime
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
                    now=now,
                    on_progress=on_progress,
                    date_order=date_order,
                )
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

    def _summarise(self, report: SettlementImport, *, was_imported: bool) -> None:
        from apps.ledger import selectors as ledger

        if was_imported and report.completed_at is not None:
            self.stdout.write(already_imported(report.public_id, report.completed_at))
        else:
            read, added = counted(report.rows_read, "row"), counted(report.lines_added, "line")
            opened = exceptions_opened(report.exceptions_opened)
            self.stdout.write(f"{report.public_id}: {read} read, {added} added. {opened}")
        for reason, count in ledger.count_open_exceptions().items():
            self.stdout.write(self.style.WARNING(f"  open: {reason:<18} {count:>8,}"))


def _summary(report: SettlementImport, *, was_imported: bool) -> dict[str, Any]:
    from apps.ledger import selectors as ledger

    return {
        "id": report.public_id,
        "status": report.status,
        "rows_read": report.rows_read,
        "lines_added": 0 if was_imported else report.lines_added,
        "exceptions_opened": 0 if was_imported else report.exceptions_opened,
        "was_imported": was_imported,
        "open_exceptions": ledger.count_open_exceptions(),
    }
