"""Handler runs that workers carry out: each has started, calls its handler, and is done, tried again later or parked."""

import traceback
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog

from apps.core import clock, relay
from apps.core.errors import Conflict
from apps.core.events import current_request_id
from apps.core.logs import logged_with, redact_text
from apps.core.models import Event, HandlerRun, all_null
from apps.core.prepared import execute, fetch_rows, to_array
from apps.core.relay import Subscription
from apps.core.rows import columns, count_columns, to_object
from apps.core.transactions import atomic, transactional

log = structlog.get_logger(__name__)

MAX_STARTS = 5
#: Wait before start n+1 after start n failed.
BACKOFF = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60), timedelta(minutes=5))


class HandlerRunNotParked(Conflict):
    """Only a parked handler run can be started again, and this one is not parked. Reload the page."""

    message = "This handler run is not parked."


def run_handlers(
    handler_run_ids: Sequence[UUID], *, now: datetime | None = None, hint_sent_at: datetime | None = None
) -> int:
    """
    Carry out the handler runs of one hint, and return how many are done. `hint_sent_at` is when the hint was sent.

    1. Commit that they have started; the fifth start that did not finish parks one. One with an earlier start is left for a
       hint of its own: it may be what ends workers, and would take the others with it.
    2. Call the handler of each, one after another, each in a transaction of its own, which begins with its receipt.
    3. If that fails, keep the error and set when to try again.
    """
    started = _start(handler_run_ids, hint_sent_at=hint_sent_at, now=now or clock.now())
    return sum(_carry_out(handler_run, now=now or clock.now()) for handler_run in started)


def _carry_out(handler_run: HandlerRun, *, now: datetime) -> bool:
    token = current_request_id.set(handler_run.event.request_id)
    with logged_with(
        request_id=handler_run.event.request_id,
        event=handler_run.event.type,
        handler=handler_run.handler,
        handler_run=str(handler_run.pk),
    ):
        try:
            _call_handler(relay.get_subscription(handler_run.handler), handler_run, now=now)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is recorded, and the run is repeated
            _record_failure(handler_run, error, now=clock.now())
            return False
        finally:
            current_request_id.reset(token)
    return True


# The condition that a run is open is one that its partial index does not fit: see `all_null`.
# Of several hints, the one that was started shows how far the queue has come: its `sent_at` is kept.
_START = """
    WITH started AS (
        UPDATE core_handlerrun
        SET starts = starts + 1, started_at = $2::timestamptz, send_after = $3::timestamptz,
            sent_at = COALESCE($4::timestamptz, sent_at)
        WHERE id = ANY($1::uuid[]) AND num_nonnulls(done_at, parked_at) = 0 AND starts < $5::int
          AND (starts = 0 OR $6::boolean)
        RETURNING *
    )
    SELECT {run}, {event} FROM started JOIN core_event AS event ON event.id = started.event_id ORDER BY started.id
"""


@cache
def _start_statement() -> str:
    return _START.format(run=columns(HandlerRun, "started"), event=columns(Event, "event"))


def _start(handler_run_ids: Sequence[UUID], *, now: datetime, hint_sent_at: datetime | None = None) -> list[HandlerRun]:
    """Commit that handler runs have started, all that are open and may, and return these with their events."""
    is_alone = len(handler_run_ids) == 1
    params = [
        to_array(handler_run_ids), now.isoformat(), (now + relay.RESEND_AFTER).isoformat(),
        None if hint_sent_at is None else hint_sent_at.isoformat(), str(MAX_STARTS), "t" if is_alone else "f",
    ]  # fmt: skip
    started = [_started_run(row) for row in fetch_rows(_start_statement(), params)]
    if is_alone and not started:
        open_run = HandlerRun.objects.filter(all_null("done_at", "parked_at"), pk=handler_run_ids[0])
        if open_run.filter(starts__gte=MAX_STARTS).update(parked_at=now):
            log.error("handler_run_parked", handler_run=str(handler_run_ids[0]), starts=MAX_STARTS)
    return started


def _started_run(row: tuple[Any, ...]) -> HandlerRun:
    width = count_columns(HandlerRun)
    handler_run = to_object(HandlerRun, row[:width])
    handler_run.event = to_object(Event, row[width:])
    return handler_run


def _call_handler(subscription: Subscription, handler_run: HandlerRun, *, now: datetime) -> None:
    if subscription.calls_external:
        subscription.call(event=handler_run.event, now=now)
        _mark_done(handler_run)
        return

    with atomic():
        # The receipt comes first: a twin of this handler run waits here until this one has committed, and finds it done. If the
        # handler fails, its receipt is rolled back with it.
        if _mark_done(handler_run):
            subscription.call(event=handler_run.event, now=now)


def _mark_done(handler_run: HandlerRun) -> bool:
    """Write the receipt, and return whether there was none."""
    receipt = (
        "UPDATE core_handlerrun SET done_at = $2, last_error = '', parked_at = NULL WHERE id = $1 AND done_at IS NULL"
    )
    return execute(receipt, [str(handler_run.pk), clock.now().isoformat()]) == 1


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


@transactional
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
