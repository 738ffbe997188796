"""
The relay of events: it turns each Outbox row into one HandlerRun per handler, which workers run.

Postgres is the source of truth. The broker holds hints, as many as it has room for, which may be lost: a sweep sends lost
hints again, but not those that still wait in a queue. What the broker has no room for waits in Postgres.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string

from apps.core.models import HandlerRun, Outbox
from apps.core.prepared import execute, fetch_rows, to_array
from apps.core.queues import HintBudget, find_queue, handler_name, list_assignments, list_queues
from apps.core.rows import columns, to_object
from apps.core.transactions import transactional

log = structlog.get_logger(__name__)

BATCH = 200
#: The oldest rows of the outbox among which the most urgent are taken.
WINDOW = 2_000
#: Handler runs that one hint is about, at most: starting, fetching and acknowledging a task cost more than most of them.
HINT_SIZE = 10
#: How long a hint or a start is left alone before anybody asks whether it was lost; longer than a task may run.
RESEND_AFTER = timedelta(seconds=90)


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
    name = handler_name(handler)
    calls_external = getattr(handler, "calls_external", False)
    return Subscription(
        name=name, queue=find_queue(name), call=handler, calls_external=calls_external, if_values=if_values
    )


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
# What somebody waits for comes first, of the oldest rows: to sort all that a long outage has left would take longer with each.
_TAKE = f"""
    WITH oldest AS MATERIALIZED (
        SELECT outbox.id, event.type
        FROM core_outbox AS outbox JOIN core_event AS event ON event.id = outbox.event_id
        WHERE event.type = ANY($1::text[])
        ORDER BY outbox.id LIMIT {WINDOW}
    ), waiting AS MATERIALIZED (
        SELECT outbox.id
        FROM oldest JOIN core_outbox AS outbox ON outbox.id = oldest.id
        ORDER BY ($4::int[])[array_position($1::text[], oldest.type::text)], oldest.id LIMIT $2::int
        FOR UPDATE OF outbox SKIP LOCKED
    ), taken AS (
        DELETE FROM core_outbox AS outbox USING waiting WHERE outbox.id = waiting.id RETURNING outbox.id, outbox.event_id
    ), pending AS (
        INSERT INTO core_pendingprojection (root_id, created_at)
        SELECT event.root_id, min(event.created_at)
        FROM taken JOIN core_event AS event ON event.id = taken.event_id
        WHERE event.type = ANY($5::text[]) AND event.root_id IS NOT NULL
        GROUP BY event.root_id
    )
    SELECT taken.event_id, event.type, CASE WHEN event.type = ANY($3::text[]) THEN event.changes::text END
    FROM taken JOIN core_event AS event ON event.id = taken.event_id ORDER BY taken.id
"""  # noqa: S608 - our own number
_ADD_RUNS = """
    INSERT INTO core_handlerrun (id, event_id, handler, queue, created_at, sent_at, send_after, starts, last_error)
    SELECT id, event_id, handler, queue, $2::timestamptz, CASE WHEN is_sent THEN $2::timestamptz END,
           CASE WHEN NOT is_sent THEN $2::timestamptz END, 0, ''
    FROM json_to_recordset($1::json) AS run (id uuid, event_id uuid, handler text, queue text, is_sent boolean)
    ON CONFLICT DO NOTHING
"""


def claim_outbox(*, now: datetime, limit: int = BATCH, budget: HintBudget | None = None) -> list[HandlerRun]:
    """
    Turn each waiting Outbox row into handler runs once, and return those to be sent; several relays may do so in parallel.

    The orders of events that projections count are kept as pending in the same transaction.

    What there is no room for is left to `claim_due`. An event of a type that this relay does not know is left to a relay that
    does: during a release, old relays read events of the new version.
    """
    if not fetch_rows(_IS_ANYTHING_WAITING, []):
        return []  # one statement, most of the time
    return _claim_waiting(now=now, limit=limit, budget=budget)


@transactional
def _claim_waiting(*, now: datetime, limit: int, budget: HintBudget | None) -> list[HandlerRun]:
    known = [*get_subscriptions(), *import_string(settings.UNSUBSCRIBED)]
    ranks = to_array(map(_rank, known))
    projected = to_array(import_string(settings.PROJECTED))
    waiting = fetch_rows(_TAKE, [to_array(known), str(limit), _types_with_conditions(), ranks, projected])
    handler_runs = [
        HandlerRun(event_id=event_id, handler=subscription.name, queue=subscription.queue, created_at=now, sent_at=now)
        for event_id, event_type, values in waiting
        for subscription in get_subscriptions().get(event_type, ())
        if subscription.concerns(orjson.loads(values or "{}"))
    ]
    to_be_sent = [
        run for group in group_by_hint(handler_runs) if budget is None or budget.take(group[0].queue) for run in group
    ]
    if handler_runs:
        sent = {run.pk for run in to_be_sent}
        rows = [
            {
                "id": run.pk, "event_id": run.event_id, "handler": run.handler, "queue": run.queue,
                "is_sent": run.pk in sent,
            }
            for run in handler_runs
        ]  # fmt: skip
        execute(_ADD_RUNS, [orjson.dumps(rows).decode(), now.isoformat()])
    return to_be_sent


# A hint in the queue of the release before may have no worker any more: it is sent again as one that was lost.
_ASSIGN_QUEUES = """
    UPDATE core_handlerrun AS run SET queue = coalesce(assigned.queue, $3::text)
    FROM core_handlerrun AS waiting
    LEFT JOIN json_to_recordset($1::json) AS assigned (handler text, queue text) ON assigned.handler = waiting.handler
    WHERE run.id = waiting.id AND waiting.done_at IS NULL
      AND CASE WHEN assigned.queue IS NULL THEN waiting.queue <> ALL ($2::text[]) ELSE waiting.queue <> assigned.queue END
"""


def _types_with_conditions() -> str:
    return to_array(name for name, group in get_subscriptions().items() if any(one.if_values for one in group))


def _rank(event_type: str) -> int:
    """Return the place, in the order of their urgency, of the most urgent queue that an event is for."""
    queues = list_queues()
    return min((queues.index(each.queue) for each in get_subscriptions().get(event_type, ())), default=len(queues))


# Queue by queue, so that a flood of one keeps no other waiting; the index gives the oldest of each.
_CLAIM_DUE = """
    WITH due AS MATERIALIZED (
        SELECT run.id, run.send_after
        FROM json_to_recordset($1::json) AS queue (name text, most int)
        CROSS JOIN LATERAL (
            SELECT id, send_after FROM core_handlerrun
            WHERE queue = queue.name AND done_at IS NULL AND parked_at IS NULL AND send_after <= $2::timestamptz
            ORDER BY send_after LIMIT queue.most
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS run
    ), claimed AS (
        UPDATE core_handlerrun AS run SET send_after = NULL, sent_at = $2::timestamptz, resends = 0
        FROM due WHERE run.id = due.id RETURNING run.*
    )
    SELECT due.send_after, {run} FROM claimed JOIN due ON due.id = claimed.id ORDER BY due.send_after, claimed.id
"""


@transactional
def claim_due(*, now: datetime, limit: int = BATCH, budget: HintBudget | None = None) -> list[HandlerRun]:
    """
    Return the handler runs whose time to be sent has come: failed ones, those whose worker crashed, those that had no budget.

    :param limit: how many of each queue
    """
    most = {queue: limit if budget is None else min(limit, budget.count_left(queue)) for queue in list_queues()}
    asked = {queue: count for queue, count in most.items() if count}
    if not asked:
        return []
    queues = orjson.dumps([{"name": queue, "most": count} for queue, count in asked.items()]).decode()
    due = [
        _due_run(due_since, row)
        for due_since, *row in fetch_rows(
            _CLAIM_DUE.format(run=columns(HandlerRun, "claimed")), [queues, now.isoformat()]
        )
    ]
    if budget is not None:
        budget.mark_waiting(Counter(run.queue for run in due), asked)
        for group in group_by_hint(due):
            budget.take(group[0].queue)
    return due


def _due_run(due_since: datetime, row: Sequence[Any]) -> HandlerRun:
    handler_run = to_object(HandlerRun, tuple(row))
    handler_run.waiting_since = due_since
    return handler_run


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


def assign_queues() -> int:
    """
    Move the open handler runs whose handler waits in another queue since a release, and return how many were moved.

    Those of a handler that no queue names, in a queue that there is no more, move to the least urgent.
    """
    queues = list_queues()
    assigned = [{"handler": handler, "queue": queue} for handler, queue in list_assignments()]
    return execute(_ASSIGN_QUEUES, [orjson.dumps(assigned).decode(), to_array(queues), queues[-1]])


def mark_unsent(handler_run_ids: Iterable[UUID], *, now: datetime) -> None:
    """Have the next sweep send what the broker did not accept, unless a worker has started it all the same."""
    HandlerRun.objects.filter(pk__in=list(handler_run_ids), send_after__isnull=True).update(
        send_after=now, sent_at=None
    )


def count_open_work(*, now: datetime) -> dict[str, Any]:
    """Return what is on its way: outbox rows, open and parked handler runs, and the age of the oldest in seconds."""
    oldest = Outbox.objects.order_by("id").values_list("created_at", flat=True).first()
    is_open = Q(done_at__isnull=True, parked_at__isnull=True)
    return {
        "outbox": Outbox.objects.count(),
        "outbox_oldest_seconds": (now - oldest).total_seconds() if oldest else 0.0,
        "handler_runs_open": HandlerRun.objects.filter(is_open).count(),
        "handler_runs_parked": HandlerRun.objects.filter(parked_at__isnull=False).count(),
    }
