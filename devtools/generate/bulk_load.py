"""
Bulk load: very many rows in one transaction, by COPY, into tables that have neither indexes nor foreign keys meanwhile.

What is taken off a table is made again by the database's own definition of it, and so checked: every foreign key is compared,
every unique constraint sorted. It is one transaction, so that an end of any kind, also a killed process, leaves the database
as it was. It needs no superuser, only the owner of the tables.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection, sql

from devtools.generate.snapshots import Table

#: Pieces that wait for the database while the next ones are made; more would only take memory.
_WAITING: Final = 4
#: How long the tables are waited for if somebody else uses them.
_LOCK_TIMEOUT: Final = "5s"
_MEMORY: Final = "512MB"

Piece = Mapping[str, str]
Report = Callable[[str, int, int], None]

_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype = 'f' AND (conrelid = ANY (%(tables)s::regclass[]) OR confrelid = ANY (%(tables)s::regclass[])) ORDER BY 1, 2
"""
_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE contype IN ('p', 'u', 'x') AND conrelid = ANY (%(tables)s::regclass[]) ORDER BY contype, 1, 2
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = ANY (%(tables)s::regclass[])
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')) ORDER BY 1
"""
_TRIGGERS = """
    SELECT tgrelid::regclass::text, quote_ident(tgname), tgenabled FROM pg_trigger
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid = ANY (%(tables)s::regclass[]) ORDER BY 1, 2
"""
_ENABLE: Final = {"O": "ENABLE TRIGGER", "A": "ENABLE ALWAYS TRIGGER", "R": "ENABLE REPLICA TRIGGER"}


@dataclass(frozen=True)
class DroppedObjects:
    """What was taken off the tables: the statements that make it again, in their order."""

    keys: Sequence[str]
    indexes: Sequence[str]
    foreign_keys: Sequence[str]
    triggers: Sequence[str]


def lock_tables(connection: Connection[Any], tables: Iterable[Table]) -> None:
    """
    Lock all tables against everybody until the transaction ends.

    :raises psycopg.errors.LockNotAvailable: if somebody else keeps using one
    """
    connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    names = sql.SQL(", ").join(sql.Identifier(table.name) for table in tables)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))


def strip(connection: Connection[Any], names: Sequence[str]) -> DroppedObjects:
    """Take triggers, foreign keys, indexes and keys off tables, and return how to make them again."""
    found = {"tables": [_quoted(name) for name in names]}
    triggers = connection.execute(_TRIGGERS, found).fetchall()
    foreign_keys = connection.execute(_FOREIGN_KEYS, found).fetchall()
    keys = connection.execute(_KEYS, found).fetchall()
    indexes = connection.execute(_INDEXES, found).fetchall()
    for name in names:
        _run(connection, f"ALTER TABLE {_quoted(name)} DISABLE TRIGGER USER")
    for table, name, _ in [*foreign_keys, *keys]:
        _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in indexes:
        _run(connection, f"DROP INDEX {name}")
    return DroppedObjects(
        keys=[f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in keys],
        indexes=[definition for _, definition in indexes],
        foreign_keys=[
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in foreign_keys
        ],
        triggers=[f"ALTER TABLE {table} {_ENABLE[state]} {name}" for table, name, state in triggers],
    )


def restore(connection: Connection[Any], dropped: DroppedObjects, names: Sequence[str], *, report: Report) -> None:
    """
    Make again what was taken off, and analyse the tables.

    :param report: gets the step, and how much of it is done
    :raises psycopg.errors.IntegrityError: if a row breaks a key or a foreign key
    """
    _run(connection, f"SET LOCAL maintenance_work_mem = '{_MEMORY}'")
    _run(connection, f"SET LOCAL work_mem = '{_MEMORY}'")
    built = [*dropped.keys, *dropped.indexes]
    for done, statement in enumerate(built):
        report("index", done, len(built))
        _run(connection, statement)
    # Foreign keys are checked by a join, whose plan needs statistics.
    for done, name in enumerate(names):
        report("analyse", done, len(names))
        _run(connection, f"ANALYZE {_quoted(name)}")
    for done, statement in enumerate(dropped.foreign_keys):
        report("foreign key", done, len(dropped.foreign_keys))
        _run(connection, statement)
    for statement in dropped.triggers:
        _run(connection, statement)


def empty_tables(connection: Connection[Any], names: Iterable[str]) -> list[str]:
    """Return those of the tables that have no row."""
    return [
        name
        for name in names
        if not connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(name))).fetchone()[0]  # type: ignore[index]
    ]


def copy_pieces(
    connection: Connection[Any], tables: Mapping[str, Table], pieces: Iterable[Piece], *, fresh: Iterable[str]
) -> Iterator[None]:
    """
    Write pieces, each of which has the texts of some tables, and yield after each.

    They are made in a thread of their own while the database takes the ones before. `fresh` tables were emptied in this
    transaction, so that their rows need no vacuum later.
    """
    statements = {name: _copy_statement(table, is_fresh=name in set(fresh)) for name, table in tables.items()}
    with connection.cursor() as cursor, _made_ahead(pieces) as made:
        for piece in made:
            for name, text in piece.items():
                with cursor.copy(statements[name]) as copy:
                    copy.write(text)
            yield


def truncate(connection: Connection[Any], names: Sequence[str]) -> None:
    """Empty tables that are empty, so that what is written into them is thrown away with its files if it is rolled back."""
    for name in names:
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(name)))


@contextmanager
def _made_ahead(pieces: Iterable[Piece]) -> Iterator[Iterator[Piece]]:
    """Have pieces made in another thread, a few ahead; its error is raised here."""
    waiting: queue.Queue[Piece | BaseException | None] = queue.Queue(_WAITING)
    is_over = threading.Event()

    def make() -> None:
        try:
            for piece in pieces:
                if is_over.is_set():
                    return
                waiting.put(piece)
            waiting.put(None)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised by who takes the pieces
            waiting.put(error)

    thread = threading.Thread(target=make, name="pieces", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        is_over.set()
        while thread.is_alive():
            with suppress(queue.Empty):
                waiting.get(timeout=0.1)
        thread.join()


def _taken(waiting: queue.Queue[Piece | BaseException | None]) -> Iterator[Piece]:
    while (piece := waiting.get()) is not None:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


def _copy_statement(table: Table, *, is_fresh: bool) -> sql.Composed:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    options = sql.SQL(" WITH (FREEZE)") if is_fresh else sql.SQL("")
    return sql.SQL("COPY {} ({}) FROM STDIN{}").format(sql.Identifier(table.name), columns, options)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _run(connection: Connection[Any], statement: str) -> None:
    connection.execute(statement.encode())
