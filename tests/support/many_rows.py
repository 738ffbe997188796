"""
Thousands of rows of each table, copied in the database from one that a service has made, and what a statement reads of them.

The copies of a row differ from it in what must be unique and in their times, a second apart. The copies of rows that belong
together belong together: the hundredth payment to the hundredth order.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.db.models import Model

#: Tables that stay small however much is sold, and why.
SMALL = {
    "accounts.RateLimitCounter": "counters of a day",
    "backoffice.DailySales": "one a day",
    "backoffice.ProjectionState": "one row",
    "catalog.CatalogVersion": "one row",
    "catalog.Category": "as many as a menu shows",
    "catalog.Location": "warehouses",
    "core.PendingProjection": "what changed in the last seconds",
    "invoicing.NumberSeries": "a few each year",
    "ledger.Account": "the chart of accounts",
    "ledger.BalanceCheckpoint": "one a night for each account",
    "payments.PaymentDowntime": "a few a day, whatever is sold",
    "settlements.BankStatementImport": "a few a day",
    "settlements.FeeRate": "the lines of contracts",
    "settlements.Settlement": "one or a few a day; each has thousands of lines",
    "settlements.SettlementImport": "a few a day",
    "tax.Registration": "the shop's own",
    "tax.TaxRate": "the law's",
}
LARGE = [
    model
    for model in apps.get_models()
    if model.__module__.startswith("apps.") and model._meta.managed and model._meta.label not in SMALL
]
TABLES = {model._meta.db_table for model in LARGE}
#: The copies of a table; an index wins over reading it whole.
COUNT = 4_000
_TEXT_SUFFIX = 6
#: A table that is small in a test, such as an empty one, may be read as the planner likes.
_WHOLE = COUNT // 4


#: What most rows of a table are, and a copied one is not: SQL that sets their columns. One in a hundred stays as it was copied.
USUAL = {
    "orders.Order": "status = 'completed', completed_at = placed_at",
    "payments.Webhook": "processed_at = received_at, next_attempt_at = NULL, parked_at = NULL, outcome = 'processed'",
    "core.HandlerRun": "done_at = created_at, parked_at = NULL",
    "accounts.User": "is_staff = false, is_superuser = false",
}
_ONE_IN = 100


def multiply_rows(all_models: Iterable[type[Model]], *, count: int = COUNT) -> None:
    """Add copies of the first row of each model, and have the database count its rows anew."""
    chosen = list(all_models)
    with connection.cursor() as cursor:
        # Neither frozen rows nor foreign keys are what this is about, and a trigger for each copy takes minutes.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model in chosen:
            cursor.execute(_copy_statement(model, frozenset(chosen), count))
            if usual := USUAL.get(model._meta.label):
                cursor.execute(f"UPDATE {model._meta.db_table} SET {usual} WHERE {_most_copies(count)}")
        cursor.execute("SET LOCAL session_replication_role = origin")
        # An autovacuum of one of the tables may have to give way first.
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("ANALYZE " + ", ".join(model._meta.db_table for model in chosen))
        # A table of some thousand rows stands for one of millions: to follow an index to a row of it is not to seem dear.
        cursor.execute("SET LOCAL random_page_cost = 1.1")


def _most_copies(count: int) -> str:
    return f"id::text LIKE '%-7000-8000-%' AND right(id::text, 6) > lpad(to_hex({count // _ONE_IN}), 6, '0')"


def _copy_statement(model: type[Model], chosen: frozenset[Any], count: int) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    unique = _columns_to_vary(model, chosen)
    columns = [field for field in model._meta.concrete_fields if not field.generated]
    names = ", ".join(connection.ops.quote_name(field.column) for field in columns)
    values = ", ".join(_copied(field, chosen, is_unique=field.column in unique) for field in columns)
    return (
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {values}"
        f" FROM (SELECT * FROM {table} LIMIT 1) row, generate_series(1, {count}) nth"
    )  # fmt: skip


def _copied(field: Any, chosen: frozenset[Any], *, is_unique: bool) -> str:
    """Return the SQL of what a copy has in a column."""
    column = f"row.{connection.ops.quote_name(field.column)}"
    is_of_copy = field.remote_field is not None and field.related_model in chosen
    is_reference = isinstance(field, models.UUIDField)  # to a row of an app above, which is no foreign key
    if field.primary_key or is_of_copy or is_unique or is_reference:
        return _varied(field, column)
    if isinstance(field, models.DateTimeField):
        return f"{column} + nth * interval '1 second'"
    if isinstance(field, models.DateField):
        return f"{column} + nth / 50"
    return column


def _varied(field: Any, column: str) -> str:
    kind = field.target_field if field.remote_field else field
    table = connection.ops.quote_name(field.model._meta.db_table)
    if isinstance(kind, models.UUIDField):
        # As ids are made: the time first. A row without the id of another has none in its copies either.
        made = "(lpad(to_hex(1790000000000 + nth * 1000), 12, '0') || '70008000' || lpad(to_hex(nth), 12, '0'))::uuid"
        return f"CASE WHEN {column} IS NULL THEN NULL ELSE {made} END"
    if isinstance(kind, models.IntegerField):
        return f"(SELECT max({column.removeprefix('row.')}) FROM {table}) + nth"
    if isinstance(kind, models.DateField):
        return f"{column} + nth"
    length = kind.max_length or 1_000
    return f"left({column}, {length - _TEXT_SUFFIX}) || lpad(nth::text, {_TEXT_SUFFIX}, '0')"


def _columns_to_vary(model: type[Model], chosen: frozenset[Any]) -> set[str]:
    """Return one column of each unique index of a table, such that its copies differ."""
    fields = {field.column: field for field in model._meta.concrete_fields}
    varied: set[str] = set()
    for columns in _unique_indexes(model):
        known = [fields[column] for column in columns if column in fields]
        if any(
            field.primary_key or field.column in varied or (field.remote_field and field.related_model in chosen)
            for field in known
        ):
            continue
        plain = [field for field in known if not field.remote_field and not field.choices]
        if plain:
            varied.add(max(plain, key=lambda field: isinstance(field, models.CharField)).column)
    return varied


def _unique_indexes(model: type[Model]) -> list[list[str]]:
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return [
        one["columns"] for one in constraints.values() if one["unique"] and not one["primary_key"] and one["columns"]
    ]


@dataclass
class TableReads:
    """What a block of code read of each table, by the counters of the database for this transaction."""

    #: The tables that were read whole, and how many rows that took.
    scans: dict[str, int] = field(default_factory=dict)
    #: How many rows of it were read, by whatever way.
    rows: dict[str, int] = field(default_factory=dict)


@contextmanager
def counted_reads() -> Iterator[TableReads]:
    """Count what the statements inside of a block read; each of them counts, prepared or not."""
    before, reads = _counters(), TableReads()
    yield reads
    for table, (scans, rows) in _counters().items():
        scans_before, rows_before = before.get(table, (0, 0))
        if scans - scans_before >= _WHOLE:
            reads.scans[table] = scans - scans_before
        if rows > rows_before:
            reads.rows[table] = rows - rows_before


def _counters() -> dict[str, tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, seq_tup_read, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
        )
        return {table: (scans, rows) for table, scans, rows in cursor.fetchall()}
