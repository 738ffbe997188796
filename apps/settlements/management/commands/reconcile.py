"""`manage.py reconcile`: queries the gateway about everything that is open."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples, parse_instant

if TYPE_CHECKING:
    from apps.settlements.services.reconciliation import Reconciliation
    from apps.settlements.services.sandbox_diff import Difference

_SHOWN = 50


class Command(OperatorCommand):
    help = (
        "Check every open payment, refund and dispute with the gateway, find disputes that no webhook reported, import the"
        " settlements that are missing, and open exceptions for money that should have been settled. Safe to run at any time, to"
        " repeat and to interrupt. Exits 1 if a query got no response or something does not agree, 2 if it could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py reconcile", "what is open, and the settlements of yesterday and today"),
                ("manage.py reconcile --since 2026-11-20", "and everything created since then (Indian time)"),
                ("manage.py reconcile --against-sandbox", "then compare the books with those of SANDBOX_URL"),
                ("manage.py reconcile --against-sandbox --json", "the same for a program"),
            ],
        )
        parser.add_argument(
            "--since",
            type=parse_instant,
            metavar="WHEN",
            help="also check what was created since: 2026-11-20, or with a time",
        )
        parser.add_argument(
            "--against-sandbox",
            action="store_true",
            help="compare payments, fees, refunds, disputes and settlements with the books of the sandbox, both ways",
        )
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print one JSON object, amounts in paise"
        )

    def handle(self, *args: Any, since: datetime | None, against_sandbox: bool, as_json: bool, **options: Any) -> None:
        from apps.settlements.gateways.sandbox_books import SandboxBooksUnavailable
        from apps.settlements.services import reconciliation, sandbox_diff

        progress = Progress(self.stderr)
        try:
            if against_sandbox:
                sandbox_diff.check_sandbox_configured()
            result = reconciliation.reconcile(
                now=clock.now(),
                since=since,
                on_progress=lambda kind, count: progress.show(f"{count:,} {kind} checked"),
            )
            differences = sandbox_diff.compare_with_sandbox() if against_sandbox else []
        except BahiError as error:
            raise self.fail(error.text) from error
        except SandboxBooksUnavailable as error:
            raise self.fail(f"The sandbox did not return its books: {error}.") from error
        finally:
            progress.end()

        holds = result.is_clean and not differences
        if as_json:
            found = {"differences": [asdict(one) for one in differences]} if against_sandbox else {}
            self.stdout.write(json.dumps({"holds": holds, **asdict(result), **found}, indent=2))
        else:
            self._report(result, differences, against_sandbox=against_sandbox)
        if not holds:
            raise SystemExit(MISMATCH)

    def _report(self, result: Reconciliation, differences: list[Difference], *, against_sandbox: bool) -> None:
        self.stdout.write(
            f"Checked {result.payments:,} payments, {result.refunds:,} refunds, {result.disputes:,} disputes and"
            f" {result.settlements:,} settlements; imported {result.reports:,} days' reports."
        )
        self.stdout.write(
            f"New: {result.new_disputes:,} disputes, {result.new_lines:,} settled lines,"
            f" {result.missing_lines:,} lines that are missing, {result.overdue_receivables:,} receivables that are overdue."
        )
        for reason, count in result.open_exceptions.items():
            self.stdout.write(self.style.WARNING(f"  open exception: {reason:<18} {count:>6,}"))
        if result.unanswered or result.not_attempted:
            text = (
                f"{result.unanswered:,} got no response, and {result.not_attempted:,} were not checked because the gateway had"
                " stopped responding. Run the command again later. Nothing was changed without a response."
            )
            self.stdout.write(self.style.ERROR(text))
        elif result.is_clean:
            self.stdout.write(self.style.SUCCESS("The gateway responded to all queries, and no exception is open."))
        for one in differences[:_SHOWN]:
            self.stdout.write(
                self.style.ERROR(
                    f"  {one.kind} {one.gateway_id}: ours {one.ours or 'nothing'}, theirs {one.theirs or 'nothing'}"
                )
            )
        if len(differences) > _SHOWN:
            self.stdout.write(f"  and {len(differences) - _SHOWN:,} more; --json has them all")
        if against_sandbox and not differences:
            self.stdout.write(self.style.SUCCESS("The books agree with the sandbox's."))
