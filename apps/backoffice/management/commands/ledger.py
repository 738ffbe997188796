"""`manage.py ledger`: the books, an account, or everything that became of an order."""

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import datetime
from difflib import get_close_matches
from typing import Any, cast

from django.core.management.base import CommandParser
from django.db import InterfaceError, OperationalError

from apps.core import clock, money
from apps.core.errors import NotFound
from apps.core.management.operator_commands import (
    DATABASE_UNAVAILABLE,
    FAILED,
    MISMATCH,
    OperatorCommand,
    add_examples,
    first_line,
)

_AT_A_TIME = 2000
#: Of what stands in columns in an order's history.
_WIDTHS = {"type": 34, "version": 3, "id": 31, "status": 18, "kind": 18, "account": 30, "gateway_id": 24, "number": 14}


class Command(OperatorCommand):
    help = (
        "Show the trial balance, an account, or all that became of an order. Without options: the trial balance, every account"
        " with its debit or credit; the two sums are equal or the command exits 1. With --account: its entries, oldest first,"
        " each with the balance after it. With --order: the whole history of an order, which is its events, payments, attempts,"
        " refunds, disputes, documents and postings. Amounts are rupees; in JSON they are paise, debits positive and credits"
        " negative. Nothing is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py ledger", "the trial balance"),
                ("manage.py ledger --account customer_advances", "a statement with running balance"),
                ("manage.py ledger --account bank --last 20", "its last 20 entries"),
                ("manage.py ledger --order ORD-2627-000123", "the history of an order and its payments"),
                ("manage.py ledger --json", "any of them for a program; amounts in paise"),
            ],
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--account", metavar="CODE", help="a statement of this account, such as customer_advances")
        what.add_argument("--order", metavar="NUMBER", help="the history of this order, such as ORD-2627-000123")
        parser.add_argument("--last", type=int, metavar="N", help="of a statement, only the last N entries")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self, *args: Any, account: str | None, order: str | None, last: int | None, as_json: bool, **options: Any
    ) -> None:
        if last is not None and (not account or last < 1):
            raise self.fail("--last is a number of entries, 1 or more, and goes with --account.")
        try:
            if account:
                self._statement(account, last, as_json=as_json)
            elif order:
                self._print_order_history(order, as_json=as_json)
            else:
                self._trial_balance(as_json=as_json)
        except NotFound as error:
            hint = _hint_for(account) if account else "Numbers look like ORD-2627-000123."
            raise self.fail(f"{error.text} {hint}") from error

    def _trial_balance(self, *, as_json: bool) -> None:
        from apps.ledger import selectors as ledger

        balances = ledger.list_balances()
        total = sum(one.amount for one in balances)
        if as_json:
            accounts = [
                {"code": one.account.code, "name": one.account.name, "kind": one.account.kind, "amount": one.amount}
                for one in balances
            ]
            self._print({"accounts": accounts, "currency": "INR", "sum": total, "balances": total == 0})
        else:
            self.stdout.write(f"{'account':<36}{'debit':>20}{'credit':>20}")
            for one in balances:
                self.stdout.write(_two_sides(one.account.code, one.amount))
            debit = sum(one.amount for one in balances if one.amount > 0)
            credit = sum(-one.amount for one in balances if one.amount < 0)
            self.stdout.write(f"{'':<36}{money.rupees(debit):>20}{money.rupees(credit):>20}")
            if total:
                self.stdout.write(self.style.ERROR(f"The books are out by {money.rupees(total)}."))
            else:
                self.stdout.write(self.style.SUCCESS(f"{len(balances)} accounts; the books balance."))
        if total:
            raise SystemExit(MISMATCH)

    def _statement(self, code: str, last: int | None, *, as_json: bool) -> None:
        from apps.ledger import selectors as ledger

        opening, entries = ledger.get_account_statement(code, last=last)
        rows = cast("Generator[Any, None, None]", entries.iterator(chunk_size=_AT_A_TIME))
        with closing(rows):
            if as_json:
                self._stream_statement(code, opening, rows)
            else:
                self._print_statement(code, opening, rows)

    def _print_statement(self, code: str, opening: int, entries: Iterator[Any]) -> None:
        balance = opening
        self.stdout.write(f"{code}, brought forward{money.rupees(opening):>20}")
        for entry in entries:
            balance += entry.amount
            at = entry.transaction.occurred_at.astimezone(clock.IST)
            self.stdout.write(
                f"{at:%Y-%m-%d %H:%M} {entry.transaction.kind:<20.20} {entry.transaction.description:<52.52}"
                f"{money.rupees(entry.amount):>18}{money.rupees(balance):>18}"
            )
        self.stdout.write(self.style.SUCCESS(f"{code} holds {money.rupees(balance)} (debits positive)."))

    def _stream_statement(self, code: str, opening: int, entries: Iterator[Any]) -> None:
        """Write one JSON object, an entry a line, so that a statement of any length needs no memory; it is closed in any case."""
        balance, end = opening, ""
        self.has_written = True
        self.stdout.write(
            f'{{"account": {json.dumps(code)}, "currency": "INR", "opening": {opening}, "entries": [', ending=""
        )
        separator = "\n"
        try:
            for entry in entries:
                balance += entry.amount
                self.stdout.write(separator + json.dumps(_row_of(entry, balance), default=_to_json), ending="")
                separator = ",\n"
            end = f'"balance": {balance}'
        except (OperationalError, InterfaceError) as failure:
            error = {"code": DATABASE_UNAVAILABLE, "message": f"The database broke off: {first_line(failure)}"}
            end = f'"error": {json.dumps(error)}'
            raise SystemExit(FAILED) from failure
        finally:
            self.stdout.write(f"\n], {end}}}" if end else "\n]}")

    def _print_order_history(self, number: str, *, as_json: bool) -> None:
        from apps.backoffice.selectors import order_history as selectors

        history = selectors.get_order_history(number)
        if as_json:
            self._print(history)
            return
        head = history["order"]
        self.stdout.write(
            f"{head['number']}  {head['status']}  total {money.rupees(head['total_amount'])}"
            f"  paid {money.rupees(head['paid_amount'])}  refunded {money.rupees(head['refunded_amount'])}"
        )
        for title in ("events", "payments", "attempts", "refunds", "disputes", "documents", "ledger"):
            self.stdout.write(f"\n{title} ({len(history[title])})")
            for row in history[title]:
                self.stdout.write("  " + "  ".join(_format_value(name, value) for name, value in row.items()).rstrip())
        imbalance = sum(row["amount"] for row in history["ledger"])
        self.stdout.write("")
        if imbalance:
            self.stdout.write(self.style.ERROR(f"The order's postings are out by {money.rupees(imbalance)}."))
            raise SystemExit(MISMATCH)
        self.stdout.write(self.style.SUCCESS("The order's postings balance."))

    def _print(self, data: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(data, indent=2, default=_to_json))


def _row_of(entry: Any, balance: int) -> dict[str, Any]:
    return {
        "at": entry.transaction.occurred_at,
        "kind": entry.transaction.kind,
        "description": entry.transaction.description,
        "amount": entry.amount,
        "balance": balance,
    }


def _hint_for(account: str) -> str:
    from apps.ledger import selectors as ledger

    codes = [one.account.code for one in ledger.list_balances()]
    near = (
        get_close_matches(account, codes, n=1, cutoff=0.75) or [code for code in codes if code.startswith(account)][:1]
    )
    return f"Did you mean {near[0]}? `ledger` lists them all." if near else "`ledger` lists the accounts."


def _two_sides(code: str, amount: int) -> str:
    debit = money.rupees(amount) if amount > 0 else ""
    credit = money.rupees(-amount) if amount < 0 else ""
    return f"{code:<36}{debit:>20}{credit:>20}"


def _format_value(name: str, value: Any) -> str:
    if name.endswith("amount"):
        return f"{money.rupees(value):>14}"
    if name in _WIDTHS:
        return f"{value:<{_WIDTHS[name]}}"
    return f"{value.astimezone(clock.IST):%Y-%m-%d %H:%M:%S}" if hasattr(value, "astimezone") else str(value)


def _to_json(value: Any) -> str:
    if isinstance(value, datetime):
        return clock.rfc3339(value)
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
