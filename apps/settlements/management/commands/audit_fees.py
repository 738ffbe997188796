"""`manage.py audit_fees`: compares each settled fee with the contracted rate card."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples, parse_instant
from apps.core.money import rupees

if TYPE_CHECKING:
    from apps.settlements.services.fee_audit import FeeAudit
    from apps.settlements.sql.fee_audit import FeesOfMonth

_ROW = "{:<10}{:<15}{:>10}{:>18}{:>18}{:>18}{:>18}{:>10}"


class Command(OperatorCommand):
    help = (
        "Compare each settled fee and the GST in it with the contracted rate card, to the paisa. An overcharge opens an exception"
        " with the sum to claim; an undercharge and a line without a rate are only counted. Running it again changes nothing unless"
        " the rate card has changed. Exits 1 if claims are open, 2 if it could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py audit_fees", "every settled fee"),
                ("manage.py audit_fees --since 2026-11-01", "the fees that were settled since then"),
                ("manage.py audit_fees --json", "the same for a program, amounts in paise"),
            ],
        )
        parser.add_argument(
            "--since", type=parse_instant, metavar="WHEN", help="only settlements since this day or time in India"
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, since: datetime | None, as_json: bool, **options: Any) -> None:
        from apps.settlements import selectors
        from apps.settlements.services import fee_audit

        progress = Progress(self.stderr)
        try:
            done = fee_audit.audit_fees(
                now=clock.now(), since=since, on_progress=lambda count: progress.show(f"{count:,} lines judged")
            )
        except BahiError as error:
            raise self.fail(f"{error.text} Import it with `rate_card import FILE`.") from error
        finally:
            progress.end()

        found = selectors.list_fees_by_month(first_month=clock.ist_date(since).replace(day=1) if since else None)
        claimed = sum(one.open_amount for one in found)
        if as_json:
            months = [{**asdict(one), "month": f"{one.month:%Y-%m}"} for one in found]
            self.stdout.write(json.dumps({"holds": not claimed, **asdict(done), "months": months}, indent=2))
        else:
            self._report(done, found, claimed)
        if claimed:
            raise SystemExit(MISMATCH)

    def _report(self, done: FeeAudit, found: list[FeesOfMonth], claimed: int) -> None:
        self.stdout.write(
            f"Lines judged: {done.lines:,}; results that are new: {done.changed:,}; claims opened: {done.claims_opened:,};"
            f" claims closed because the rate card has changed: {done.claims_closed:,}."
        )
        head = ("Month", "Method", "Lines", "Charged", "Overcharged", "Still claimed", "Undercharged", "No rate")
        self.stdout.write(_ROW.format(*head))
        for one in found:
            amounts = (one.charged_amount, one.overcharged_amount, one.open_amount, one.undercharged_amount)
            self.stdout.write(
                _ROW.format(
                    f"{one.month:%b %Y}", one.method or "-", f"{one.lines:,}", *map(rupees, amounts), f"{one.no_rate:,}"
                )
            )
        if claimed:
            self.stdout.write(
                self.style.WARNING(
                    f"{rupees(claimed)} is to be claimed from the gateway; each claim is an open exception."
                )
            )
        else:
            self.stdout.write(self.style.SUCCESS("No fee is above the rate card, or every claim is settled."))
