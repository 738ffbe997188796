"""
The statements that write a row together with its event and its outbox row, and their parameters.

One statement does all three, so that what is stored and what is recorded cannot differ: no row without its event, and no
event without its row. Instants are stored as events keep them, in whole milliseconds.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Field
from django.db.models.expressions import DatabaseDefault, Value

from apps.core import clock
from apps.core.models import Record, Subject
from apps.core.prepared import execute, fetch_rows
from apps.core.rows import insert_from_json

#: What `change` and `create` write themselves.
MANAGED_FIELDS = frozenset({"id", "version", "created_at", "updated_at"})

#: The parameters of an event; they are the first of each statement.
_EVENT_PARAMETERS = (
    "id", "type", "subject_type", "subject_id", "root_id", "actor", "request_id", "changes", "reason", "created_at"
)  # fmt: skip
PARAMETERS_OF_EVENT = len(_EVENT_PARAMETERS)
#: The part of a WITH that records the event of the row whose `version` a part `written` returns; its outbox row is for the caller.
RECORDED = """
    recorded AS (
        INSERT INTO core_event
            (id, type, subject_type, subject_id, version, root_id, actor, request_id, changes, reason, created_at)
        SELECT $1::uuid, $2, $3, $4::uuid, written.version, $5::uuid, $6, $7, $8::jsonb, $9, $10::timestamptz FROM written
        RETURNING id, created_at
    )"""
_AND_OUTBOX = """
    INSERT INTO core_outbox (event_id, created_at) SELECT id, created_at FROM recorded
"""

#: The kinds of fields whose values Postgres reads as Python writes them; Django converts those of the others.
_PLAIN_FIELDS = frozenset(
    {
        "CharField", "TextField", "SlugField", "BooleanField", "UUIDField", "DateTimeField", "DateField", "IntegerField",
        "BigIntegerField", "PositiveIntegerField", "PositiveSmallIntegerField", "ForeignKey", "OneToOneField", "BinaryField",
    }
)  # fmt: skip

_encoder = DjangoJSONEncoder()
_AS_DJANGO_WRITES = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def update(row: Subject, values: Mapping[str, Any], event: list[str | None], *, held: int) -> bool:
    """Set columns of a row that is still at the version `held`, with its event; return False if it is not, and nothing is written."""
    fields = fields_of(type(row))
    names = tuple(sorted(values))
    params = [*event, str(held), *(to_text(fields[name], values[name]) for name in names)]
    return execute(_update_statement(type(row), names), params) == 1


def insert(row: Subject, values: Mapping[str, Any], event: list[str | None], *, ignore_conflicts: bool) -> bool:
    """Insert a row with its event; return False if it conflicts with one that is there, where that is to be ignored."""
    fields = fields_of(type(row))
    names = tuple(values)
    params = [*event, *(to_text(fields[name], value) for name, value in values.items())]
    return execute(_insert_statement(type(row), names, ignore_conflicts=ignore_conflicts), params) == 1


@cache
def _update_statement(model: type[Subject], names: tuple[str, ...]) -> str:
    # Sorted names, so that one set of fields has one statement.
    fields = fields_of(model)
    first = PARAMETERS_OF_EVENT + 2
    columns = [f"{_quote(fields[name].column)} = ${number}" for number, name in enumerate(names, first)]
    return f"""
    WITH written AS (
        UPDATE {_quote(model._meta.db_table)}
        SET {", ".join([*columns, "updated_at = $10::timestamptz", "version = version + 1"])}
        WHERE id = $4::uuid AND version = ${first - 1}::int
        RETURNING version
    ),{RECORDED}{_AND_OUTBOX}"""  # noqa: S608 - names of columns, from the model


@cache
def _insert_statement(model: type[Subject], names: tuple[str, ...], *, ignore_conflicts: bool) -> str:
    fields = fields_of(model)
    columns = ", ".join(_quote(fields[name].column) for name in names)
    numbers = ", ".join(f"${number}" for number, _ in enumerate(names, PARAMETERS_OF_EVENT + 1))
    return f"""
    WITH written AS (
        INSERT INTO {_quote(model._meta.db_table)} ({columns})
        VALUES ({numbers}){" ON CONFLICT DO NOTHING" if ignore_conflicts else ""}
        RETURNING version
    ),{RECORDED}{_AND_OUTBOX}"""  # noqa: S608 - names of columns, from the model


@cache
def _insert_all_statement(model: type[Subject], *, ignore_conflicts: bool) -> str:
    return f"""
    WITH written AS (
        {insert_from_json(model, 1)}{" ON CONFLICT DO NOTHING" if ignore_conflicts else ""}
        RETURNING id, version
    ), recorded AS (
        INSERT INTO core_event
            (id, type, subject_type, subject_id, version, root_id, actor, request_id, changes, reason, created_at)
        SELECT it.id, it.type, it.subject_type, it.subject_id, written.version, it.root_id, it.actor, it.request_id,
            it.changes::jsonb, it.reason, it.created_at
        FROM json_to_recordset($2::json) AS it (
            id uuid, type text, subject_type text, subject_id uuid, root_id uuid, actor text, request_id text, changes text,
            reason text, created_at timestamptz
        )
        JOIN written ON written.id = it.subject_id
        ORDER BY it.id
        RETURNING id, created_at
    ), queued AS (
        INSERT INTO core_outbox (event_id, created_at) SELECT id, created_at FROM recorded ORDER BY id
    )
    SELECT id FROM written"""  # noqa: S608 - names of columns, from the model


def insert_all(
    model: type[Subject],
    rows: Sequence[Mapping[str, Any]],
    events: Sequence[Sequence[str | None]],
    *,
    ignore_conflicts: bool,
) -> set[UUID]:
    """Insert rows with their events, in the order of both, and return the ids of those that were stored: all, or those without conflict."""
    recorded = [dict(zip(_EVENT_PARAMETERS, event, strict=True)) for event in events]
    statement = _insert_all_statement(model, ignore_conflicts=ignore_conflicts)
    return {row_id for (row_id,) in fetch_rows(statement, [to_json(rows), to_json(recorded)])}


def _quote(name: Any) -> str:
    return str(connection.ops.quote_name(name))


@cache
def fields_of(model: type[Record]) -> "dict[str, Field[Any, Any]]":
    """Return the columns of a model that can be written, by the name under which an instance has their values."""
    return {field.attname: field for field in model._meta.concrete_fields if not field.generated}


@cache
def _attribute_names(model: type[Subject]) -> dict[str, str]:
    return {field.name: attname for attname, field in fields_of(model).items() if field.name != attname}


def to_column_values(model: type[Subject], values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return values by column, as they are stored: the key of an object that a foreign key is given, instants in milliseconds.

    :raises TypeError: if one is no column that can be written, or an expression that only the database can compute
    """
    fields, attribute_names = fields_of(model), _attribute_names(model)
    stored = {}
    for attribute, given in values.items():
        name, value = attribute, given
        if attribute in attribute_names:
            name, value = attribute_names[attribute], None if given is None else given.pk
        if name not in fields or name in MANAGED_FIELDS:
            raise TypeError(f"{model._meta.label_lower} has no field {name} that can be changed")
        stored[name] = _stored_value(value)
    return stored


def new_values(row: Record) -> dict[str, Any]:
    """
    Return what is stored of a new row, by column, and set what its fields choose when they are first saved.

    :raises TypeError: if the default of a field is an expression that only the database can compute
    """
    values = {}
    for name, field in fields_of(type(row)).items():
        given = field.pre_save(row, add=True)
        value = _stored_value(given.get_source_expressions()[0].value if _is_constant_default(given) else given)
        if value is not given:
            setattr(row, name, value)
        values[name] = value
    return values


def _is_constant_default(value: Any) -> bool:
    return isinstance(value, DatabaseDefault) and isinstance(value.get_source_expressions()[0], Value)


def _stored_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.to_milliseconds(value) if value.microsecond % 1000 else value
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"an event records values, and {value!r} is known to the database alone")
    return value


def to_text(field: "Field[Any, Any]", value: Any) -> str | bytes | None:
    """
    Return a value as the text that Postgres reads it from; bytes stay bytes.

    :raises TypeError: if it is of a kind that is not supported, such as a list for an array
    :raises ValueError: if it is an instant without a time zone
    """
    if value is None:
        return None
    if field.get_internal_type() not in _PLAIN_FIELDS:
        value = field.get_db_prep_save(value, connection)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{field} was given an instant without a time zone: {value}")
    return _text(field, value)


def _text(field: "Field[Any, Any]", value: Any) -> str | bytes | None:
    match value:
        case None | bytes():
            return value
        case str():
            return str(value)
        case int():
            return str(int(value))
        case UUID() | Decimal() | float():
            return str(value)
        case date():
            return value.isoformat()
        case memoryview() | bytearray():
            return bytes(value)
    if hasattr(value, "obj") and hasattr(value, "dumps"):  # psycopg's Jsonb, with the encoder of the field
        return str(value.dumps(value.obj))
    if type(value).__module__ == "ipaddress":
        return str(value)
    raise TypeError(f"{field} was given a {type(value).__name__}, which is not supported here")


def to_json(values: Any) -> str:
    """Return values as JSON that means what DjangoJSONEncoder writes: instants in milliseconds, with Z."""
    try:
        return orjson.dumps(values, default=_encoder.default, option=_AS_DJANGO_WRITES).decode()
    except TypeError:
        # Integers of more than 64 bits, and keys that are not text: what orjson refuses and the standard library does not.
        return json.dumps(values, cls=DjangoJSONEncoder)
