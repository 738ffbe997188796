"""The loop of the relay: from the outbox to the workers."""

import threading
import time
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import OperationalError as BrokerUnavailable
from redis.exceptions import RedisError

from apps.core import clock, relay
from apps.core.models import HandlerRun
from apps.core.outbox_watch import OutboxWatch
from apps.core.tasks import count_hints, send_hint

log = structlog.get_logger(__name__)

SWEEP_INTERVAL_SECONDS = 2.0
DATABASE_RETRY_SECONDS = 1.0
_BROKER_FAILURES = (BrokerUnavailable, RedisError, OSError)


def run(*, stop: threading.Event, poll: float, is_once: bool) -> None:
    """
    Relay events until `stop` is set, or, if `is_once`, until none are waiting.

    :param poll: seconds between two looks while events come
    :raises OperationalError, InterfaceError: if `is_once` and the database does not answer; otherwise it is retried
    """
    log.info("relay_started", poll=poll)
    watch, swept_at = OutboxWatch(pause=poll), 0.0
    while not stop.is_set():
        try:
            claimed = relay.claim_outbox(now=clock.now())
            if time.monotonic() - swept_at >= SWEEP_INTERVAL_SECONDS:
                claimed += relay.claim_due(now=clock.now())
                claimed += relay.claim_lost(now=clock.now(), count_hints=_find_hint_count)
                swept_at = time.monotonic()
            _send_hints(claimed)
            if is_once and not claimed:
                break
            if not is_once:
                watch.wait(stop=stop, has_found=bool(claimed))
        except (OperationalError, InterfaceError) as error:
            if is_once:
                raise
            log.warning("relay_database_unavailable", error=str(error).strip())
            connection.close()
            stop.wait(DATABASE_RETRY_SECONDS)
    log.info("relay_stopped")


def _send_hints(handler_runs: list[HandlerRun]) -> None:
    """Send hints; what cannot be sent now is sent by a later sweep, because its row says so."""
    groups = relay.group_by_hint(handler_runs)
    for index, group in enumerate(groups):
        try:
            send_hint(group)
        except _BROKER_FAILURES as error:
            waiting = [handler_run.pk for unsent in groups[index:] for handler_run in unsent]
            log.warning("relay_broker_unavailable", error=str(error), waiting=len(waiting))
            _resend_soon(waiting)
            return


def _resend_soon(handler_run_ids: list[UUID]) -> None:
    try:
        relay.mark_unsent(handler_run_ids, now=clock.now())
    except (OperationalError, InterfaceError):
        connection.close()


def _find_hint_count(queue: str) -> int | None:
    try:
        return count_hints(queue)
    except _BROKER_FAILURES as error:
        log.warning("relay_broker_unavailable", error=str(error), queue=queue)
        return None
