"""What the clock and the relay start in a worker."""

from base64 import b64decode
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from celery import current_app, shared_task

from apps.core import audit, audit_runs, clock, handler_runs, idempotency
from apps.core.backlog import QueueBacklog
from apps.core.models import HandlerRun
from apps.core.queues import list_queues

log = structlog.get_logger(__name__)


@shared_task(name="core.run_handlers")
def run_handlers(handler_run_ids: list[str], sent_at: str = "", **_: object) -> None:
    """Carry out the handler runs of a hint; being called twice for them, or never, does no harm."""
    ids = [UUID(each) for each in handler_run_ids]
    handler_runs.run_handlers(ids, hint_sent_at=datetime.fromisoformat(sent_at) if sent_at else None)


@shared_task(name="core.delete_expired_idempotency_keys", expires=3600)
def delete_expired_idempotency_keys(**_: object) -> None:
    """Delete the idempotency keys whose time is over."""
    idempotency.delete_expired(now=clock.now())


@shared_task(name="core.audit", expires=60, soft_time_limit=540, time_limit=600)
def run_audit(**_: object) -> None:
    """
    Check the invariants and keep the result; a violation is an error in the log and a metric.

    Of large books it checks what has changed lately. Whatever it checks ends in time to be kept.
    """
    now = clock.now()
    _audit(now, since=audit_runs.choose_since(now=now), max_seconds=200)


@shared_task(name="core.audit_everything", expires=600, soft_time_limit=6 * 3600, time_limit=6 * 3600 + 600)
def audit_everything(**_: object) -> None:
    """Check all invariants if that is due: at night, and each hour while anything is violated, once it takes long."""
    now = clock.now()
    if audit_runs.is_whole_audit_due(now=now):
        _audit(now, since=None, max_seconds=5 * 3600)


def _audit(now: datetime, *, since: datetime | None, max_seconds: float) -> None:
    try:
        report = audit.run(now=now, since=since, is_alone=True, max_seconds=max_seconds, connections=audit.CONNECTIONS)
    except audit.AuditInProgress:
        log.info("audit_in_progress")
        return
    audit_runs.store_report(report)


def send_hints(groups: Sequence[Sequence[HandlerRun]]) -> None:
    """
    Put a hint for each group of handler runs on its queue, all in one message to Redis; the caller copes with a broker that is away.

    :raises BatchPublishError, RedisError: if some were not sent; which ones is not known
    """
    pool: Any = current_app.producer_pool
    with pool.acquire(block=True) as producer, producer.batch(max_size=len(groups)):
        for handler_runs in groups:
            first = handler_runs[0]
            hint = {
                "handler_run_ids": [str(each.pk) for each in handler_runs],
                "sent_at": first.sent_at.isoformat() if first.sent_at else "",
                "waiting_since": (first.waiting_since or first.created_at).isoformat(),
            }
            run_handlers.apply_async(kwargs=hint, queue=first.queue, retry=False, producer=producer)


def find_backlog() -> dict[str, QueueBacklog]:
    """
    Return what the broker holds in each queue; the caller copes with a broker that is away.

    :raises RedisError: if it cannot be read
    """
    queues = list_queues()
    pool: Any = current_app.pool
    with pool.acquire(block=True) as connection:
        connection.connect()  # it was closed if the broker was away
        with connection.channel() as channel, channel.client.pipeline(transaction=False) as pipe:
            for queue in queues:
                pipe.llen(queue)
                pipe.lindex(queue, -1)
            found = pipe.execute()
    return {
        queue: QueueBacklog(count, *_read_oldest(oldest))
        for queue, count, oldest in zip(queues, found[::2], found[1::2], strict=True)
    }


def _read_oldest(message: bytes | None) -> tuple[datetime | None, str]:
    """Return since when the work of a hint has waited, if it says so, and the id of its message."""
    if message is None:
        return None, ""
    try:
        hint = orjson.loads(message)
        _, arguments, _ = orjson.loads(b64decode(hint["body"]))
        since = arguments.get("waiting_since")
        return datetime.fromisoformat(since) if since else None, str(hint["headers"]["id"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None, ""  # of another release, or somebody else's: a worker deals with it
