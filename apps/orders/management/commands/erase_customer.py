"""`manage.py erase_customer`: a customer has asked to be erased (DPDP Act 2023, section 12)."""

import json
from typing import Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.dates import format_day
from apps.core.errors import BahiError
from apps.core.management.operator_commands import OperatorCommand, add_examples

_PREVIEW = """\
Customer {id} can be erased for good:
  erased   name, phone, e-mail address, postal addresses, codes and devices; all sessions end
  erased   names, addresses, notes and cancellation reasons of their orders; recipients and texts of messages to them; the payer of
           their payments and the notes of their refunds
  kept     invoices and credit notes with the buyer on them, amounts, and each order's state and GSTIN: tax law demands it
  kept     what gateways have sent us, and what staff have written: see docs/personal-data.md
Nothing was erased. Run the command again with --yes to erase."""


class Command(OperatorCommand):
    help = (
        "Erase a customer who has asked for it. Without --yes it says what would be erased and what is kept, and changes nothing."
        " Refuses while one of their orders waits for payment or delivery, may be paid late, has a refund that is open or money that is"
        " disputed, under review or to be refunded,"
        " or has been confirmed for less than ERASURE_HOLD_DAYS."
        " Exits 0 if it is done (or was before), 2 if it cannot be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py erase_customer cus_01jf3z8k4qe7tv2w9x0y1z2a3b", "what would be erased"),
                ('manage.py erase_customer cus_01jf3z8k4qe7tv2w9x0y1z2a3b --yes --reason "E-mail of 21 Nov"', "erase"),
            ],
        )
        parser.add_argument("customer", help="the customer's id, as the admin shows it")
        parser.add_argument("--yes", action="store_true", help="erase; it cannot be undone")
        parser.add_argument("--reason", default="", help="how the customer asked, without personal data")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, customer: str, yes: bool, reason: str, as_json: bool, **options: Any) -> None:
        from apps.accounts import selectors as accounts

        user = accounts.find_user(customer)
        if user is None:
            raise self.fail(f"There is no customer {customer}. Ids look like cus_01jf3z8k4qe7tv2w9x0y1z2a3b.")
        if yes or user.erased_at is None:
            user = self._erase(user, reason=reason) if yes else self._check(user)
        if as_json:
            erased_at = clock.rfc3339(user.erased_at) if user.erased_at else None
            self.stdout.write(json.dumps({"customer_id": user.public_id, "erased_at": erased_at}))
        elif user.erased_at is not None:
            self.stdout.write(f"Customer {user.public_id} was erased on {format_day(clock.ist_date(user.erased_at))}.")
        else:
            self.stdout.write(_PREVIEW.format(id=user.public_id))

    def _check(self, user: Any) -> Any:
        from apps.orders.services import erasure

        try:
            erasure.check_erasable(customer_id=user.pk, now=clock.now())
        except BahiError as error:
            raise self.fail(f"{error.text} Nothing was erased.") from error
        return user

    def _erase(self, user: Any, *, reason: str) -> Any:
        from apps.core.events import Actor
        from apps.orders.services import erasure

        operator = Actor(kind="operator", id="erase_customer")
        try:
            return erasure.erase_customer(customer_id=user.pk, actor=operator, reason=reason, now=clock.now())
        except BahiError as error:
            raise self.fail(f"{error.text} Nothing was erased.") from error
