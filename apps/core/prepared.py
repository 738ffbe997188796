"""
Prepared statements for the few hot paths.

Django neither prepares statements nor lets `prepare=True` through: it sets `prepare_threshold` to None and uses cursors
that bind on the client. This goes around both, inside the same connection and transaction, and writes to Django's query
log so that query counts stay true.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import dict_row

# Above any real count: psycopg then prepares only what asks for it.
_NEVER_BY_ITSELF = 1_000_000


def fetch_all(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
    """Run one prepared statement and return its rows as dictionaries."""
    # As Django's own cursors do: after a restart of Postgres the first statement must not be the one that finds out.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = _NEVER_BY_ITSELF

    started = time.monotonic()
    with connection.wrap_database_errors, psycopg.Cursor(raw, row_factory=dict_row) as cursor:
        cursor.execute(statement, params, prepare=True)
        rows = cursor.fetchall() if cursor.description else []
    if connection.queries_logged:
        connection.queries_log.append({"sql": statement, "time": f"{time.monotonic() - started:.3f}"})
    return rows


def fetch_one(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> dict[str, Any] | None:
    """Run one prepared statement and return its first row, or None."""
    rows = fetch_all(statement, params)
    return rows[0] if rows else None
