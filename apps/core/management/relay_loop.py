"""The loop of the relay: from the outbox to the workers."""

import threading
import time
from uuid import UUID

import structlog
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


def run(*, stop: threading.Event, poll: float, is_once: bool) -> None:
    """
    Carry news until `stop` is set, or, if `is_once`, until none waits; `poll` is in seconds.

    :raises OperationalError, InterfaceError: if `is_once` and the database does not answer; else it is waited for
    """
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
            if is_once:
                raise
            log.warning("relay_without_database", error=str(error).strip())
            connection.close()
            stop.wait(PAUSE_WITHOUT_DATABASE)
            continue
        _hand_over(taken)
        if is_once and not taken:
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
