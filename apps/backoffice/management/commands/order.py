"""`manage.py order replay`: the proof that the events of orders and of their money are the whole truth."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core.errors import NotFound
from apps.core.management.operator_commands import MISMATCH, OperatorCommand, Progress, add_examples

if TYPE_CHECKING:
    from apps.backoffice.services.event_replay import Replay

_SHOWN = 100


class Command(OperatorCommand):
    help = (
        "Rebuild orders from their events, and name each row that differs. `order replay` applies the events of an order, its"
        " payments, attempts, refunds, disputes, documents and shipments from the first on and compares what comes out with the"
        " stored rows, field by field; with --all also those of settlements, imports and exceptions. It only reads, and may run at"
        " any time. Exits 1 if a row is not what its events say, and names the row, the field and both values; 2 if it could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py order replay ORD-2627-000123", "one order, its money and its documents"),
                ("manage.py order replay --all", "everything, with progress; nothing is written"),
                ("manage.py order replay --all --json", "the same for a program"),
            ],
        )
        parser.add_argument("action", choices=["replay"], help="the action")
        parser.add_argument("number", nargs="?", help="the order's number, such as ORD-2627-000123")
        parser.add_argument("--all", action="store_true", dest="every", help="replay every order instead")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, action: str, number: str | None, every: bool, as_json: bool, **options: Any) -> None:
        from apps.backoffice.services import event_replay as services
        from apps.orders import selectors as orders

        if every == bool(number):
            raise self.fail("Give the number of one order, or --all.")
        if number:
            try:
                replay = services.replay_order(order_id=orders.get_order_by_number(number).pk)
            except NotFound as error:
                raise self.fail(f"{error.text} Numbers look like ORD-2627-000123.") from error
        else:
            replay = self._replay_everything()

        if as_json:
            self.stdout.write(json.dumps({"holds": replay.is_consistent, **asdict(replay)}, indent=2, default=str))
        else:
            self._report(replay)
        if not replay.is_consistent:
            raise SystemExit(MISMATCH)

    def _replay_everything(self) -> Replay:
        from apps.backoffice.services import event_replay as services

        progress = Progress(self.stderr)
        try:
            return services.replay_everything(
                on_batch=lambda so_far: progress.show(
                    f"{so_far.rows.get('orders', 0):,} orders, {so_far.events:,} events replayed"
                )
            )
        finally:
            progress.end()

    def _report(self, replay: Replay) -> None:
        for one in replay.differences[:_SHOWN]:
            self.stdout.write(f"{one.order or 'no order'}  {one.subject} {one.id}  {one.field}")
            self.stdout.write(f"    the events say {one.replayed!r}")
            self.stdout.write(f"    stored is      {one.stored!r}")
        if replay.difference_count > _SHOWN:
            self.stdout.write(f"and {replay.difference_count - _SHOWN:,} more; --json has the first thousand")

        rows = ", ".join(_counted(count, kind) for kind, count in replay.rows.items())
        if replay.is_consistent:
            verb = "gives" if replay.events == 1 else "give"
            events = _counted(replay.events, "events")
            self.stdout.write(self.style.SUCCESS(f"{events} {verb} exactly what is stored: {rows}."))
        else:
            verb = "differs" if replay.difference_count == 1 else "differ"
            fields = _counted(replay.difference_count, "fields")
            self.stdout.write(self.style.ERROR(f"{fields} {verb} in {rows}."))


def _counted(count: int, plural: str) -> str:
    return f"{count:,} {plural if count != 1 else plural.removesuffix('s')}"
