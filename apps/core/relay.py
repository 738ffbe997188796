"""
How news travels: Outbox rows become one Delivery for each handler, which workers carry out.

The truth is in Postgres. The broker holds a hint that may be lost: a sweep sends again what the broker has lost, and nothing
that only waits for its turn.
"""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol
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
from apps.core.models import Delivery, Event, Outbox, all_null

log = structlog.get_logger(__name__)

BATCH = 200
MAX_STARTS = 5
#: How long a hint or a start is left alone before anybody asks whether it was lost; longer than a task may run.
RESEND_AFTER = timedelta(seconds=90)
#: With each resend of a hint this wait doubles, up to this many times.
MAX_DOUBLINGS = 5
#: Wait before start n+1 after start n failed.
BACKOFF = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5))

#: The condition of the index `delivery_sent`.
_IS_WITH_BROKER = all_null("done_at", "parked_at", "send_after")


class Handler(Protocol):
    """A reaction to news: one service call. It reads the present state and never infers it from the event."""

    __module__: str
    __qualname__: str

    def __call__(self, *, event: Event, now: datetime) -> object: ...


class DeliveryNotParked(Conflict):
    message = "This delivery is not parked."


@dataclass(frozen=True)
class Route:
    """One handler of one event: its name, its queue, and whether it talks to the outside world."""

    name: str
    queue: str
    call: Callable[..., object]
    is_outside: bool


def talks_outside(handler: Callable[..., object]) -> Callable[..., object]:
    """
    Mark a handler that calls a gateway and so must not run inside a transaction.

    Its service commits a claim before the call, so that being started twice does no harm.
    """
    handler.talks_outside = True  # type: ignore[attr-defined]
    return handler


@cache
def routes() -> dict[str, tuple[Route, ...]]:
    """Return who hears what: the subscriptions of `config`, as routes by event type."""
    subscriptions: dict[str, Iterable[Callable[..., object]]] = import_string(settings.SUBSCRIPTIONS)
    return {
        event_type: tuple(_route(handler) for handler in handlers) for event_type, handlers in subscriptions.items()
    }


def _route(handler: Callable[..., object]) -> Route:
    name = f"{handler.__module__}.{handler.__qualname__}"
    app = handler.__module__.split(".")[1]
    queue = settings.QUEUE_OF_APP.get(app, settings.DEFAULT_QUEUE)
    return Route(name=name, queue=queue, call=handler, is_outside=getattr(handler, "talks_outside", False))


def _route_named(name: str) -> Route | None:
    return next((route for group in routes().values() for route in group if route.name == name), None)


@transaction.atomic
def take_outbox(*, now: datetime, limit: int = BATCH) -> list[Delivery]:
    """
    Turn waiting Outbox rows into deliveries, each once, and return these; several relays may do so side by side.

    News of a kind that this relay does not know stays for one that does: during a release, old relays meet new events.
    """
    known = [*routes(), *import_string(settings.UNHEARD)]
    waiting = list(
        Outbox.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(event__type__in=known)
        .select_related("event")
        .order_by("id")[:limit]
    )

    deliveries = [
        Delivery(
            event=row.event,
            handler=route.name,
            queue=route.queue,
            created_at=now,
            sent_at=now,
        )
        for row in waiting
        for route in routes().get(row.event.type, ())
    ]

    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    Outbox.objects.filter(pk__in=[row.pk for row in waiting]).delete()

    return deliveries


@transaction.atomic
def take_due(*, now: datetime, limit: int = BATCH) -> list[Delivery]:
    """Return the deliveries whose time to be sent has come: failed ones, those whose worker crashed, those the broker did not accept."""
    due = list(
        Delivery.objects.select_for_update(skip_locked=True, of=("self",), no_key=True)
        .filter(done_at__isnull=True, parked_at__isnull=True, send_after__lte=now)
        .order_by("send_after")[:limit]
    )

    Delivery.objects.filter(pk__in=[delivery.pk for delivery in due]).update(send_after=None, sent_at=now, resends=0)

    return _as_sent(due, now)


def claim_lost(*, now: datetime, count_hints: Callable[[str], int | None], limit: int = BATCH) -> list[Delivery]:
    """
    Return the deliveries whose hint the broker has lost, to be sent again.

    `count_hints` returns how many messages the broker holds in a queue, or None if it does not answer; it is called outside any
    transaction. A queue is worked off in the order in which it was filled, so that a hint is lost if one that was sent
    RESEND_AFTER later has been begun. Where nothing was begun for as long, only the broker knows: what it holds waits for a
    worker, and what is missing there, the oldest, is lost. Each resend doubles the wait.
    """
    lost: list[Delivery] = []
    for queue in _queues_with_old_hints(now):
        head, missing = _head_of(queue, now=now), limit
        if head is None:
            held = count_hints(queue)
            head, missing = now, 0 if held is None else _hints_sent(queue).count() - held
        if missing > 0:
            lost += _claim_sent_before(head, queue=queue, now=now, limit=min(limit, missing))
    return lost


def _hints_sent(queue: str) -> "QuerySet[Delivery]":
    """Return the deliveries of a queue that were sent and not begun since; an index holds exactly these."""
    return Delivery.objects.filter(_IS_WITH_BROKER, queue=queue)


def _queues_with_old_hints(now: datetime) -> list[str]:
    # From queue to queue by the index: it would take long to look for the few queues among the many hints.
    sent = Delivery.objects.filter(_IS_WITH_BROKER)
    oldest, queues = sent.order_by("queue", "sent_at").values_list("queue", "sent_at"), []
    row = oldest.first()
    while row is not None:
        queue, sent_at = row
        if sent_at is not None and sent_at <= now - RESEND_AFTER:
            queues.append(queue)
        row = oldest.filter(queue__gt=queue).first()
    return queues


def _head_of(queue: str, *, now: datetime) -> datetime | None:
    """Return when the hint was sent that was begun last in a queue, or None if nothing was begun of late."""
    begun = Delivery.objects.filter(queue=queue, started_at__gt=now - RESEND_AFTER)
    return begun.order_by("-started_at").values_list("sent_at", flat=True).first()


@transaction.atomic
def _claim_sent_before(head: datetime, *, queue: str, now: datetime, limit: int) -> list[Delivery]:
    is_lost = Q(resends__gte=MAX_DOUBLINGS, sent_at__lte=head - RESEND_AFTER * 2**MAX_DOUBLINGS)
    for resends in range(MAX_DOUBLINGS):
        is_lost |= Q(resends=resends, sent_at__lte=head - RESEND_AFTER * 2**resends)
    lost = list(
        _hints_sent(queue)
        .select_for_update(skip_locked=True, of=("self",), no_key=True)
        .filter(is_lost, sent_at__lte=head - RESEND_AFTER)
        .order_by("sent_at")[:limit]
    )

    Delivery.objects.filter(pk__in=[delivery.pk for delivery in lost]).update(sent_at=now, resends=F("resends") + 1)

    if lost:
        log.warning("hints_lost", queue=queue, count=len(lost))
    return _as_sent(lost, now)


def _as_sent(deliveries: list[Delivery], now: datetime) -> list[Delivery]:
    for delivery in deliveries:
        delivery.sent_at = now
    return deliveries


def mark_unsent(delivery_ids: Iterable[UUID], *, now: datetime) -> None:
    """Have the next sweep send what the broker did not accept, unless a worker has started it all the same."""
    Delivery.objects.filter(pk__in=list(delivery_ids), send_after__isnull=True).update(send_after=now, sent_at=None)


def carry_out(delivery_id: UUID, *, now: datetime | None = None, hint_sent_at: datetime | None = None) -> bool:
    """
    Carry out one delivery and return whether it is done. `hint_sent_at` is when the hint was sent that brought us here.

    1. Commit that it has started; the fifth start that did not finish parks it.
    2. Call its handler; its receipt is written in the transaction of the effect.
    3. If that fails, keep the error and set when to try again.
    """
    at = now or clock.now()
    delivery = _start(delivery_id, hint_sent_at=hint_sent_at, now=at)
    if delivery is None:
        return False

    route = _route_named(delivery.handler)
    token = current_request_id.set(delivery.event.request_id)
    with structlog.contextvars.bound_contextvars(
        request_id=delivery.event.request_id,
        event=delivery.event.type,
        handler=delivery.handler,
        delivery=str(delivery.pk),
    ):
        try:
            if route is None:
                raise LookupError(f"no handler is called {delivery.handler}")
            _call(route, delivery, now=at)
        except Exception as error:
            _note_failure(delivery, error, now=clock.now())
            return False
        finally:
            current_request_id.reset(token)
    return True


def _start(delivery_id: UUID, *, now: datetime, hint_sent_at: datetime | None = None) -> Delivery | None:
    open_delivery = Delivery.objects.filter(all_null("done_at", "parked_at"), pk=delivery_id)
    # Of several hints, the one that was started shows how far the queue has come.
    sent = {} if hint_sent_at is None else {"sent_at": hint_sent_at}
    begun = open_delivery.filter(starts__lt=MAX_STARTS).update(
        starts=F("starts") + 1, started_at=now, send_after=now + RESEND_AFTER, **sent
    )
    if not begun:
        if open_delivery.filter(starts__gte=MAX_STARTS).update(parked_at=now):
            log.error("delivery_parked", delivery=str(delivery_id), starts=MAX_STARTS)
        return None
    return Delivery.objects.select_related("event").get(pk=delivery_id)


def _call(route: Route, delivery: Delivery, *, now: datetime) -> None:
    if route.is_outside:
        route.call(event=delivery.event, now=now)
        _write_receipt(delivery)
        return

    with transaction.atomic():
        # A twin of this delivery waits here until the first has committed, and then finds it done.
        still_open = Delivery.objects.select_for_update(of=("self",), no_key=True).filter(
            pk=delivery.pk, done_at__isnull=True
        )
        if still_open.exists():
            route.call(event=delivery.event, now=now)
            _write_receipt(delivery)


def _write_receipt(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk, done_at__isnull=True).update(
        done_at=clock.now(), last_error="", parked_at=None
    )


def _note_failure(delivery: Delivery, error: Exception, *, now: datetime) -> None:
    # Staff read this text, and a database names the values that it refuses.
    text = redact_text("".join(traceback.format_exception_only(error)).strip())[:2000]
    if delivery.starts >= MAX_STARTS:
        Delivery.objects.filter(pk=delivery.pk, done_at__isnull=True).update(parked_at=now, last_error=text)
        log.error("delivery_parked", error=text, starts=delivery.starts, exc_info=error)
        return
    wait = BACKOFF[min(delivery.starts, len(BACKOFF)) - 1]
    Delivery.objects.filter(pk=delivery.pk, done_at__isnull=True).update(send_after=now + wait, last_error=text)
    log.warning("delivery_failed", error=text, starts=delivery.starts, next_in=wait.total_seconds(), exc_info=error)


@transaction.atomic
def retry_parked(*, delivery_id: UUID, now: datetime) -> Delivery:
    """
    Send a parked delivery on its way again, with its starts counted from nothing.

    :raises DeliveryNotParked: if it is not parked
    """
    delivery = Delivery.objects.select_for_update(of=("self",), no_key=True).get(pk=delivery_id)

    if delivery.parked_at is None:
        raise DeliveryNotParked

    delivery.parked_at = None
    delivery.starts = 0
    delivery.resends = 0
    delivery.send_after = now
    delivery.save(update_fields=["parked_at", "starts", "resends", "send_after"])

    return delivery


def backlog(*, now: datetime) -> dict[str, Any]:
    """Return what is on its way: outbox rows, open and parked deliveries, and the age of the oldest in seconds."""
    oldest = Outbox.objects.order_by("id").values_list("created_at", flat=True).first()
    is_open = Q(done_at__isnull=True, parked_at__isnull=True)
    return {
        "outbox": Outbox.objects.count(),
        "outbox_oldest_seconds": (now - oldest).total_seconds() if oldest else 0.0,
        "deliveries_open": Delivery.objects.filter(is_open).count(),
        "deliveries_parked": Delivery.objects.filter(parked_at__isnull=False).count(),
    }
