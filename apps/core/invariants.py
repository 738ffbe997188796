"""Invariants of events, handler runs, idempotency keys and the database itself."""

from datetime import datetime
from typing import Any

import pgtrigger

from apps.core import lost_hints, relay
from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories


def _missing_triggers(cursor: Any, _now: datetime) -> list[dict[str, Any]]:
    cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')")
    enabled = set(cursor.fetchall())
    wanted = {(model._meta.db_table, trigger.get_pgid(model)) for model, trigger in pgtrigger.registered()}
    return [{"relation": relation, "trigger": trigger} for relation, trigger in sorted(wanted - enabled)]


def _hints_sent_too_often(cursor: Any, _now: datetime) -> list[dict[str, Any]]:
    cursor.execute(
        """
        SELECT id, queue, resends, created_at, sent_at FROM core_handlerrun
        WHERE num_nonnulls(done_at, parked_at, send_after) = 0 AND resends > 0
          AND sent_at < created_at + %(wait)s * (
              power(2, least(resends, %(doublings)s)) - 1
              + power(2, %(doublings)s) * greatest(resends - %(doublings)s, 0)
          )
        """,
        {"wait": relay.RESEND_AFTER, "doublings": lost_hints.MAX_DOUBLINGS},
    )
    names = ("id", "queue", "resends", "created_at", "sent_at")
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


INVARIANTS = (
    Invariant(
        id="INV-37",
        name="events_are_dense",
        statement="The events of each subject are numbered 1, 2, 3 ... without a gap.",
        sql="""
            SELECT subject_type, subject_id, events, version AS latest FROM history
            WHERE events <> version OR first_version <> 1
        """,
        reads=Reads.ONE_ROW,
        reading=event_histories,
    ),
    Invariant(
        id="INV-37b",
        name="every_change_is_recorded",
        statement="Every row that records events is at the version and in the status that its last event recorded.",
        # Rows of the other kinds may be deleted, and leave their events.
        sql="""
            SELECT coalesce(r.kind, history.subject_type) AS kind, coalesce(r.id, history.subject_id) AS id, r.version,
                   history.version AS recorded_version, r.status, history.status AS recorded_status
            FROM present r
            FULL JOIN history ON history.subject_id = r.id AND history.subject_type = r.kind
            WHERE CASE WHEN r.id IS NULL THEN history.subject_type IN (SELECT kind FROM kept_kind)
                  ELSE r.version <> coalesce(history.version, 0) OR r.status <> history.status END
        """,
        reads=Reads.ONE_ROW,
        reading=event_histories,
    ),
    Invariant(
        id="INV-38",
        name="events_are_handled",
        statement="No event waits in the outbox, and no handler run is open, for more than ten minutes without being parked.",
        grace_seconds=600,
        sql="""
            SELECT 'outbox' AS waiting, event_id AS id, created_at FROM core_outbox
            WHERE created_at < %(now)s - interval '10 minutes'
            UNION ALL
            SELECT 'handler_run', id, created_at FROM core_handlerrun
            WHERE done_at IS NULL AND parked_at IS NULL AND created_at < %(now)s - interval '10 minutes'
              AND (starts = 0 OR started_at < %(now)s - interval '10 minutes')
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-38b",
        name="no_handler_run_stays_parked",
        statement="No handler run is parked for more than a day: staff deal with each within that time.",
        grace_seconds=86_400,
        sql="""
            SELECT id, handler, starts, parked_at, left(last_error, 200) AS error FROM core_handlerrun
            WHERE parked_at < %(now)s - interval '1 day'
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-38c",
        name="handler_runs_are_sent_or_scheduled",
        statement="Every handler run has a hint that was sent, or a time at which one will be sent.",
        sql="SELECT id, handler, created_at FROM core_handlerrun WHERE sent_at IS NULL AND send_after IS NULL",
    ),
    Invariant(
        id="INV-38d",
        name="hints_are_not_sent_too_often",
        statement="A hint is sent again only after a wait that doubles, up to a limit.",
        sql=_hints_sent_too_often,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-39",
        name="one_handler_run_per_event_and_handler",
        statement="There is at most one handler run for an event and a handler, and none is both done and parked.",
        # In two parts: the first reads an index in its order, and the second each row without sorting any.
        sql="""
            SELECT event_id, handler, count(*) AS handler_runs FROM core_handlerrun
            GROUP BY event_id, handler HAVING count(*) > 1
            UNION ALL
            SELECT event_id, handler, 1 FROM core_handlerrun WHERE done_at IS NOT NULL AND parked_at IS NOT NULL
        """,
    ),
    Invariant(
        id="INV-53",
        name="incidents_are_consistent",
        statement="At most one incident per kind and key is open, and none was last seen before it was first seen.",
        sql="""
            SELECT min(id::text) AS id, kind, key, count(*) AS open FROM core_incident
            WHERE resolved_at IS NULL GROUP BY kind, key HAVING count(*) > 1
            UNION ALL
            SELECT id::text, kind, key, count FROM core_incident
            WHERE count < 1 OR last_seen_at < first_seen_at
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-43",
        name="idempotency_keys_are_whole",
        statement="Every idempotency key has its fingerprint, status and response.",
        sql="""
            SELECT id, route, key FROM core_idempotencykey
            WHERE status IS NULL OR body IS NULL OR length(fingerprint) <> 64
        """,
    ),
    Invariant(
        id="INV-52",
        name="database_is_sound",
        statement="All constraints are validated, all indexes valid, and every foreign key has an index.",
        sql="""
            SELECT 'constraint not validated' AS fault, conname::text AS name FROM pg_constraint WHERE NOT convalidated
            UNION ALL
            SELECT 'index not valid', indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
            UNION ALL
            SELECT 'foreign key without index', conrelid::regclass || '.' || conname
            FROM pg_constraint c
            WHERE contype = 'f' AND NOT EXISTS (
                SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND (i.indkey::int2[])[0] = c.conkey[1]
            )
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-27",
        name="facts_are_frozen",
        statement="The triggers that keep facts from being changed exist and are enabled.",
        sql=_missing_triggers,
        reads=Reads.LITTLE,
    ),
)
