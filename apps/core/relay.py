"""
The relay of events: it turns each Outbox row into one HandlerRun per handler, which workers run.

Postgres is the source of truth. The broker holds hints, which may be lost: a sweep sends lost hints again, but not
those that still wait in a queue.
"""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.module_loading import import_string

from apps.core import clock
from apps.core.errors import Conflict
from apps.core.events import current_request_id
from apps.core.logs import redact_text
from apps.core.models import HandlerRun, Outbox, all_null

log = structlog.get_logger(__name__)

BATCH = 200
MAX_STARTS = 5
#: How long a hint or a start is left alone before anybody asks whether it was lost; longer than a task may run.
RESEND_AFTER = timedelta(seconds=90)
#: With each resend of a hint this wait doubles, up to this many times.
MAX_DOUBLINGS = 5
#: Wait before start n+1 after start n failed.
BACKOFF = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5))

#: The condition of the index `handler_run_sent`.
_IS_WITH_BROKER = all_null("done_at", "parked_at", "send_after")


class HandlerRunNotParked(Conflict):
    """Only a parked handler run can be started again, and this one is not parked. Reload the page."""

    message = "This handler run is not parked."


@dataclass(frozen=True)
class Subscription:
    """One handler of one event: its name, its queue, and whether it talks to the outside world."""

    name: str
    queue: str
    call: Callable[..., object]
    calls_external: bool


def calls_external(handler: Callable[..., object]) -> Callable[..., object]:
    """
    Mark a handler that calls a gateway and so must not run inside a transaction.

    Its service commits a claim before the call, so that being started twice does no harm.
    """
    handler.calls_external = True  # type: ignore[attr-defined]
    return handler


@cache
def get_subscriptions() -> dict[str, tuple[Subscription, ...]]:
    """Return the subscriptions of `config` by event type."""
    subscriptions: dict[str, Iterable[Callable[..., object]]] = import_string(settings.SUBSCRIPTIONS)
    return {
        event_type: tuple(_make_subscription(handler) for handler in handlers)
        for event_type, handlers in subscriptions.items()
    }


def _make_subscription(handler: Callable[..., object]) -> Subscription:
    name = f"{handler.__module__}.{handler.__qualname__}"
    app = handler.__module__.split(".")[1]
    queue = settings.APP_QUEUES.get(app, settings.DEFAULT_QUEUE)
    return Subscription(name=name, queue=queue, call=handler, calls_external=getattr(handler, "calls_external", False))


def _get_subscription(name: str) -> Subscription:
    """
    Return the subscription of a handler.

    :raises LookupError: if no handler has this name
    """
    for group in get_subscriptions().values():
        for subscription in group:
            if subscription.name == name:
                return subscription
    raise LookupError(f"no handler is called {name}")


@transaction.atomic
def claim_outbox(*, now: datetime, limit: int = BATCH) -> list[HandlerRun]:
    """
    Turn each waiting Outbox row into handler runs once, and return these; several relays may do so in parallel.

    An event of a type that this relay does not know is left to a relay that does: during a release, old relays read
    events of the new version.
    """
    known = [*get_subscriptions(), *import_string(settings.UNSUBSCRIBED)]
    waiting = list(
        Outbox.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(event__type__in=known)
        .select_related("event")
        .order_by("id")[:limit]
    )

    handler_runs = [
        HandlerRun(
            event=row.event,
            handler=subscription.name,
            queue=subscription.queue,
            created_at=now,
            sent_at=now,
        )
        for row in waiting
        for subscription in get_subscriptions().get(row.event.type, ())
    ]

    HandlerRun.objects.bulk_create(handler_runs, ignore_conflicts=True)
    Outbox.objects.filter(pk__in=[row.pk for row in waiting]).delete()

    return handler_runs


@transaction.atomic
def claim_due(*, now: datetime, limit: int = BATCH) -> list[HandlerRun]:
    """Return the handler runs whose time to be sent has come: failed ones, those whose worker crashed, those the broker did not accept."""
    due = list(
        HandlerRun.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .filter(done_at__isnull=True, parked_at__isnull=True, send_after__lte=now)
        .order_by("send_after")[:limit]
    )

    HandlerRun.objects.filter(pk__in=[handler_run.pk for handler_run in due]).update(
        send_after=None, sent_at=now, resends=0
    )

    return _with_sent_at(due, now)


def claim_lost(*, now: datetime, count_hints: Callable[[str], int | None], limit: int = BATCH) -> list[HandlerRun]:
    """
    Return the handler runs whose hint the broker has lost, to be sent again.

    `count_hints` returns how many messages the broker holds in a queue, or None if it does not answer; it is called outside any
    transaction. A queue is worked off in the order in which it was filled, so that a hint is lost if one that was sent
    RESEND_AFTER later has been begun. Where nothing was begun for as long, only the broker knows: what it holds waits for a
    worker, and what is missing there, the oldest, is lost. Each resend doubles the wait.
    """
    lost: list[HandlerRun] = []
    for queue in _list_queues_with_old_hints(now):
        head, missing = _find_queue_head(queue, now=now), limit
        if head is None:
            held = count_hints(queue)
            head, missing = now, 0 if held is None else _list_sent_hints(queue).count() - held
        if missing > 0:
            lost += _claim_sent_before(head, queue=queue, now=now, limit=min(limit, missing))
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
        if sent_at is not None and sent_at <= now - RESEND_AFTER:
            queues.append(queue)
        row = oldest.filter(queue__gt=queue).first()
    return queues


def _find_queue_head(queue: str, *, now: datetime) -> datetime | None:
    """Return when the hint was sent that was begun last in a queue, or None if nothing was begun of late."""
    begun = HandlerRun.objects.filter(queue=queue, started_at__gt=now - RESEND_AFTER)
    return begun.order_by("-started_at").values_list("sent_at", flat=True).first()


@transaction.atomic
def _claim_sent_before(head: datetime, *, queue: str, now: datetime, limit: int) -> list[HandlerRun]:
    is_lost = Q(resends__gte=MAX_DOUBLINGS, sent_at__lte=head - RESEND_AFTER * 2**MAX_DOUBLINGS)
    for resends in range(MAX_DOUBLINGS):
        is_lost |= Q(resends=resends, sent_at__lte=head - RESEND_AFTER * 2**resends)
    lost = list(
        _list_sent_hints(queue)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .filter(is_lost, sent_at__lte=head - RESEND_AFTER)
        .order_by("sent_at")[:limit]
    )

    HandlerRun.objects.filter(pk__in=[handler_run.pk for handler_run in lost]).update(
        sent_at=now, resends=F("resends") + 1
    )

    if lost:
        log.warning("hints_lost", queue=queue, count=len(lost))
    return _with_sent_at(lost, now)


def _with_sent_at(handler_runs: list[HandlerRun], now: datetime) -> list[HandlerRun]:
    for handler_run in handler_runs:
        handler_run.sent_at = now
    return handler_runs


def mark_unsent(handler_run_ids: Iterable[UUID], *, now: datetime) -> None:
    """Have the next sweep send what the broker did not accept, unless a worker has started it all the same."""
    HandlerRun.objects.filter(pk__in=list(handler_run_ids), send_after__isnull=True).update(
        send_after=now, sent_at=None
    )


def run_handler(handler_run_id: UUID, *, now: datetime | None = None, hint_sent_at: datetime | None = None) -> bool:
    """
    Carry out one handler run and return whether it is done. `hint_sent_at` is when the hint was sent that brought us here.

    1. Commit that it has started; the fifth start that did not finish parks it.
    2. Call its handler; its receipt is written in the transaction of the effect.
    3. If that fails, keep the error and set when to try again.
    """
    at = now or clock.now()
    handler_run = _start(handler_run_id, hint_sent_at=hint_sent_at, now=at)
    if handler_run is None:
        return False

    token = current_request_id.set(handler_run.event.request_id)
    with structlog.contextvars.bound_contextvars(
        request_id=handler_run.event.request_id,
        event=handler_run.event.type,
        handler=handler_run.handler,
        handler_run=str(handler_run.pk),
    ):
        try:
            _call_handler(_get_subscription(handler_run.handler), handler_run, now=at)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded, and the run is repeated
            _record_failure(handler_run, error, now=clock.now())
            return False
        finally:
            current_request_id.reset(token)
    return True


def _start(handler_run_id: UUID, *, now: datetime, hint_sent_at: datetime | None = None) -> HandlerRun | None:
    open_run = HandlerRun.objects.filter(all_null("done_at", "parked_at"), pk=handler_run_id)
    # Of several hints, the one that was started shows how far the queue has come.
    sent = {} if hint_sent_at is None else {"sent_at": hint_sent_at}
    begun = open_run.filter(starts__lt=MAX_STARTS).update(
        starts=F("starts") + 1, started_at=now, send_after=now + RESEND_AFTER, **sent
    )
    if not begun:
        if open_run.filter(starts__gte=MAX_STARTS).update(parked_at=now):
            log.error("handler_run_parked", handler_run=str(handler_run_id), starts=MAX_STARTS)
        return None
    return HandlerRun.objects.select_related("event").get(pk=handler_run_id)


def _call_handler(subscription: Subscription, handler_run: HandlerRun, *, now: datetime) -> None:
    if subscription.calls_external:
        subscription.call(event=handler_run.event, now=now)
        _mark_done(handler_run)
        return

    with transaction.atomic():
        # A twin of this handler run waits here until the first has committed, and then finds it done.
        still_open = HandlerRun.objects.select_for_update(of=("self",), no_key=True).filter(
            pk=handler_run.pk, done_at__isnull=True
        )
        if still_open.exists():
            subscription.call(event=handler_run.event, now=now)
            _mark_done(handler_run)


def _mark_done(handler_run: HandlerRun) -> None:
    HandlerRun.objects.filter(pk=handler_run.pk, done_at__isnull=True).update(
        done_at=clock.now(), last_error="", parked_at=None
    )


def _record_failure(handler_run: HandlerRun, error: Exception, *, now: datetime) -> None:
    # Staff read this text, and a database names the values that it refuses.
    text = redact_text("".join(traceback.format_exception_only(error)).strip())[:2000]
    if handler_run.starts >= MAX_STARTS:
        HandlerRun.objects.filter(pk=handler_run.pk, done_at__isnull=True).update(parked_at=now, last_error=text)
        log.error("handler_run_parked", error=text, starts=handler_run.starts, exc_info=error)
        return
    wait = BACKOFF[min(handler_run.starts, len(BACKOFF)) - 1]
    HandlerRun.objects.filter(pk=handler_run.pk, done_at__isnull=True).update(send_after=now + wait, last_error=text)
    log.warning(
        "handler_run_failed", error=text, starts=handler_run.starts, next_in=wait.total_seconds(), exc_info=error
    )


@transaction.atomic
def retry_parked(*, handler_run_id: UUID, now: datetime) -> HandlerRun:
    """
    Send a parked handler run on its way again, with its starts counted from nothing.

    :raises HandlerRunNotParked: if it is not parked
    """
    handler_run = HandlerRun.objects.select_for_update(of=("self",), no_key=True).get(pk=handler_run_id)

    if handler_run.parked_at is None:
        raise HandlerRunNotParked

    handler_run.parked_at = None
    handler_run.starts = 0
    handler_run.resends = 0
    handler_run.send_after = now
    handler_run.save(update_fields=["parked_at", "starts", "resends", "send_after"])

    return handler_run


def measure_backlog(*, now: datetime) -> dict[str, Any]:
    """Return what is on its way: outbox rows, open and parked handler runs, and the age of the oldest in seconds."""
    oldest = Outbox.objects.order_by("id").values_list("created_at", flat=True).first()
    is_open = Q(done_at__isnull=True, parked_at__isnull=True)
    return {
        "outbox": Outbox.objects.count(),
        "outbox_oldest_seconds": (now - oldest).total_seconds() if oldest else 0.0,
        "handler_runs_open": HandlerRun.objects.filter(is_open).count(),
        "handler_runs_parked": HandlerRun.objects.filter(parked_at__isnull=False).count(),
    }
