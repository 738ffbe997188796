"""How a worker behaves while its broker is down, full, read-only, loading or busy: it waits, as the relay does, and goes on."""

import time
from typing import Any

import structlog
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

log = structlog.get_logger(__name__)

BROKER_RETRY_SECONDS = 1.0
#: A key that is written to find out whether the broker accepts writes; it expires by itself.
_PROBE = "bahi:probe"
_PROBE_TTL_MS = 1_000


class BrokerWaitingConsumer(Consumer):
    """
    Celery's consumer, which connects again only when its broker accepts writes.

    Celery connects again at once. A full broker answers every command but accepts no write, so that it would fail again some
    five times a second. What a message that was lost meanwhile stood for is in Postgres, and sent again by the relay's sweep.
    """

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Wait after a connection could not be made."""
        self._wait(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection that failed, then wait."""
        super().on_connection_error_after_connected(exc)
        self._wait(exc)

    def _wait(self, failure: Exception) -> None:
        log.warning("worker_broker_unavailable", error=str(failure))
        while not probe_broker(self.app):
            maybe_shutdown()
            time.sleep(BROKER_RETRY_SECONDS)
        log.info("worker_broker_available")


class ReconnectingAsynPool(AsynPool):
    """
    Celery's pool of child processes, which may be watched again while a child has ended that is not replaced yet.

    Celery watches its children again with each new connection to the broker. One that it has seen the end of has no descriptor any more,
    and watching it ended the worker. This overrides a private method of Celery, which a test checks.
    """

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        has_ended = getattr(proc, "_sentinel_poll", proc) is None
        if not has_ended:
            super()._track_child_process(proc, hub)  # type: ignore[misc]  # Celery has no types


class ReconnectingTaskPool(TaskPool):
    """Celery's prefork pool with `ReconnectingAsynPool`."""

    Pool = ReconnectingAsynPool


def probe_broker(app: Any) -> bool:
    """Test if the broker of a Celery application can be reached and accepts writes."""
    connection = app.connection_for_read()
    try:
        connection.connect()
        with connection.channel() as channel:
            client = getattr(channel, "client", None)  # brokers other than Redis have none
            if client is not None:
                client.set(_PROBE, "", px=_PROBE_TTL_MS)
    except (*connection.connection_errors, *connection.channel_errors):
        return False
    finally:
        connection.release()
    return True
