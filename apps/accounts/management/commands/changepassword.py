"""`manage.py changepassword EMAIL`: an operator sets somebody's password, under the rules that everybody has."""

import getpass
from typing import Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import OperatorCommand, add_examples


class Command(OperatorCommand):
    help = "Set a person's password and end all their sessions. Django's own command would leave the sessions of apps alive."

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(parser, [("manage.py changepassword asha@example.in", "asks for the new password, twice")])
        parser.add_argument("email", help="the e-mail address or phone number that the person logs in with")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        from apps.accounts import selectors
        from apps.accounts.services import staff
        from apps.core.events import Actor

        user = selectors.find_user_by_contact(email)
        if user is None:
            raise self.fail(f"Nobody logs in with {email}.")
        password = getpass.getpass(prompt="New password: ")
        if password != getpass.getpass(prompt="New password again: "):
            raise self.fail("The two passwords differ. Nothing is changed.")
        try:
            staff.set_password(
                user_id=user.pk, password=password, actor=Actor(kind="operator", id="changepassword"), now=clock.now()
            )
        except BahiError as error:
            raise self.fail(f"{error.text} Nothing is changed.") from error
        self.stdout.write(f"The password of {user} has been changed. All their sessions have ended.")
