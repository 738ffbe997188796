"""`manage.py import_settlements`: reads what the gateway paid out, from its API or from a file."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.events import Actor
from apps.core.management.teaching import add_examples
from apps.payments import selectors, services
from apps.payments.models import SettlementImport

_OPERATOR = Actor(kind="operator", id="import_settlements")


class Command(BaseCommand):
    help = (
        "Read a settlement report of the gateway and book it: each line clears what the gateway owed us, or stands in the queue of"
        " exceptions with its reason. Reading the same report again changes nothing; one that broke off goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py import_settlements", "today's report, from the gateway"),
                ("manage.py import_settlements --date 2026-11-24", "that of another day in India"),
                ("manage.py import_settlements --csv report.csv", "a downloaded report of any size, amounts in paise"),
            ],
        )
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the day, in India")
        source.add_argument("--csv", type=Path, metavar="FILE", help="a combined report that was downloaded")

    def handle(self, *args: Any, date: date | None, csv: Path | None, **options: Any) -> None:
        now = clock.now()
        try:
            report = self._read_file(csv) if csv else self._read_day(date or clock.ist_date(now))
        except BahiError as error:
            raise CommandError(error.text) from error
        except OSError as error:
            raise CommandError(f"{csv} cannot be read: {error.strerror}.") from error
        self._summarise(report)

    def _read_file(self, path: Path) -> SettlementImport:
        with path.open("rb") as stream:
            return services.import_settlement_file(
                stream=stream, name=path.name, actor=_OPERATOR, now=clock.now(), tell=self._show_progress
            )

    def _read_day(self, day: date) -> SettlementImport:
        asked = services.request_settlement_import(day=day, actor=_OPERATOR, now=clock.now())
        return services.import_settlements(import_id=asked.pk, now=clock.now(), tell=self._show_progress)

    def _show_progress(self, step: str, count: int) -> None:
        self.stderr.write(f"{count:,} lines {step}", ending="\r" if sys.stderr.isatty() else "\n")

    def _summarise(self, report: SettlementImport) -> None:
        self.stdout.write(
            f"{report.public_id}: {report.rows_read:,} rows read, {report.lines_added:,} lines added,"
            f" {report.exceptions_opened:,} exceptions opened."
        )
        for reason, count in selectors.count_open_exceptions().items():
            self.stdout.write(f"  open: {reason:<18} {count:>8,}")
