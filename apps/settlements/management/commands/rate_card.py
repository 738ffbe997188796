"""`manage.py rate_card`: imports or shows what the gateway may charge by contract."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_day
from apps.core.errors import BahiError
from apps.core.management.operator_commands import OperatorCommand, add_examples, parse_day

if TYPE_CHECKING:
    from apps.settlements.models import FeeRate

_GATEWAY = "razorpay"


class Command(OperatorCommand):
    help = (
        "The contracted rate card of the gateway. `rate_card import FILE` adds the rows of a CSV file that are not in force already,"
        " all or none; a row of the same conditions, amounts and first day corrects an older one, and `withdrawn` set to yes takes it"
        " out."
        " `rate_card show` lists what is in force. Afterwards `audit_fees` judges the settled fees. Exits 2 if the file cannot be"
        " read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py rate_card import rates.csv", "add or correct rates; the columns are named if one is wrong"),
                ("manage.py rate_card show", "every rate that stands"),
                ("manage.py rate_card show --on 2026-11-20", "the rates of one day"),
                ("manage.py rate_card show --json", "the same for a program, amounts in paise"),
            ],
        )
        parser.add_argument("action", choices=["import", "show"], help="import a file, or show the rates")
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the rate card as CSV, for import")
        parser.add_argument("--on", type=parse_day, metavar="YYYY-MM-DD", help="show the rates of this day in India")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self, *args: Any, action: str, file: Path | None, on: date | None, as_json: bool, **options: Any
    ) -> None:
        from apps.settlements import selectors

        if action == "import" and file is None:
            raise self.fail("Name the CSV file with the rates: rate_card import FILE.")
        if action == "show" and file is not None:
            raise self.fail(f"rate_card show takes no file. To add the rates of {file}: rate_card import {file}.")
        added = self._import(file) if file is not None else []
        rates = selectors.list_fee_rates(gateway=_GATEWAY, on=on)

        if as_json:
            added_ids = {"added": [one.public_id for one in added]} if action == "import" else {}
            self.stdout.write(json.dumps({**added_ids, "rates": [_as_json(rate) for rate in rates]}, indent=2))
            return
        if action == "import":
            self.stdout.write(f"Rates added: {len(added):,}. Rates in force or to come: {len(rates):,}.")
            if added:
                self.stdout.write("Run audit_fees to judge the fees that are settled already.")
            return
        for rate in rates:
            self.stdout.write(_as_line(rate))
        if not rates:
            is_empty = not selectors.list_fee_rates(gateway=_GATEWAY)
            found = (
                "The rate card is empty."
                if on is None or is_empty
                else f"No rate of the rate card has {format_day(on)} in its period."
            )
            self.stdout.write(f"{found} Import rates with `rate_card import FILE`.")

    def _import(self, file: Path) -> list[FeeRate]:
        from apps.core.events import Actor
        from apps.settlements.services import fee_rates

        try:
            with file.open(encoding="utf-8-sig", newline="") as lines:
                return fee_rates.import_rate_card(
                    lines=lines, actor=Actor(kind="operator", id="rate_card"), now=clock.now()
                )
        except BahiError as error:
            raise self.fail(f"{error.text} Nothing was imported.") from error
        except OSError as error:
            raise self.fail(f"{file} cannot be read: {error.strerror}.") from error


def _as_line(rate: FeeRate) -> str:
    from apps.settlements.services.fee_rates import describe_band, describe_charge

    conditions = [rate.get_method_display(), rate.network, rate.funding]
    if rate.is_international is not None:
        conditions.append("international" if rate.is_international else "domestic")
    conditions.append(describe_band(rate))
    period = f"{rate.valid_from} to {rate.valid_to or 'open'}"
    return f"{period:<25}{' '.join(one for one in conditions if one):<45}  {describe_charge(rate)}"


def _as_json(rate: FeeRate) -> dict[str, Any]:
    from apps.settlements.services.fee_rates import terms_of

    values = {
        name: value.isoformat() if isinstance(value, date) else value for name, value in vars(terms_of(rate)).items()
    }
    return {"id": rate.public_id, **values}
