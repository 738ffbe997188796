"""
Prepared statements for the hot paths.

Django neither prepares statements nor lets `prepare=True` through: it sets `prepare_threshold` to None and uses cursors
that bind on the client. This goes around both, inside the same connection and transaction, and writes to Django's query
log so that query counts stay true.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from django.db import connections
from psycopg._preparing import Prepare, PrepareManager
from psycopg.rows import dict_row

from apps.core.replica import reading_alias

Result = TypeVar("Result")

# Above any real count: psycopg then prepares only what asks for it.
_NEVER_BY_ITSELF = 1_000_000
#: Above the number of statements that the code prepares, so that none is dropped for another.
_MAX_PREPARED = 250

#: What a prepared statement may hold after a migration that is released while this process runs: a plan for other columns.
_OUTDATED = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.FeatureNotSupported)


class StatementCache(PrepareManager):
    """
    What psycopg knows of the statements that are prepared on a connection, kept across rollbacks.

    psycopg forgets all of them at every ROLLBACK and ROLLBACK TO SAVEPOINT, where Postgres keeps them: after each refused
    request every statement would be planned again. This overrides private methods of psycopg, which a test checks.
    """

    def _should_discard(
        self,
        prep: Prepare,
        results: Sequence[Any],
        __should_clear: Any = re.compile(rb"^(?:DROP|ALTER|DISCARD ALL|DEALLOCATE ALL)\b").match,
    ) -> bool:
        for result in results:
            if result.command_status and __should_clear(result.command_status):
                return self.forget()
        return False

    def validate(self, key: Any, prep: Prepare, name: bytes, results: Sequence[Any]) -> None:
        # A statement that fails at its first run, such as at a constraint, is prepared all the same.
        if prep is Prepare.SHOULD and not self._check_results(results):
            self._rotate()
        else:
            super().validate(key, prep, name, results)

    def clear(self) -> bool:
        """Do nothing: psycopg calls this after a rollback."""
        return False

    def forget(self) -> bool:
        """Have every statement of the connection prepared again."""
        return super().clear()


def fetch_all(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
    """Run one prepared statement and return its rows as dictionaries."""
    return _run(
        lambda raw: psycopg.Cursor(raw, row_factory=dict_row),
        statement,
        params,
        lambda cursor: cursor.fetchall() if cursor.description else [],
    )


def fetch_one(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> dict[str, Any] | None:
    """Run one prepared statement and return its first row, or None."""
    rows = fetch_all(statement, params)
    return rows[0] if rows else None


#: What a statement with the placeholders $1, $2 and so on is given: text, whose type Postgres takes from where each stands.
#: psycopg sends an int as int2, int4 or int8 by its size, and prepares a statement once for each combination of types:
#: amounts of mixed size would make dozens of plans.
TextParams = Sequence[str | bytes | None]


def to_array(values: Iterable[object]) -> str:
    """Return ids or plain names as the text of an array, for a placeholder such as `$1::uuid[]`."""
    return f"{{{','.join(map(str, values))}}}"


def fetch_rows(statement: str, params: TextParams, *, is_prepared: bool = True) -> list[tuple[Any, ...]]:
    """
    Run one statement with the placeholders $1, $2 and so on, and return its rows.

    :param is_prepared: False for a rare one of many variants, for which a common one would be dropped
    """
    return _run(psycopg.RawCursor, statement, params, lambda cursor: cursor.fetchall(), is_prepared=is_prepared)


def execute(statement: str, params: TextParams) -> int:
    """Run one prepared statement with the placeholders $1, $2 and so on, and return how many rows it wrote."""
    return _run(psycopg.RawCursor, statement, params, lambda cursor: int(cursor.rowcount))


def _run(
    make_cursor: Callable[["psycopg.Connection[Any]"], Any],
    statement: str,
    params: Sequence[Any] | Mapping[str, Any],
    take: Callable[[Any], Result],
    *,
    is_prepared: bool = True,
) -> Result:
    """Run one statement, and return what `take` makes of its cursor."""
    # Once: `django.db.connection` looks for it again at each use of one of its attributes.
    database: Any = connections[reading_alias()]
    raw = _connect(database)
    started = time.monotonic()
    with database.wrap_database_errors:
        try:
            with make_cursor(raw) as cursor:
                cursor.execute(statement, params, prepare=is_prepared)
                result = take(cursor)
        except _OUTDATED:
            if isinstance(raw._prepared, StatementCache):
                raw._prepared.forget()
            raise
    if database.queries_logged:
        database.queries_log.append({"sql": statement, "time": f"{time.monotonic() - started:.3f}"})
    return result


def _connect(database: Any) -> "psycopg.Connection[Any]":
    # As Django's own cursors do: after a restart of Postgres the first statement must not be the one that finds out.
    database.close_if_health_check_failed()
    database.ensure_connection()
    database.validate_no_broken_transaction()
    raw: psycopg.Connection[Any] = database.connection
    if raw.prepare_threshold is None:
        raw._prepared = StatementCache()
        raw.prepare_threshold = _NEVER_BY_ITSELF
        raw.prepared_max = _MAX_PREPARED
    return raw
