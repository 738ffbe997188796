"""`manage.py relay`: turns events in the outbox into handler runs and hands them to the workers."""

import signal
import threading
from typing import Any

from django.core.management.base import CommandParser

from apps.core.management.operator_commands import OperatorCommand, add_examples


class Command(OperatorCommand):
    help = (
        "Turn outbox rows into handler runs and hand them to the workers, until stopped. "
        "Any number may run in parallel. Without the broker, events wait in Postgres and nothing is lost. Without the database it "
        "waits for it; with --once it exits 2."
    )

    logs_to_stderr = False

    def add_arguments(self, parser: CommandParser) -> None:
        add_examples(
            parser,
            [
                ("manage.py relay", "as the Procfile runs it, until stopped"),
                ("manage.py relay --once", "what is waiting now"),
            ],
        )
        parser.add_argument(
            "--poll", type=float, default=0.05, help="seconds between two looks while events come (default 0.05)"
        )
        parser.add_argument("--once", action="store_true", help="process what is waiting now, then exit")

    def handle(self, *args: Any, poll: float, once: bool, **options: Any) -> None:
        from apps.core.management import relay_loop

        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())

        relay_loop.run(stop=stop, poll=poll, is_once=once)
