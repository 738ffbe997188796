"""`manage.py rebuild_projections`: the tables of the dashboard and the reports, built again from all orders."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from apps.core import clock
from apps.core.management.operator_commands import OperatorCommand, Progress, add_examples, counted


class Command(OperatorCommand):
    help = (
        "Build the tables of the sales dashboard and the reports again from all orders, payments and refunds, in one transaction."
        " It may run at any time: the pages show the figures as they were until it ends, and orders go on. They are kept up to date"
        " by themselves, so that the result is the same, byte by byte; it is needed only if the audit says that they are wrong"
        " (INV-69, INV-69b and INV-69c). Exits 2 if it could not run; then nothing was changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(parser, [("manage.py rebuild_projections", "with progress on a terminal")])

    def handle(self, *args: Any, **options: Any) -> None:
        from apps.backoffice.services.projections import rebuild_projections

        progress = Progress(self.stderr)
        try:
            orders = rebuild_projections(
                now=clock.now(), on_batch=lambda so_far: progress.show(f"{so_far:,} orders counted")
            )
        finally:
            progress.end()
        self.stdout.write(self.style.SUCCESS(f"The projections are built from {counted(orders, 'order')}."))
