"""The loop of the relay: from the outbox to the workers."""

import threading
import time
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import BatchPublishError  # type: ignore[attr-defined]  # not in the stubs
from kombu.exceptions import OperationalError as BrokerUnavailable
from redis.exceptions import RedisError

from apps.core import backlog, clock, lost_hints, relay
from apps.core.models import HandlerRun
from apps.core.outbox_watch import OutboxWatch
from apps.core.queues import MAX_HINTS, HintBudget
from apps.core.tasks import find_backlog, send_hints

log = structlog.get_logger(__name__)

SWEEP_INTERVAL_SECONDS = 2.0
#: How often the relay looks for handler runs whose queue a release has changed.
ASSIGN_INTERVAL_SECONDS = 60.0
DATABASE_RETRY_SECONDS = 1.0
#: A broker that did not answer, or accepted nothing, is left alone for this long, then for twice as long, and so on.
BROKER_PAUSE_SECONDS = (1.0, 2.0, 4.0, 5.0)
_BROKER_FAILURES = (BrokerUnavailable, BatchPublishError, RedisError, OSError)


def run(*, stop: threading.Event, poll: float, is_once: bool) -> None:
    """
    Relay events until `stop` is set, or, if `is_once`, until none are waiting.

    :param poll: seconds between two looks while events come
    :raises OperationalError, InterfaceError: if `is_once` and the database does not answer; otherwise it is retried
    """
    log.info("relay_started", poll=poll)
    relaying, watch = _Relaying(), OutboxWatch(pause=poll)
    while not stop.is_set():
        try:
            has_found = relaying.relay() or relaying.has_work
            if is_once and not has_found:
                break
            if not is_once:
                watch.wait(stop=stop, has_found=has_found)
        except (OperationalError, InterfaceError) as error:
            if is_once:
                raise
            log.warning("relay_database_unavailable", error=str(error).strip())
            connection.close()
            stop.wait(DATABASE_RETRY_SECONDS)
    log.info("relay_stopped")


class _Relaying:
    """What one relay knows of the broker, and when it looks next."""

    def __init__(self) -> None:
        self._budget = HintBudget({})
        self._held: dict[str, int] = {}
        self._meter = backlog.WaitMeter()
        self._failures = 0
        self._next_sweep = self._next_assignment = 0.0

    @property
    def has_work(self) -> bool:
        """Whether more may be in the outbox, or something waits for which there is budget."""
        return self._budget.refused > 0 or self._budget.can_send_waiting

    def relay(self) -> bool:
        """
        Send what is to be sent now, and return whether there was any; what the broker has no room for stays in Postgres.

        What one step has claimed is sent before the next one, which may fail.
        """
        connection.ensure_connection()
        self._budget.begin_pass()
        is_sweep = time.monotonic() >= self._next_sweep
        if is_sweep:
            self._look()
        found = False
        if is_sweep:
            # Before anything else is sent: what the broker held when it was asked is compared with what was sent by then.
            lost = lost_hints.claim_lost(now=clock.now(), held=self._held, budget=self._budget)
            found |= self._send(lost)
            self._assign_queues()
        if is_sweep or self._budget.can_send_waiting:
            found |= self._send(relay.claim_due(now=clock.now(), budget=self._budget))
        return found | self._send(relay.claim_outbox(now=clock.now(), budget=self._budget))

    def _send(self, handler_runs: list[HandlerRun]) -> bool:
        """Send hints, if there are any; what cannot be sent now is sent by a later sweep, because its row says so."""
        if not handler_runs:
            return False
        try:
            send_hints(relay.group_by_hint(handler_runs))
        except _BROKER_FAILURES as error:
            # Some may have been sent: their second hint finds them begun, or done.
            self._leave_broker_alone(error)
            _resend_soon([handler_run.pk for handler_run in handler_runs])
        return True

    def _look(self) -> None:
        """Find out how much room the broker has, and let the web know what waits; without an answer there is no budget."""
        self._next_sweep = time.monotonic() + SWEEP_INTERVAL_SECONDS
        try:
            found = find_backlog()
            backlog.publish(self._meter.measure(found, now=clock.now()))
        except _BROKER_FAILURES as error:
            self._leave_broker_alone(error)
            return
        self._failures = 0
        self._held = {queue: each.hints for queue, each in found.items()}
        self._budget.renew({queue: max(0, MAX_HINTS - hints) for queue, hints in self._held.items()})

    def _leave_broker_alone(self, error: Exception) -> None:
        pause = BROKER_PAUSE_SECONDS[min(self._failures, len(BROKER_PAUSE_SECONDS) - 1)]
        self._failures += 1
        self._next_sweep = time.monotonic() + pause
        self._held = {}
        self._budget.renew({})
        log.warning("relay_broker_unavailable", error=str(error), next_in=pause)

    def _assign_queues(self) -> None:
        if time.monotonic() < self._next_assignment:
            return
        self._next_assignment = time.monotonic() + ASSIGN_INTERVAL_SECONDS
        if moved := relay.assign_queues():
            log.info("handler_runs_moved", count=moved)


def _resend_soon(handler_run_ids: list[UUID]) -> None:
    try:
        relay.mark_unsent(handler_run_ids, now=clock.now())
    except (OperationalError, InterfaceError):
        connection.close()
