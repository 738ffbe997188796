"""
Writes of rows of which no event is recorded, by prepared statements.

They do what `save(update_fields=...)` and `bulk_create` do, without building the query again each time: that takes the ORM
longer than Postgres takes to write.
"""

from collections.abc import Sequence
from functools import cache

from django.db import connection
from django.db.models import Model

from apps.core.event_sql import fields_of, new_values, to_json, to_text
from apps.core.models import Record
from apps.core.prepared import execute
from apps.core.rows import insert_from_json


def update_row(row: Model, *names: str) -> None:
    """
    Store columns of a row as they are on the instance; of a record `updated_at` as well. The caller has locked the row.

    :raises DoesNotExist: if the row is not there
    """
    model = type(row)
    if isinstance(row, Record):
        names = (*names, "updated_at")
    fields = fields_of(model)
    values = [to_text(fields[name], fields[name].pre_save(row, add=False)) for name in names]
    if execute(_update_statement(model, names), [str(row.pk), *values]) != 1:
        raise model.DoesNotExist(f"{model._meta.label} {row.pk} is not there")  # type: ignore[attr-defined]


def insert_rows(rows: Sequence[Record]) -> None:
    """
    Insert new rows of one model.

    :raises IntegrityError: if a constraint refuses one; then none is stored
    """
    if not rows:
        return
    execute(insert_from_json(type(rows[0]), 1), [to_json([new_values(row) for row in rows])])
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@cache
def _update_statement(model: type[Model], names: tuple[str, ...]) -> str:
    quote, fields = connection.ops.quote_name, fields_of(model)
    columns = ", ".join(f"{quote(str(fields[name].column))} = ${number}" for number, name in enumerate(names, 2))
    key = quote(str(model._meta.pk.column))
    return f"UPDATE {quote(model._meta.db_table)} SET {columns} WHERE {key} = $1"  # noqa: S608 - names from the model
