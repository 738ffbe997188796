"""`manage.py setup_reference_data`: what every installation needs before its first order."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils.module_loading import import_string

from apps.core import clock
from apps.core.management.operator_commands import OperatorCommand, add_examples


class Command(OperatorCommand):
    help = "Create or update staff roles, tax rates and ledger accounts. Safe to run again; the release step does so every time."

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(parser, [("manage.py setup_reference_data", "after each `migrate`")])

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        for step in import_string(settings.REFERENCE_DATA):
            step(now=clock.now())
            if verbosity:
                self.stdout.write(f"reference data of {step.__module__.split('.')[1]}: up to date")
