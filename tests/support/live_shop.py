"""A shop over real HTTP in this process: where it is, and a thread that carries its events."""

import threading
from typing import Any

from django.db import connection

from apps.core import clock, relay
from tests.support.handler_runs import run_handler


class RelayThread(threading.Thread):
    """The relay and the workers in one thread."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            claimed = relay.claim_outbox(now=clock.now()) + relay.claim_due(now=clock.now())
            for handler_run in claimed:
                run_handler(handler_run.pk)
        connection.close()


class Shop:
    """Where the shop and the outside world are."""

    def __init__(self, url: str, world: Any) -> None:
        self.url = url
        self.world = world
