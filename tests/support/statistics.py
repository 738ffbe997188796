"""What a statement reads, and a table whose statistics are those of a quiet day."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, models, transaction


@contextmanager
def kept_statistics(model: type[models.Model]) -> Iterator[None]:
    """
    Take the statistics of a table now, and keep them as they are until the end, whatever is added meanwhile.

    Its partial indexes count as empty, as those of what waits are on a quiet day.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        cursor.execute(f"ANALYZE {table}")
        cursor.execute(
            "UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE oid IN"
            " (SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass AND indpred IS NOT NULL)",
            [table],
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")


def count_rows_read(model: type[models.Model], act: Callable[[], Any]) -> int:
    """
    Call a function in a transaction and return the number of rows of a table that its statements fetched.

    Postgres counts them for the running transaction, whatever the plan was: rows that a filter then removed count too.
    """
    with transaction.atomic():
        before = _fetched(model)
        act()
        return _fetched(model) - before


def _fetched(model: type[models.Model]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE relname = %s",
            [model._meta.db_table],
        )
        [count] = cursor.fetchone() or [0]
        return int(count)


def copy_row(row: models.Model, count: int, **values: str) -> None:
    """
    Add copies of a row, each with an id of its own; `values` are SQL expressions by column, in which `n` counts them.

    Foreign keys are not checked, so that a column may name what is not there.
    """
    table = row._meta.db_table
    columns = [field.column for field in row._meta.concrete_fields if not field.generated]
    picked = {"id": "gen_random_uuid()", **values}
    chosen = ", ".join(picked.get(column, f"r.{column}") for column in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {chosen} FROM {table} AS r, generate_series(1, {count}) AS n WHERE r.id = %s",
            [row.pk],
        )


def change_past_triggers(row: models.Model, **values: str) -> None:
    """Change stored columns of a row, whatever its triggers say; `values` are SQL expressions by column, in which `n` is 0."""
    sets = ", ".join(f"{column} = {value}" for column, value in values.items())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            f"UPDATE {row._meta.db_table} AS r SET {sets} FROM (SELECT 0 AS n) AS counted WHERE r.id = %s", [row.pk]
        )
