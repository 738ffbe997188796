"""Plans of prepared statements, made without values: those that Postgres keeps for all parameters."""

from typing import Any

from django.db import connection


def plan_without_values(*tables: str) -> None:
    """
    Let statements be planned once for all parameters, and by indexes wherever there is one; to the end of the transaction.

    What the planner knows of the tables is forgotten: it must not hang on when autovacuum looked at what earlier tests left.
    """
    with connection.cursor() as cursor:
        forget_statistics(cursor, *tables)
        cursor.execute("DISCARD PLANS")  # an earlier test may have left one
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        # Of a table without rows it would cost the same to sort what another index gives.
        cursor.execute("SET LOCAL enable_bitmapscan = off")


def forget_statistics(cursor: Any, *tables: str) -> None:
    """Let the planner take tables for new ones, of which it assumes some pages of rows; to the end of the transaction."""
    for table in tables:
        cursor.execute("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = %s::regclass", [table])
        cursor.execute("DELETE FROM pg_statistic WHERE starelid = %s::regclass", [table])


def explain_prepared(statement: str, params: list[Any]) -> str:
    """Return the plan of the one prepared statement that contains a text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM pg_prepared_statements WHERE position(%s IN statement) > 0", [statement])
        [(name,)] = cursor.fetchall()
        cursor.execute(f"EXPLAIN EXECUTE {name}({', '.join(['%s'] * len(params))})", params)
        return "\n".join(line for (line,) in cursor.fetchall())
