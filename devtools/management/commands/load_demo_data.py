"""`manage.py load_demo_data`: a shop to try things out in, on one machine."""

import time

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.management.operator_commands import OperatorCommand, add_examples
from devtools import demo_accounts


class Command(OperatorCommand):
    """Fills the database with the demo shop."""

    help = (
        "Fill the database with the demo shop: a GST registration, about 1,000 products with stock, and staff who can log "
        "in with a published password. For local use only. Running it again adds what is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(parser, [("manage.py load_demo_data", "after `migrate`; `make run` does it by itself")])

    def handle(self, *_args: object, **_options: object) -> None:
        if settings.IS_STRICT:
            raise self.fail("This command adds log-ins with known passwords. It does not run with production settings.")
        from devtools.demo_data import shop

        began = time.monotonic()
        now = clock.now()
        call_command("setup_reference_data", verbosity=0)

        registration, is_new = shop.ensure_registration(now=now)
        self._say(f"registration {registration.gstin}, {registration.city}: {'added' if is_new else 'present already'}")
        self._say("products: adding what is missing ...")
        made = shop.load_shop(now=now)
        self._say(
            f"{made.categories} categories, {made.products} products, {made.variants} variants, {made.units} units of stock: added"
        )
        for login in demo_accounts.STAFF:
            self._say(f"{login.role} {login.email}: {self._ensure_staff(login)}")
        self._say(f"done in {time.monotonic() - began:.1f} s")

    def _ensure_staff(self, login: demo_accounts.StaffAccount) -> str:
        from apps.accounts.models import User
        from apps.accounts.services import create_staff
        from apps.core.events import SYSTEM

        if User.objects.filter(email=login.email).exists():
            return "present already"
        role = login.role.replace(" ", "_")
        create_staff(
            email=login.email,
            name=f"Demo {login.role}",
            password=login.password,
            role=role,
            actor=SYSTEM,
            now=clock.now(),
        )
        return f"added, password {login.password}"

    def _say(self, line: str) -> None:
        self.stdout.write(f"demo data: {line}")
        self.stdout.flush()
