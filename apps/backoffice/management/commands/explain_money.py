"""`manage.py explain_money`: where each captured rupee is, how old it is, and how much of it is explained three ways."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_instant
from apps.core.management.operator_commands import (
    MISMATCH,
    OperatorCommand,
    Progress,
    add_examples,
    counted,
    parse_instant,
)
from apps.core.money import rupees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.backoffice.selectors.money_states import MoneyStates
    from apps.backoffice.sql.money_states import MoneyLine

_ROW = "{:<12}{:>10}{:>20}{:>18}{:>18}{:>18}{:>18}{:>18}"
_LINE = "{:<20}{:<24}{:<26}{:>18}{:>18}  {}"
_DAY_LENGTH = len("2026-11-20")


def parse_as_of(text: str) -> datetime:
    """Read the instant of `--as-of`: a day means its end in India, or now if it is today."""
    at = parse_instant(text)
    if len(text.strip()) == _DAY_LENGTH:
        at = min(at + timedelta(days=1) - timedelta(milliseconds=1), clock.now())
    return at


class Command(OperatorCommand):
    help = (
        "Say where each captured rupee is: captured and in no settlement yet, settled, on the bank's statement, deducted in"
        " settlements, refunded, disputed or in suspense, by age in working days. Each is in one state, and the states sum to what"
        " was captured. The goal: 99.99 % of what was captured four working days ago is explained three ways, by our attempt, the"
        " gateway's report and the bank's line. --lines lists the payments of a state. Nothing is written. Exits 1 if the goal is"
        " missed or the states do not sum to what was captured, 2 if it could not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        from apps.backoffice.selectors.money_states import STATES, UNEXPLAINED

        add_examples(
            parser,
            [
                ("manage.py explain_money", "all captured money, now"),
                ("manage.py explain_money --since 2026-11-01", "what was captured since then"),
                ("manage.py explain_money --as-of 2026-11-20", "as the books and events had it at the end of that day"),
                ("manage.py explain_money --lines settled", "the payments whose money is on its way to the bank"),
                ("manage.py explain_money --lines unexplained", "what misses the goal"),
                ("manage.py explain_money --json", "the same for a program, amounts in paise"),
            ],
        )
        parser.add_argument("--as-of", type=parse_as_of, metavar="WHEN", help="a day (its end) or a time in India")
        parser.add_argument(
            "--since", type=parse_instant, metavar="WHEN", help="only what was captured since this day or time in India"
        )
        parser.add_argument("--lines", choices=[*STATES, UNEXPLAINED], help="list the payments of this state")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self,
        *args: Any,
        as_of: datetime | None,
        since: datetime | None,
        lines: str | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        from apps.backoffice.selectors import money_states as selectors
        from apps.core.long_queries import long_queries

        at = as_of or clock.now()
        if since is not None and since > at:
            raise self.fail("--since is after --as-of.")
        if lines is not None:
            with long_queries():
                self._list(selectors.iterate_money_lines(state=lines, at=at, since=since), as_json=as_json)
            return
        with long_queries():
            found = selectors.get_money_states(at=at, since=since)
        if as_json:
            self.stdout.write(json.dumps(as_object(found), indent=2))
        else:
            self._report(found)
        if found.difference or not found.is_goal_met:
            raise SystemExit(MISMATCH)

    def _report(self, found: MoneyStates) -> None:
        from apps.backoffice.selectors.money_states import BUCKETS, STATES

        period = f" since {format_instant(found.since)}" if found.since else ""
        self.stdout.write(
            f"On {format_instant(found.at)} {rupees(found.captured_amount)} had been captured{period}, in"
            f" {counted(found.captured_count, 'payment')}. Ages are working days since the capture."
        )
        self.stdout.write(_ROW.format("State", "Payments", "Amount", *(f"{name} days" for name in BUCKETS)))
        for state in found.states:
            ages = [rupees(state.by_age[name]) for name in BUCKETS]
            self.stdout.write(_ROW.format(state.name, f"{state.count:,}", rupees(state.amount), *ages))
        total = sum(state.amount for state in found.states)
        self.stdout.write(_ROW.format("Sum", "", rupees(total), *[""] * len(BUCKETS)))
        for state in found.states:
            self.stdout.write(f"  {state.name}: {STATES[state.name]}.")
            if state.unattributed_amount:
                self.stdout.write(f"    {rupees(state.unattributed_amount)} more there belongs to no payment.")
        self._report_goal(found)

    def _report_goal(self, found: MoneyStates) -> None:
        from apps.backoffice.messages import states_differ

        if found.difference:
            self.stdout.write(self.style.ERROR(states_differ(found.difference)))
        text = found.goal_text
        self.stdout.write(self.style.SUCCESS(text) if found.is_goal_met else self.style.ERROR(text))
        if found.explained_amount != found.due_amount:
            self.stdout.write("`explain_money --lines unexplained` lists what is not explained.")

    def _list(self, lines: Iterator[MoneyLine], *, as_json: bool) -> None:
        progress = Progress(self.stderr)
        self.has_written = as_json
        self.stdout.write('{"lines": [' if as_json else _LINE.format(*_LINE_HEADS))
        count = amount = 0
        for line in lines:
            count, amount = count + 1, amount + line.amount
            if as_json:
                self.stdout.write((", " if count > 1 else "") + json.dumps(line_object(line)))
            else:
                self.stdout.write(_format_line(line))
            progress.show(f"{count:,} payments")
        progress.end()
        if as_json:
            self.stdout.write(f'], "count": {count}, "amount": {amount}}}')
        else:
            self.stdout.write(f"Payments: {count:,}; in this state: {rupees(amount)}.")


_LINE_HEADS = ("Order", "Payment", "Captured on", "Captured", "In this state", "Settlement")


def _format_line(line: MoneyLine) -> str:
    at = format_instant(line.captured_at)
    captured, amount = rupees(line.captured_amount), rupees(line.amount)
    return _LINE.format(line.order_number, line.gateway_payment_id, at, captured, amount, line.settlement or "none")


def as_object(found: MoneyStates) -> dict[str, Any]:
    """Return the figures for a program, amounts in paise."""
    return {
        "holds": not found.difference,
        "goal_met": found.is_goal_met,
        "as_of": clock.rfc3339(found.at),
        "since": clock.rfc3339(found.since) if found.since else None,
        "captured_count": found.captured_count,
        "captured_amount": found.captured_amount,
        "states": {
            state.name: {
                "count": state.count,
                "amount": state.amount,
                "by_age": dict(state.by_age),
                "unattributed_amount": state.unattributed_amount,
            }
            for state in found.states
        },
        "explained": {
            "due_count": found.due_count,
            "due_amount": found.due_amount,
            "count": found.explained_count,
            "amount": found.explained_amount,
            "per_million": found.explained_per_million,
        },
    }


def line_object(line: MoneyLine) -> dict[str, Any]:
    """Return a payment for a program, amounts in paise."""
    return {
        "order": line.order_number,
        "gateway_payment_id": line.gateway_payment_id,
        "captured_at": clock.rfc3339(line.captured_at),
        "captured_amount": line.captured_amount,
        "amount": line.amount,
        "settlement": line.settlement,
    }
