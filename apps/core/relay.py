"""
The relay of events: it turns each Outbox row into one HandlerRun per handler, which workers run.

Postgres is the source of truth. The broker holds hints, which may be lost: a sweep sends lost hints again, but not
those that still wait in a queue.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils.module_loading import import_string

from apps.core.models import HandlerRun, Outbox, all_null
from apps.core.prepared import execute, fetch_rows, to_array
from apps.core.transactions import transactional

log = structlog.get_logger(__name__)

BATCH = 200
#: Handler runs that one hint is about, at most: starting, fetching and acknowledging a task cost more than most of them.
HINT_SIZE = 10
#: How long a hint or a start is left alone before anybody asks whether it was lost; longer than a task may run.
RESEND_AFTER = timedelta(seconds=90)
#: With each resend of a hint this wait doubles, up to this many times: six minutes, in less than the ten that the audit allows.
#: A broker that loses all it has once a minute would otherwise keep an event waiting for hours.
MAX_DOUBLINGS = 2
#: The condition of the index `handler_run_sent`.
_IS_WITH_BROKER = all_null("done_at", "parked_at", "send_after")


@dataclass(frozen=True)
class Subscription:
    """
    One handler of one event: its name, its queue, and whether it talks to the outside world.

    `if_values` are values that the event has if there is anything to do; an event of before it had them is handled.
    """

    name: str
    queue: str
    call: Callable[..., object]
    calls_external: bool
    if_values: Mapping[str, Any] = field(default_factory=dict)

    def concerns(self, values: Mapping[str, Any]) -> bool:
        """Return whether an event with these values is to be handled."""
        return all(values.get(name, wanted) == wanted for name, wanted in self.if_values.items())


@dataclass(frozen=True)
class OnlyIf:
    """A handler in `config.subscriptions` that has nothing to do for events with other values."""

    call: Callable[..., object]
    if_values: Mapping[str, Any]


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
    subscriptions: dict[str, Iterable[Callable[..., object] | OnlyIf]] = import_string(settings.SUBSCRIPTIONS)
    return {
        event_type: tuple(_make_subscription(handler) for handler in handlers)
        for event_type, handlers in subscriptions.items()
    }


def _make_subscription(subscribed: Callable[..., object] | OnlyIf) -> Subscription:
    handler, if_values = (subscribed.call, subscribed.if_values) if isinstance(subscribed, OnlyIf) else (subscribed, {})
    name = f"{handler.__module__}.{handler.__qualname__}"
    app = handler.__module__.split(".")[1]
    queue = settings.APP_QUEUES.get(app, settings.DEFAULT_QUEUE)
    calls_external = getattr(handler, "calls_external", False)
    return Subscription(name=name, queue=queue, call=handler, calls_external=calls_external, if_values=if_values)


def get_subscription(name: str) -> Subscription:
    """
    Return the subscription of a handler.

    :raises LookupError: if no handler has this name
    """
    for group in get_subscriptions().values():
        for subscription in group:
            if subscription.name == name:
                return subscription
    raise LookupError(f"no handler is called {name}")


_IS_ANYTHING_WAITING = "SELECT id FROM core_outbox ORDER BY id LIMIT 1"
# Who deletes a row has taken it. It is locked before that only so that relays skip what another has, and do not wait for it.
_TAKE = """
    WITH waiting AS MATERIALIZED (
        SELECT outbox.id
        FROM core_outbox AS outbox JOIN core_event AS event ON event.id = outbox.event_id
        WHERE event.type = ANY($1::text[])
        ORDER BY outbox.id LIMIT $2::int
        FOR UPDATE OF outbox SKIP LOCKED
    ), taken AS (
        DELETE FROM core_outbox AS outbox USING waiting WHERE outbox.id = waiting.id RETURNING outbox.id, outbox.event_id
    )
    SELECT taken.event_id, event.type, CASE WHEN event.type = ANY($3::text[]) THEN event.changes::text END
    FROM taken JOIN core_event AS event ON event.id = taken.event_id ORDER BY taken.id
"""
_ADD_RUNS = """
    INSERT INTO core_handlerrun (id, event_id, handler, queue, created_at, sent_at, starts, last_error)
    SELECT id, event_id, handler, queue, $2::timestamptz, $2::timestamptz, 0, ''
    FROM json_to_recordset($1::json) AS run (id uuid, event_id uuid, handler text, queue text)
    ON CONFLICT DO NOTHING
"""


def claim_outbox(*, now: datetime, limit: int = BATCH) -> list[HandlerRun]:
    """
    Turn each waiting Outbox row into handler runs once, and return these; several relays may do so in parallel.

    An event of a type that this relay does not know is left to a relay that does: during a release, old relays read
    events of the new version.
    """
    if not fetch_rows(_IS_ANYTHING_WAITING, []):
        return []  # one statement, most of the time
    return _claim_waiting(now=now, limit=limit)


@transactional
def _claim_waiting(*, now: datetime, limit: int) -> list[HandlerRun]:
    waiting = fetch_rows(_TAKE, [_known_types(), str(limit), _types_with_conditions()])
    handler_runs = [
        HandlerRun(event_id=event_id, handler=subscription.name, queue=subscription.queue, created_at=now, sent_at=now)
        for event_id, event_type, values in waiting
        for subscription in get_subscriptions().get(event_type, ())
        if subscription.concerns(orjson.loads(values or "{}"))
    ]
    if handler_runs:
        rows = [
            {"id": run.pk, "event_id": run.event_id, "handler": run.handler, "queue": run.queue} for run in handler_runs
        ]
        execute(_ADD_RUNS, [orjson.dumps(rows).decode(), now.isoformat()])
    return handler_runs


def _known_types() -> str:
    return to_array([*get_subscriptions(), *import_string(settings.UNSUBSCRIBED)])


def _types_with_conditions() -> str:
    return to_array(name for name, group in get_subscriptions().items() if any(one.if_values for one in group))


@transactional
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
    worker, up to HINT_SIZE handler runs a message, and what is missing there for sure, the oldest, is lost. Each resend
    doubles the wait.
    """
    lost: list[HandlerRun] = []
    for queue in _list_queues_with_old_hints(now):
        head, missing = _find_queue_head(queue, now=now), limit
        if head is None:
            held = count_hints(queue)
            head, missing = now, 0 if held is None else _list_sent_hints(queue).count() - held * HINT_SIZE
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


@transactional
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


def group_by_hint(handler_runs: Iterable[HandlerRun]) -> list[list[HandlerRun]]:
    """
    Return handler runs as they are sent to the workers, each group by one hint, in the order of their first.

    What calls the outside takes long, and what has started before may end its worker: each has a hint of its own.
    """
    groups: list[list[HandlerRun]] = []
    filling: dict[str, list[HandlerRun]] = {}
    for handler_run in handler_runs:
        if handler_run.starts or _calls_external(handler_run.handler):
            groups.append([handler_run])
            continue
        group = filling.get(handler_run.queue)
        if group is None or len(group) == HINT_SIZE:
            group = filling[handler_run.queue] = []
            groups.append(group)
        group.append(handler_run)
    return groups


def _calls_external(handler: str) -> bool:
    try:
        return get_subscription(handler).calls_external
    except LookupError:  # a handler of another release
        return True


def mark_unsent(handler_run_ids: Iterable[UUID], *, now: datetime) -> None:
    """Have the next sweep send what the broker did not accept, unless a worker has started it all the same."""
    HandlerRun.objects.filter(pk__in=list(handler_run_ids), send_after__isnull=True).update(
        send_after=now, sent_at=None
    )


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
