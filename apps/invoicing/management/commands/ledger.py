"""`manage.py ledger`: the books, an account, or everything that became of an order."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core import clock, money
from apps.core.errors import NotFound
from apps.core.management.teaching import add_examples
from apps.invoicing import selectors
from apps.payments import selectors as payments

_AT_A_TIME = 2000


class Command(BaseCommand):
    help = (
        "Show the books. Without options: the trial balance, every account with its debit or credit; the two sums are equal or"
        " the command exits 1. With --account: its entries, oldest first, each with the balance after it. With --order: the"
        " whole story of an order, which is its events, payments, attempts, refunds, documents and postings."
        " Amounts are rupees; in JSON they are paise, debits positive and credits negative. Nothing is written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py ledger", "the trial balance"),
                ("manage.py ledger --account customer_advances", "a statement with running balance"),
                ("manage.py ledger --account bank --last 20", "its last 20 entries"),
                ("manage.py ledger --order ORD-2627-000123", "what became of an order, and of its money"),
            ],
        )
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--account", metavar="CODE", help="a statement of this account, such as customer_advances")
        what.add_argument("--order", metavar="NUMBER", help="the story of this order, such as ORD-2627-000123")
        parser.add_argument("--last", type=int, metavar="N", help="of a statement, only the last N entries")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(
        self, *args: Any, account: str | None, order: str | None, last: int | None, as_json: bool, **options: Any
    ) -> None:
        if last is not None and (not account or last < 1):
            raise CommandError("--last is a number of entries, 1 or more, and goes with --account.")
        try:
            if account:
                self._statement(account, last, as_json)
            elif order:
                self._story(order, as_json)
            else:
                self._trial_balance(as_json)
        except NotFound as error:
            hint = "`ledger` lists the accounts." if account else "Numbers look like ORD-2627-000123."
            raise CommandError(f"{error.text} {hint}") from error

    def _trial_balance(self, as_json: bool) -> None:
        balances = payments.list_balances()
        total = sum(one.amount for one in balances)
        if as_json:
            accounts = [
                {"code": one.account.code, "name": one.account.name, "kind": one.account.kind, "amount": one.amount}
                for one in balances
            ]
            self._print({"accounts": accounts, "currency": "INR", "sum": total, "balances": total == 0})
        else:
            for one in balances:
                self.stdout.write(_two_sides(one.account.code, one.amount))
            debits = sum(one.amount for one in balances if one.amount > 0)
            credits = sum(-one.amount for one in balances if one.amount < 0)
            self.stdout.write(f"{'':<36}{money.rupees(debits):>20}{money.rupees(credits):>20}")
            if total:
                self.stdout.write(self.style.ERROR(f"The books are out by {money.rupees(total)}."))
            else:
                self.stdout.write(self.style.SUCCESS(f"{len(balances)} accounts; the books balance."))
        if total:
            raise SystemExit(1)

    def _statement(self, code: str, last: int | None, as_json: bool) -> None:
        opening, entries = payments.list_statement(code, last=last)
        balance = opening
        rows = []
        if not as_json:
            self.stdout.write(f"{code}, brought forward{money.rupees(opening):>20}")
        for entry in entries.iterator(chunk_size=_AT_A_TIME):
            balance += entry.amount
            if as_json:
                rows.append(
                    {
                        "at": entry.transaction.occurred_at,
                        "kind": entry.transaction.kind,
                        "description": entry.transaction.description,
                        "amount": entry.amount,
                        "balance": balance,
                    }
                )
            else:
                at = entry.transaction.occurred_at.astimezone(clock.IST)
                self.stdout.write(
                    f"{at:%Y-%m-%d %H:%M} {entry.transaction.kind:<20.20} {entry.transaction.description:<52.52}"
                    f"{money.rupees(entry.amount):>18}{money.rupees(balance):>18}"
                )
        if as_json:
            self._print({"account": code, "currency": "INR", "opening": opening, "entries": rows, "balance": balance})
        else:
            self.stdout.write(self.style.SUCCESS(f"{code} holds {money.rupees(balance)} (debits positive)."))

    def _story(self, number: str, as_json: bool) -> None:
        story = selectors.get_story(number)
        if as_json:
            self._print(story)
            return
        head = story["order"]
        self.stdout.write(
            f"{head['number']}  {head['status']}  total {money.rupees(head['total_amount'])}"
            f"  paid {money.rupees(head['paid_amount'])}  given back {money.rupees(head['refunded_amount'])}"
        )
        for title in ("events", "payments", "attempts", "refunds", "documents", "ledger"):
            self.stdout.write(f"\n{title} ({len(story[title])})")
            for row in story[title]:
                self.stdout.write("  " + "  ".join(_told(name, value) for name, value in row.items() if value != ""))
        debt = sum(row["amount"] for row in story["ledger"])
        self.stdout.write("")
        if debt:
            self.stdout.write(self.style.ERROR(f"The order's postings are out by {money.rupees(debt)}."))
            raise SystemExit(1)
        self.stdout.write(self.style.SUCCESS("The order's postings balance."))

    def _print(self, data: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(data, indent=2, default=_plain))


def _two_sides(code: str, amount: int) -> str:
    debit = money.rupees(amount) if amount > 0 else ""
    credit = money.rupees(-amount) if amount < 0 else ""
    return f"{code:<36}{debit:>20}{credit:>20}"


def _told(name: str, value: Any) -> str:
    if name.endswith("amount"):
        return f"{money.rupees(value):>14}"
    return f"{value.astimezone(clock.IST):%Y-%m-%d %H:%M:%S}" if hasattr(value, "astimezone") else str(value)


def _plain(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)
