"""
What changed lately, under the names of the tables, for invariants that are about single orders or rows.

Temporary tables are found before the real ones until the transaction ends. They hold whole orders: all that belongs to an
order of which anything has had an event since. An invariant that looks at one order at a time finds in them what it would
find of these orders in the real tables.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.models import Subject

_ROOTS = "SELECT DISTINCT root_id AS id FROM core_event WHERE root_id IS NOT NULL AND created_at >= %(since)s"
_SUBJECTS = "SELECT DISTINCT subject_type AS type, subject_id AS id FROM core_event WHERE created_at >= %(since)s"
# In two parts, since Postgres would read all events for a condition with OR.
_EVENTS = """
    SELECT * FROM core_event WHERE root_id IN (SELECT id FROM recent_root)
    UNION ALL
    SELECT * FROM core_event
    WHERE root_id IS NULL AND (subject_type, subject_id) IN (SELECT type, id FROM recent_subject)
"""


def hide_other_orders(cursor: Any, *, since: datetime) -> None:
    """
    Hide all orders without an event since an instant, with what belongs to them, until the transaction ends.

    `RECENT_ROWS` says of each table which rows belong to an order: a condition that may name `recent_root`, the ids of the
    orders, and tables before it. Nothing is written to the real tables, but the transaction may not be read-only.
    """
    _make_table(cursor, "recent_root", _ROOTS, {"since": since})
    _make_table(cursor, "recent_subject", _SUBJECTS, {"since": since})
    _hide(cursor, "core_event", _EVENTS)
    conditions: Mapping[str, str] = import_string(settings.RECENT_ROWS)
    for table, condition in conditions.items():
        _hide(cursor, table, f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 - our own names


def hide_other_rows(cursor: Any) -> None:
    """
    Hide, in the other tables whose rows record events, the rows without an event among those that are left.

    Call `hide_other_orders` first. Of an order that has changed all events are left, and so are all rows that they are about.
    """
    hidden = import_string(settings.RECENT_ROWS)
    for model in apps.get_models():
        table = model._meta.db_table
        if issubclass(model, Subject) and table not in hidden:
            kind = model._meta.label_lower
            condition = f"id IN (SELECT subject_id FROM core_event WHERE subject_type = '{kind}')"  # noqa: S608
            _hide(cursor, table, f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 - our own names


def _make_table(cursor: Any, name: str, query: str, params: Mapping[str, Any] | None = None) -> None:
    cursor.execute(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {query}", params)
    cursor.execute(f"ANALYZE pg_temp.{name}")


def _hide(cursor: Any, table: str, query: str) -> None:
    # With the indexes of the table: what looks up rows for each order would else read all of them each time, and a statement
    # that groups by the key may name other columns. Its own rows are found before it has the table's name.
    cursor.execute(f"CREATE TEMPORARY TABLE hiding_{table} (LIKE {table} INCLUDING INDEXES) ON COMMIT DROP")
    cursor.execute(f"INSERT INTO hiding_{table} {query}")
    cursor.execute(f"ALTER TABLE hiding_{table} RENAME TO {table}")
    cursor.execute(f"ANALYZE pg_temp.{table}")
