"""`manage.py reconcile`: asks the gateway about everything that is open."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.teaching import add_examples
from apps.payments import services
from apps.payments.services import Difference, Reconciliation

_SHOWN = 50


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=clock.IST)


class Command(BaseCommand):
    help = (
        "Ask the gateway about every payment, refund and settlement that is open, take in what it says, and look for money that"
        " should have been settled. Safe to run at any time. Exits 1 if something got no answer or does not agree."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py reconcile", "what is open"),
                ("manage.py reconcile --since 2026-11-20", "and all that began since then (Indian time)"),
                ("manage.py reconcile --against-sandbox --json", "hold the books against those of SANDBOX_URL"),
            ],
        )
        parser.add_argument("--since", type=_instant, metavar="WHEN", help="ask also about what is younger")
        parser.add_argument(
            "--against-sandbox",
            action="store_true",
            help="compare with the books of the sandbox that SANDBOX_URL names",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, since: datetime | None, against_sandbox: bool, as_json: bool, **options: Any) -> None:
        result = services.reconcile(now=clock.now(), since=since, tell=self._show_progress)
        try:
            differences = services.compare_with_sandbox() if against_sandbox else []
        except BahiError as error:
            raise CommandError(error.text) from error
        except services.GatewayFailure as error:
            raise CommandError(f"The sandbox did not give its books: {error}.") from error

        holds = result.is_clean and not differences
        if as_json:
            found = {"differences": [asdict(one) for one in differences]} if against_sandbox else {}
            self.stdout.write(json.dumps({"holds": holds, **asdict(result), **found}, indent=2))
        else:
            self._report(result, differences, against_sandbox=against_sandbox)
        if not holds:
            raise SystemExit(1)

    def _show_progress(self, kind: str, count: int) -> None:
        if sys.stderr.isatty() or count % 100 == 0:
            self.stderr.write(f"{count:,} {kind} asked about", ending="\r" if sys.stderr.isatty() else "\n")

    def _report(self, result: Reconciliation, differences: list[Difference], *, against_sandbox: bool) -> None:
        self.stdout.write(
            f"Asked about {result.payments:,} payments, {result.refunds:,} refunds, {result.settlements:,} settlements;"
            f" {result.unanswered:,} without an answer."
        )
        for reason, count in result.open_exceptions.items():
            self.stdout.write(self.style.WARNING(f"  open exception: {reason:<18} {count:>6,}"))
        for one in differences[:_SHOWN]:
            self.stdout.write(
                self.style.ERROR(
                    f"  {one.kind} {one.gateway_id}: ours {one.ours or 'nothing'}, theirs {one.theirs or 'nothing'}"
                )
            )
        if len(differences) > _SHOWN:
            self.stdout.write(f"  and {len(differences) - _SHOWN:,} more")
        if against_sandbox and not differences:
            self.stdout.write(self.style.SUCCESS("The books agree with the sandbox's."))
