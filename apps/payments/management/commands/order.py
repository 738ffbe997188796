"""`manage.py order replay`: the proof that the events of orders and of their money are the whole truth."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.errors import NotFound
from apps.core.management.teaching import add_examples
from apps.orders import selectors as orders
from apps.payments import services
from apps.payments.services import Replay

_SHOWN = 100


class Command(BaseCommand):
    help = (
        "Look into orders. `order replay` folds the events of an order, its payments, attempts and refunds from the first on"
        " and compares what comes out with the stored rows, field by field. It only reads, and may run at any time."
        " Exits 1 if a row is not what its events say, and names the row, the field and both values."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py order replay ORD-2627-000123", "one order and its money"),
                ("manage.py order replay --all", "every order, with progress; nothing is written"),
                ("manage.py order replay --all --json", "the same for a program"),
            ],
        )
        parser.add_argument("deed", choices=["replay"], help="what to do")
        parser.add_argument("number", nargs="?", help="the order's number, such as ORD-2627-000123")
        parser.add_argument("--all", action="store_true", dest="every", help="replay every order instead")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, deed: str, number: str | None, every: bool, as_json: bool, **options: Any) -> None:
        if every == bool(number):
            raise CommandError("Name one order, or say --all.")
        if number:
            try:
                replay = services.replay_order(order_id=orders.get_order_by_number(number).pk)
            except NotFound as error:
                raise CommandError(f"{error.text} Numbers look like ORD-2627-000123.") from error
        else:
            replay = services.replay_all_orders(on_batch=self._show_progress)

        if as_json:
            self.stdout.write(json.dumps({"holds": replay.holds, **asdict(replay)}, indent=2, default=str))
        else:
            self._report(replay)
        if not replay.holds:
            raise SystemExit(1)

    def _show_progress(self, replay: Replay) -> None:
        end = "\r" if sys.stderr.isatty() else "\n"
        self.stderr.write(f"{replay.rows['orders']:,} orders, {replay.events:,} events replayed", ending=end)

    def _report(self, replay: Replay) -> None:
        for one in replay.differences[:_SHOWN]:
            self.stdout.write(f"{one.order}  {one.subject} {one.id}  {one.field}")
            self.stdout.write(f"    the events say {one.told!r}")
            self.stdout.write(f"    stored is      {one.stored!r}")
        if len(replay.differences) > _SHOWN:
            self.stdout.write(f"and {len(replay.differences) - _SHOWN} more; --json has them all")

        rows = ", ".join(f"{count:,} {kind}" for kind, count in replay.rows.items())
        if replay.holds:
            self.stdout.write(self.style.SUCCESS(f"{replay.events:,} events give exactly what is stored: {rows}."))
        else:
            self.stdout.write(self.style.ERROR(f"{len(replay.differences)} fields differ in {rows}."))
