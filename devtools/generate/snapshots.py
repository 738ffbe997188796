"""What is in the tables of Bahi, as text, and what a played order has added to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection
from psycopg import sql

from devtools.generate.plays import PlayFailed

#: Tables whose rows every order changes, and which the generator writes by itself from the sums of all orders.
KEPT_IN_SUMS = frozenset(
    {
        "catalog_stocklevel",
        "catalog_catalogversion",
        "catalog_product",
        "invoicing_numberseries",
        "accounts_ratelimitcounter",
    }
)

#: A row: its cells by column, as COPY writes them.
Row = dict[str, str]
#: Rows by table, and by the cells of the primary key.
Snapshot = dict[str, dict[tuple[str, ...], Row]]


@dataclass(frozen=True)
class Table:
    """A table: its columns that are written (none that Postgres computes), with their types, and its primary key."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]


def list_tables() -> list[Table]:
    """Return the tables of all models."""
    names = sorted(
        {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname, attname, atttypid::regtype::text, attnum = ANY (coalesce(indkey, '')::int2[])
            FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary
            WHERE relname = ANY (%s) AND relnamespace = current_schema()::regnamespace ORDER BY relname, attnum
            """,
            [names],
        )
        rows = cursor.fetchall()
    return [
        Table(
            name,
            {column: kind for table, column, kind, _ in rows if table == name},
            tuple(column for table, column, _, is_key in rows if table == name and is_key),
        )
        for name in names
    ]


class Camera:
    """Takes snapshots within one transaction, and reads only the tables again that were written since an earlier one."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = list(tables)
        self._writes: dict[int, dict[str, int]] = {}

    def take(self, since: Snapshot | None = None) -> Snapshot:
        """Return all rows of the tables, which are few: those of a shop in which one order was played."""
        with connection.cursor() as cursor:
            # What a savepoint took back counts as written too.
            cursor.execute("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables")
            writes = dict(cursor.fetchall())
            before = {} if since is None else self._writes[id(since)]
            taken = {
                table.name: since[table.name]
                if since is not None and writes.get(table.name, 0) == before.get(table.name, 0)
                else {tuple(row[column] for column in table.key): row for row in _read(cursor, table)}
                for table in self._tables
            }
        self._writes[id(taken)] = writes
        return taken


def _read(cursor: Any, table: Table) -> list[Row]:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, sql.Identifier(table.name))
    with cursor.copy(statement) as copy:
        text = b"".join(copy).decode()
    return [dict(zip(table.columns, line.split("\t"), strict=True)) for line in text.split("\n")[:-1]]


def find_added(before: Snapshot, after: Snapshot, *, without: frozenset[str] = KEPT_IN_SUMS) -> dict[str, list[Row]]:
    """
    Return the rows by table that are new, `without` some tables.

    :raises PlayFailed: if rows changed or went that the generator does not know to change
    """
    for table, rows in before.items():
        if table not in without and any(after[table].get(key) != row for key, row in rows.items()):
            raise PlayFailed(
                f"A played order changes rows of {table} that were there before, which is not provided for."
            )
    return {
        table: [row for key, row in rows.items() if key not in before[table]]
        for table, rows in after.items()
        if table not in without and len(rows) > len(before[table])
    }
