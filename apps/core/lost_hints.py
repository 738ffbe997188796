"""Hints that the broker has lost: which they are is seen from the order in which the others of their queue were begun."""

from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db.models import F, Q, QuerySet

from apps.core import relay
from apps.core.models import HandlerRun, all_null
from apps.core.queues import HintBudget
from apps.core.transactions import transactional

log = structlog.get_logger(__name__)

#: With each resend of a hint this wait doubles, up to this many times: six minutes, in less than the ten that the audit allows.
#: A broker that loses all it has once a minute would otherwise keep an event waiting for hours.
MAX_DOUBLINGS = 2
#: The condition of the index `handler_run_sent`.
_IS_WITH_BROKER = all_null("done_at", "parked_at", "send_after")


def claim_lost(
    *, now: datetime, held: Mapping[str, int], limit: int = relay.BATCH, budget: HintBudget | None = None
) -> list[HandlerRun]:
    """
    Return the handler runs whose hint the broker has lost, to be sent again.

    `held` is how many messages the broker holds in each queue of which it has said so. A queue is worked off in the order in
    which it was filled, so that a hint is lost if one that was sent RESEND_AFTER later has been begun. Where nothing was begun
    for as long, only the broker knows: what it holds waits for a worker, up to HINT_SIZE handler runs a message, and what is
    missing there for sure, the oldest, is lost. Each resend doubles the wait.
    """
    lost: list[HandlerRun] = []
    for queue in _list_queues_with_old_hints(now):
        if budget is not None and budget.count_left(queue) == 0:
            continue  # a broker that does not answer is not asked about each queue
        head, missing = _find_queue_head(queue, now=now), limit
        if head is None:
            known = queue in held
            head, missing = now, _list_sent_hints(queue).count() - held[queue] * relay.HINT_SIZE if known else 0
        most = min(limit, missing) if budget is None else min(limit, missing, budget.count_left(queue))
        if most > 0:
            lost += _claim_sent_before(head, queue=queue, now=now, limit=most)
    if budget is not None:
        for group in relay.group_by_hint(lost):
            budget.take(group[0].queue)
    return lost


def _list_sent_hints(queue: str) -> "QuerySet[HandlerRun]":
    """Return the handler runs of a queue that were sent and not begun since; an index holds exactly these."""
    return HandlerRun.objects.filter(_IS_WITH_BROKER, queue=queue)


def _list_queues_with_old_hints(now: datetime) -> list[str]:
    # From queue to queue by the index: it would take long to look for the few queues among the many hints.
    sent = HandlerRun.objects.filter(_IS_WITH_BROKER)
    oldest, queues = sent.order_by("queue", "sent_at").values_list("queue", "sent_at"), []
    row = oldest.first()
    while row is not None:
        queue, sent_at = row
        if sent_at is not None and sent_at <= now - relay.RESEND_AFTER:
            queues.append(queue)
        row = oldest.filter(queue__gt=queue).first()
    return queues


def _find_queue_head(queue: str, *, now: datetime) -> datetime | None:
    """Return when the hint was sent that was begun last in a queue, or None if nothing was begun of late."""
    begun = HandlerRun.objects.filter(queue=queue, started_at__gt=now - relay.RESEND_AFTER)
    return begun.order_by("-started_at").values_list("sent_at", flat=True).first()


@transactional
def _claim_sent_before(head: datetime, *, queue: str, now: datetime, limit: int) -> list[HandlerRun]:
    is_lost = Q(resends__gte=MAX_DOUBLINGS, sent_at__lte=head - relay.RESEND_AFTER * 2**MAX_DOUBLINGS)
    for resends in range(MAX_DOUBLINGS):
        is_lost |= Q(resends=resends, sent_at__lte=head - relay.RESEND_AFTER * 2**resends)
    lost = list(
        _list_sent_hints(queue)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .filter(is_lost, sent_at__lte=head - relay.RESEND_AFTER)
        .order_by("sent_at")[:limit]
    )

    HandlerRun.objects.filter(pk__in=[handler_run.pk for handler_run in lost]).update(
        sent_at=now, resends=F("resends") + 1
    )

    if lost:
        log.warning("hints_lost", queue=queue, count=len(lost))
    for handler_run in lost:
        handler_run.sent_at = handler_run.waiting_since = now
    return lost
