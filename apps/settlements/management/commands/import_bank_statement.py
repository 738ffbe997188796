"""`manage.py import_bank_statement`: imports a file with a bank's statements, line by line, into the books."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_day
from apps.core.errors import BahiError
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples, counted
from apps.core.money import rupees
from apps.settlements.messages import already_imported, exceptions_opened

if TYPE_CHECKING:
    from apps.settlements.gateways.bank_statements import Inspection
    from apps.settlements.models import BankStatementImport


_MAPPING = """
a mapping file, for a CSV with the columns Txn Date, Details, Cheque/UTR, Withdrawal, Deposit and Closing Balance:
  name = "Co-operative"            # the bank, as imports and refusals name it
  account = "4455667788"           # if the file does not name it
  date_order = "day-first"         # or month-first; needed only if its dates can be read both ways
  decimal = "."                    # or ","
  [columns]                        # date, description, and either debit and credit or amount are needed
  date = "Txn Date"
  description = "Details"
  reference = "Cheque/UTR"
  debit = "Withdrawal"             # instead of debit and credit, amount = "..." for one column with - or Dr and Cr;
  credit = "Deposit"               # if these stand in a column of their own, also direction = "..."
  balance = "Closing Balance"      # name it if there is one: it shows missing lines
The page docs/money.md says what each key means."""


class Command(OperatorCommand):
    help = (
        "Import a statement of a bank account: each line brings a settlement to the bank, shows a refund or a charge, or is in"
        " suspense with an exception. The same file or line again changes nothing; an interrupted import continues where it"
        " stopped. Exits 1 if this import opened exceptions, 2 if the file could not be imported; a file that was imported already adds"
        " nothing and exits 0."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py import_bank_statement july.csv --account 50100012345678", "HDFC, ICICI, SBI or Axis"),
                ("manage.py import_bank_statement july.sta", "MT940 or camt.053; they name the account"),
                ("manage.py import_bank_statement july.csv --mapping bank.toml", "the CSV of another bank"),
                ("manage.py import_bank_statement july.csv --dry-run", "only look at what the file is"),
            ],
        )
        parser.epilog = f"{parser.epilog}\n{_MAPPING}"
        parser.add_argument("file", type=Path, metavar="FILE", help="a CSV, MT940 or camt.053 file")
        parser.add_argument("--account", default="", help="the account's number, if the file does not name it")
        parser.add_argument(
            "--mapping",
            type=Path,
            metavar="FILE",
            help="for the CSV of another bank: which column is which, in TOML or JSON (an example is below)",
        )
        parser.add_argument("--dry-run", action="store_true", help="check the file and book nothing")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self, *args: Any, file: Path, account: str, mapping: Path | None, dry_run: bool, as_json: bool, **options: Any
    ) -> None:
        progress, now = Progress(self.stderr), clock.now()
        try:
            said = mapping.read_bytes() if mapping else None
            with file.open("rb") as stream:
                if dry_run:
                    seen = self._inspect(stream, account, said)
                    self._show(_as_object(seen), _describe(seen), as_json=as_json)
                    return
                report = self._import(stream, file.name, account, said, progress, now=now)
        except BahiError as error:
            raise self.fail(error.text) from error
        except OSError as error:
            raise self.fail(f"{error.filename or file} cannot be read: {error.strerror}.") from error
        finally:
            progress.end()

        was_imported = report.completed_at != now
        self._show(
            _summary(report, was_imported=was_imported), _report(report, was_imported=was_imported), as_json=as_json
        )
        if report.exceptions_opened and not was_imported:
            raise SystemExit(MISMATCH)

    def _inspect(self, stream: Any, account: str, mapping: bytes | None) -> Inspection:
        from apps.settlements.services.bank_statements import inspect_bank_statement

        return inspect_bank_statement(stream=stream, account=account, mapping=mapping, now=clock.now())

    def _import(
        self, stream: Any, name: str, account: str, mapping: bytes | None, progress: Progress, *, now: datetime
    ) -> BankStatementImport:
        from apps.core.events import Actor
        from apps.settlements.services.bank_statements import import_bank_statement

        return import_bank_statement(
            stream=stream,
            name=name,
            actor=Actor(kind="operator", id="import_bank_statement"),
            now=now,
            account=account,
            mapping=mapping,
            on_progress=lambda step, count: progress.show(f"{count:,} lines {step}"),
        )

    def _show(self, facts: dict[str, Any], sentences: list[str], *, as_json: bool) -> None:
        self.stdout.write(json.dumps(facts, indent=2, default=str) if as_json else "\n".join(sentences))


def _as_object(seen: Inspection) -> dict[str, Any]:
    return {
        "layout": seen.layout,
        "account": seen.account,
        "lines": seen.lines,
        "first_on": seen.first_on,
        "last_on": seen.last_on,
        "closing_balance": seen.closing_balance,
    }


def _describe(seen: Inspection) -> list[str]:
    lines = counted(seen.lines, "line")
    days = f" from {format_day(seen.first_on)} to {format_day(seen.last_on)}" if seen.first_on and seen.last_on else ""
    return [
        f"The file is a statement ({seen.layout}) of the account {seen.account} with {lines}{days}.",
        "It states no balance."
        if seen.closing_balance is None
        else f"Its closing balance is {rupees(seen.closing_balance)}.",
        "It can be imported; nothing was booked.",
    ]


def _summary(report: BankStatementImport, *, was_imported: bool) -> dict[str, Any]:
    return {
        "id": report.public_id,
        "status": report.status,
        "layout": report.layout,
        "account": report.account,
        "rows_read": report.rows_read,
        "lines_added": 0 if was_imported else report.lines_added,
        "exceptions_opened": 0 if was_imported else report.exceptions_opened,
        "was_imported": was_imported,
    }


def _report(report: BankStatementImport, *, was_imported: bool) -> list[str]:
    if was_imported and report.completed_at is not None:
        return [already_imported(report.public_id, report.completed_at)]
    read, added = counted(report.rows_read, "line"), counted(report.lines_added, "line")
    return [
        f"{report.public_id}: {report.layout} of the account {report.account}, {read} read, {added} added.",
        exceptions_opened(report.exceptions_opened),
    ]
