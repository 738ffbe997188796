"""
The books: every row of the database as text, without what differs between two runs of the same story.

Ids, instants and codes are replaced by what they are; two runs of the same journeys have equal books, and a fault that
changes a state, an amount, a count or a row does not.
"""

import json
import re
from collections import Counter
from typing import Any, Final

from django.db import connection
from psycopg import sql

from tests.support.databases import REFERENCE_TABLES

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PUBLIC_ID: Final = re.compile(r"\b[a-z]{2,6}_[0-9A-Za-z]{10,32}\b")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+\d\d(:\d\d)?|Z)?")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK_TIME: Final = re.compile(r"\d{1,2}:\d\d [ap]m|md5\$\S+|![0-9a-zA-Z]{40}\b")
_LONG_CODE: Final = re.compile(r"\b(?=[0-9a-zA-Z]*\d)[0-9a-zA-Z_-]{16,}\b")
#: Numbers of sequences, which have gaps wherever an insertion was undone.
_SEQUENCES: Final = frozenset({"id", "last_entry_id"})
#: What says how the work was done, and not what was done.
_NOT_BOOKS: Final = frozenset({
    "core_auditrun", "core_outbox", "core_handlerrun", "core_pendingprojection",
    "django_session", "django_admin_log", "invoicing_invoicefile",
})  # fmt: skip


def read_books() -> dict[str, Counter[str]]:
    """Return how often each row occurs, by table."""
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - REFERENCE_TABLES - _NOT_BOOKS)
        tables += ["ledger_account"]
        return {table: Counter(_read(cursor, table)) for table in tables}


def differing_tables(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> list[str]:
    """Return the tables whose rows differ."""
    return sorted(table for table in before.keys() | after.keys() if before.get(table) != after.get(table))


def _read(cursor: Any, table: str) -> list[str]:
    statement = sql.SQL("SELECT to_jsonb(t) FROM {} t").format(sql.Identifier(table))
    cursor.execute(statement.as_string(cursor.connection))
    return [
        " ".join(f"{name}={_normalised(name, value)}" for name, value in sorted(row.items()))
        for (row,) in ((_as_mapping(value),) for (value,) in cursor.fetchall())
    ]


def _as_mapping(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found


def _normalised(name: str, value: Any) -> str:
    if name in _SEQUENCES and isinstance(value, int):
        return "number"
    text = str(value)
    for pattern, kind in (
        (_UUID, "uuid"), (_PUBLIC_ID, "id"), (_INSTANT, "instant"), (_DATE, "date"), (_CLOCK_TIME, "time"), (_LONG_CODE, "code"),
    ):  # fmt: skip
        text = pattern.sub(kind, text)
    return text
