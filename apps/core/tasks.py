"""What the clock and the relay start in a worker."""

from uuid import UUID

import structlog
from celery import shared_task

from apps.core import audit, clock, idempotency, relay

log = structlog.get_logger(__name__)


@shared_task(name="core.deliver")
def deliver(delivery_id: str, **_: object) -> None:
    """Carry out one delivery; being called twice for it, or never, does no harm."""
    relay.carry_out(UUID(delivery_id))


@shared_task(name="core.forget_idempotency_keys", expires=3600)
def forget_idempotency_keys(**_: object) -> None:
    """Delete the idempotency keys whose time is over."""
    idempotency.forget_expired(now=clock.now())


@shared_task(name="core.audit", expires=60, soft_time_limit=540, time_limit=600)
def run_audit(**_: object) -> None:
    """
    Check every invariant and keep the result; a violation is an error in the log and a metric.

    Of large books an audit takes longer than the clock waits: the next one leaves the workers to others.
    """
    try:
        report = audit.run(now=clock.now(), is_alone=True)
    except audit.AuditRunning:
        log.info("audit_still_running")
        return
    audit.keep(report)


def send(delivery_id: UUID, queue: str) -> None:
    """Put the hint for a delivery on its queue; the caller copes with a broker that is away."""
    deliver.apply_async(kwargs={"delivery_id": str(delivery_id)}, queue=queue, retry=False)
