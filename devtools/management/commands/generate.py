"""`manage.py generate`: a shop of any size in an empty database, to measure what growth does."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.management.operator_commands import (
    INTERRUPTED,
    OperatorCommand,
    Progress,
    add_examples,
    counted,
    parse_instant,
    program_name,
)

if TYPE_CHECKING:
    from devtools.generate.estimates import Estimate
    from devtools.generate.rehearsal import Repertoire
    from devtools.generate.shop import Plan

#: A series has ten million numbers a year, and nearly every order has a document.
_MOST_ORDERS, _MOST_PRODUCTS = 5_000_000, 1_000_000
#: With fewer, the money of a day would not cover its refunds.
_FEWEST_A_DAY = 5
_STEPS = {
    "rows": "orders written", "index": "indexes made", "analyse": "tables analysed", "foreign key": "foreign keys checked",
    "document": "document files named",
}  # fmt: skip
_EXAMPLES = [
    ("manage.py generate --orders 10000", "ten thousand orders of the last six months"),
    ("manage.py generate --orders 1000000 --products 20000 --dry-run", "only say how much disk and time it takes"),
    ("manage.py generate --orders 300 --products 50 --days 15 --seed 7", "a small shop, the same one each time"),
    ("manage.py audit", "the proof afterwards"),
]


def _count(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isdecimal() else 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most:,}")
        return number

    return parse


class Command(OperatorCommand):
    """Fills an empty database with a generated shop."""

    help = (
        "Fill an empty database with a shop of any size, to measure what growth does to queries, jobs, the audit and the disk. Each"
        " order is a copy of one that is played through the services first: unpaid, paid, cancelled, sent, closed, refunded; with its"
        " events, messages, documents, postings, settlements and lines of the bank's statement. `audit` finds it clean."
        " It is all or nothing: stopped at any point, the database is as empty as before. The files of documents are one small page"
        " under many names. For local use only: it is not there with production settings."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(parser, _EXAMPLES)
        self._add_size(parser)
        parser.add_argument(
            "--seed", type=int, default=1, help="another number makes another shop of the same kind (default: 1)"
        )
        parser.add_argument(
            "--until",
            type=parse_instant,
            metavar="TIME",
            help="when the last order is placed, about (default: now); an audit then misses what the jobs should have done since",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what it would take, and change nothing")
        parser.add_argument(
            "--yes", action="store_true", help="go on although the database or its disk is on another machine"
        )

    def _add_size(self, parser: CommandParser) -> None:
        parser.add_argument("--orders", type=_count(_MOST_ORDERS), required=True, help="how many orders")
        parser.add_argument(
            "--products",
            type=_count(_MOST_PRODUCTS),
            default=1_000,
            help="how many products they are of (default: 1000)",
        )
        parser.add_argument(
            "--customers",
            type=_count(_MOST_ORDERS),
            help="how many customers placed them (default: one per four orders)",
        )
        parser.add_argument(
            "--days", type=_count(3_650), help="over how many days (default: 180, or fewer so that each has 20 orders)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if settings.IS_STRICT:
            raise self.fail(
                "This command invents orders, invoices and money. It does not run with production settings."
            )
        from devtools.generate import estimates, run
        from devtools.generate.documents import DocumentsNotWritten
        from devtools.generate.plays import PlayFailed

        self._is_confirmed, self._progress = bool(options["yes"]), Progress(self.stderr)
        plan = self._make_plan(options)
        self._require_empty()
        began = time.monotonic()
        # A program that ends us is like Ctrl-C: what was begun is taken back.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            repertoire = self._rehearse(plan)
            estimate = estimates.estimate(plan, repertoire)
            self._say(estimate.text)
            self._require_disk(estimate)
            if options["dry_run"]:
                self._say("nothing was changed, as --dry-run asks for no more.")
                return
            result = run.fill(plan, repertoire, on_step=self._show)
        except (PlayFailed, run.NotEmpty, run.NotLoaded, DocumentsNotWritten) as failure:
            raise self.fail(f"{failure} Nothing was changed.") from failure
        except KeyboardInterrupt:
            self.stderr.write(
                "\nStopped. Nothing was changed: the database is as empty as before. Run the command again to start over."
            )
            raise SystemExit(INTERRUPTED) from None
        finally:
            signal.signal(signal.SIGTERM, before)
            self._progress.end()
        self._summarise(plan, result.bytes, time.monotonic() - began)

    def _make_plan(self, options: dict[str, Any]) -> Plan:
        from devtools.generate.shop import Plan

        orders: int = options["orders"]
        days = options["days"] or max(1, min(180, orders // 20))
        if days > 1 and orders < days * _FEWEST_A_DAY:
            raise self.fail(
                f"{counted(orders, 'order')} cannot be of {days} days: give at least {_FEWEST_A_DAY} orders a day."
            )
        until: datetime = options["until"] or clock.now()
        second = int(until.timestamp())
        return Plan(
            orders=orders, products=options["products"], customers=options["customers"] or max(1, orders // 4),
            begin=second - days * 86_400, until=second, seed=options["seed"],
        )  # fmt: skip

    def _require_empty(self) -> None:
        from apps.tax.models import TaxRate
        from devtools.generate import documents, estimates, run
        from devtools.generate.snapshots import list_tables

        try:
            run.require_empty(list_tables())
        except run.NotEmpty as found:
            raise self.fail(
                f"This database has a shop already: there are rows in {found}. Nothing was changed. The generator fills only a"
                " database that was migrated and is empty otherwise: give the DATABASE_URL of a new one."
            ) from found
        if not TaxRate.objects.exists():
            raise self.fail(f"The database has no reference data; run `{program_name()} setup_reference_data` first.")
        if not (estimates.is_local() or self._is_confirmed):
            raise self.fail(
                "The database is on another machine, where others may use it. If it is meant to be filled, add --yes."
            )
        try:
            documents.require_directory()
        except documents.DocumentsNotWritten as refusal:
            raise self.fail(str(refusal)) from refusal

    def _rehearse(self, plan: Plan) -> Repertoire:
        from devtools.generate.rehearsal import rehearse

        self._say("playing one order of each kind ...")
        return rehearse(
            products=plan.products,
            until=datetime.fromtimestamp(plan.until, tz=UTC),
            on_progress=lambda done, total: self._progress.show(f"generate: {done} of {total} kinds of orders played"),
        )

    def _require_disk(self, estimate: Estimate) -> None:
        if estimate.is_enough is False:
            raise self.fail(
                "There is not enough disk for it, and a full disk stops every database on it. Nothing was changed. Free some, or"
                " generate fewer orders."
            )
        if estimate.is_enough is None and not self._is_confirmed:
            raise self.fail(
                "How much disk the database has cannot be seen from here. If it is enough, add --yes. Nothing was changed."
            )

    def _show(self, step: str, done: int, total: int) -> None:
        self._progress.show(f"generate: {done:,} of {total:,} {_STEPS[step]}")

    def _summarise(self, plan: Plan, size: int, seconds: float) -> None:
        from devtools.generate.estimates import format_bytes, format_seconds

        self._say(
            f"{counted(plan.orders, 'order')}, {counted(plan.products, 'product')}, {counted(plan.customers, 'customer')}:"
            f" {format_bytes(size)} in {format_seconds(seconds)}"
        )
        self._say(f"`{program_name()} audit` proves it.")

    def _say(self, line: str) -> None:
        self._progress.end()
        self.stdout.write(f"generate: {line}")
        self.stdout.flush()
