"""`manage.py relay`: carries news from the outbox to the workers."""

import signal
import threading
import time
from typing import Any
from uuid import UUID

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import OperationalError as BrokerUnavailable
from redis.exceptions import RedisError

from apps.core import clock, relay
from apps.core.models import Delivery
from apps.core.tasks import count_hints, send

log = structlog.get_logger(__name__)

SWEEP_EVERY = 2.0
PAUSE_WITHOUT_DATABASE = 1.0
_BROKER_FAILURES = (BrokerUnavailable, RedisError, OSError)


class Command(BaseCommand):
    help = (
        "Turn outbox rows into deliveries and hand them to the workers, until stopped. "
        "Any number may run side by side. Without the broker, news waits in Postgres and nothing is lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--poll", type=float, default=0.1, help="seconds between looks at an empty outbox (default 0.1)"
        )
        parser.add_argument("--once", action="store_true", help="carry what waits now, then exit")

    def handle(self, *args: Any, poll: float, once: bool, **options: Any) -> None:
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())

        log.info("relay_started", poll=poll)
        swept_at = 0.0
        while not stop.is_set():
            try:
                taken = relay.take_outbox(now=clock.now())
                if time.monotonic() - swept_at >= SWEEP_EVERY:
                    taken += relay.take_due(now=clock.now())
                    taken += relay.claim_lost(now=clock.now(), count_hints=_count_or_none)
                    swept_at = time.monotonic()
            except (OperationalError, InterfaceError) as error:
                log.warning("relay_without_database", error=str(error).strip())
                connection.close()
                stop.wait(PAUSE_WITHOUT_DATABASE)
                continue
            _hand_over(taken)
            if once and not taken:
                break
            if not taken:
                stop.wait(poll)
        log.info("relay_stopped")


def _hand_over(deliveries: list[Delivery]) -> None:
    """Send hints; what cannot be sent now is sent by a later sweep, because its row says so."""
    for index, delivery in enumerate(deliveries):
        try:
            send(delivery)
        except _BROKER_FAILURES as error:
            log.warning("relay_without_broker", error=str(error), waiting=len(deliveries) - index)
            _sweep_soon([waiting.pk for waiting in deliveries[index:]])
            return


def _sweep_soon(delivery_ids: list[UUID]) -> None:
    try:
        relay.mark_unsent(delivery_ids, now=clock.now())
    except (OperationalError, InterfaceError):
        connection.close()


def _count_or_none(queue: str) -> int | None:
    try:
        return count_hints(queue)
    except _BROKER_FAILURES as error:
        log.warning("relay_without_broker", error=str(error), queue=queue)
        return None
