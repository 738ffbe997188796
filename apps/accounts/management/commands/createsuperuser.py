"""`manage.py createsuperuser`: an operator makes the first administrator, under the rules that all staff have."""

import getpass
import os
from typing import Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.errors import BahiError
from apps.core.management.operator_commands import OperatorCommand, add_examples, program_name

#: As Django's own command calls it.
_PASSWORD_VARIABLE = "DJANGO_SUPERUSER_PASSWORD"  # noqa: S105 - the name of a variable


class Command(OperatorCommand):
    help = (
        "Make an administrator, who logs in at /admin/ and gives other staff their roles. Django's own command would take any"
        " password and record nothing. With --noinput the password comes from DJANGO_SUPERUSER_PASSWORD."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py createsuperuser", "asks for e-mail address, name and password"),
                (
                    "DJANGO_SUPERUSER_PASSWORD=... manage.py createsuperuser --noinput --email asha@example.in",
                    "for scripts",
                ),
            ],
        )
        parser.add_argument("--email", default="", help="the e-mail address that the administrator logs in with")
        parser.add_argument("--name", default="", help="their name, as other staff see it")
        parser.add_argument(
            "--noinput", "--no-input", action="store_true", dest="no_input", help="do not prompt for anything"
        )

    def handle(self, *args: Any, email: str, name: str, no_input: bool, **options: Any) -> None:
        from apps.accounts import selectors
        from apps.accounts.services import staff
        from apps.accounts.states import Role
        from apps.core.events import Actor

        if not selectors.is_role_set_up(Role.ADMIN):
            raise self.fail(f"There are no roles yet. Run `{program_name()} setup_reference_data` first.")
        if no_input:
            password = self._given_password(email)
        else:
            email = email or input("E-mail address: ")
            name = name or input("Name: ")
            password = self._typed_password()
        try:
            user = staff.create_staff(
                email=email,
                name=name,
                password=password,
                role=Role.ADMIN,
                actor=Actor(kind="operator", id="createsuperuser"),
                now=clock.now(),
            )
        except BahiError as error:
            raise self.fail(f"{error.text} Nobody was added.") from error
        self.stdout.write(f"{user.email} is an administrator and can log in at /admin/.")

    def _given_password(self, email: str) -> str:
        if not email:
            raise self.fail("With --noinput, --email is needed. Nobody was added.")
        password = os.environ.get(_PASSWORD_VARIABLE, "")
        if not password:
            raise self.fail(f"With --noinput, {_PASSWORD_VARIABLE} must hold the password. Nobody was added.")
        return password

    def _typed_password(self) -> str:
        password = getpass.getpass(prompt="Password: ")
        if password != getpass.getpass(prompt="Password again: "):
            raise self.fail("The two passwords differ. Nobody was added.")
        return password
