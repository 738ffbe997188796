"""
Objects of models from rows of prepared statements.

The ORM builds each query again, which takes it longer than Postgres takes to answer. A hand-written statement that names the columns
by `columns` has its rows made into the same objects by `to_object`; `find_rows` is the whole of a simple one. What is only shown
needs no objects of models: a `RowReader` makes tuples of it that have the same attributes.
"""

import re
from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import JSONField, Model, QuerySet

from apps.core.prepared import TextParams, fetch_rows

Row = TypeVar("Row", bound=Model)

_LONG_NUMBER = re.compile(r"[0-9]{16}")


@cache
def columns(model: type[Model], alias: str) -> str:
    """Return the columns of a model that are stored, for SELECT or RETURNING, each behind the alias of its table."""
    quote = connection.ops.quote_name
    return ", ".join(f"{alias}.{quote(field.column)}" for field in _stored(model))


@cache
def count_columns(model: type[Model]) -> int:
    """Return how many columns `columns` names."""
    return len(_stored(model))


def to_object(model: type[Row], values: Sequence[Any]) -> Row:
    """Return the object of a row that has the model's columns, in the order of `columns`."""
    names, converters = _reading(model)
    stored = list(values)
    for position, convert in converters:
        if stored[position] is not None:
            stored[position] = convert(stored[position])
    return model.from_db(connection.alias, names, stored)


class RowReader:
    """
    Reads rows of a model that are only shown: tuples with its columns and its own properties, in a tenth of an object's time.

    :param without: columns that are not read
    :param extra: attributes besides the columns, whose values are given with them: of an order, its lines
    """

    def __init__(self, model: type[Model], *, without: Collection[str] = (), extra: Sequence[str] = ()) -> None:
        fields = [field for field in _stored(model) if field.name not in without]
        self._columns = [field.column for field in fields]
        self._converters = _converters(fields)
        #: How many columns a row has.
        self.width = len(fields)
        names = [field.attname for field in fields] + list(extra)
        self._row = type(f"{model.__name__}Row", (namedtuple("_Row", names),), _own_attributes(model, names))  # noqa: PYI024 - its names are the model's

    def columns(self, alias: str) -> str:
        """Return the columns, for SELECT, each behind the alias of its table."""
        quote = connection.ops.quote_name
        return ", ".join(f"{alias}.{quote(column)}" for column in self._columns)

    def read(self, values: Sequence[Any], *extra: Any) -> Any:
        """Return the row of these values, in the order of `columns`, with the values of its other attributes in their order."""
        stored = list(values)
        for position, convert in self._converters:
            if stored[position] is not None:
                stored[position] = convert(stored[position])
        return self._row(*stored, *extra)


class RelatedRows(list[Any]):
    """Rows of a relation, which are asked for as those of a model are: `payment.attempts.all()`."""

    def all(self) -> "RelatedRows":
        """Return all of them."""
        return self


def _own_attributes(model: type[Model], taken: Collection[str]) -> dict[str, Any]:
    """Return the properties of a model that are not Django's, for a class that has its columns."""
    own: dict[str, Any] = {"__slots__": (), "pk": property(lambda row: row.id), "PREFIX": getattr(model, "PREFIX", "")}
    for base in reversed(model.__mro__):
        if not base.__module__.startswith("django."):
            own |= {name: value for name, value in vars(base).items() if isinstance(value, property)}
    return {name: value for name, value in own.items() if name not in taken}


def find_rows(model: type[Row], rest: str, params: TextParams) -> list[Row]:
    """
    Return the rows of a model that a prepared statement selects.

    :param rest: what follows the table, whose alias is `it`: `WHERE it.order_id = $1 ORDER BY it.position`
    """
    return [to_object(model, row) for row in fetch_rows(_select(model, rest), params)]


def find_row(model: type[Row], rest: str, params: TextParams) -> Row | None:
    """Return the first row that `find_rows` would, or None."""
    rows = find_rows(model, rest, params)
    return rows[0] if rows else None


def find_by(model: type[Row], **values: UUID | str) -> Row | None:
    """Return the row of a model with these values in its columns, any one of several, or None."""
    rows = list_by(model, **values)
    return rows[0] if rows else None


def list_by(model: type[Row], **values: UUID | str) -> list[Row]:
    """Return the rows of a model with these values in its columns, in no order."""
    return find_rows(model, _condition(model, tuple(values)), [str(value) for value in values.values()])


def keep_related(row: Model, name: str, related: "QuerySet[Any]", objects: Iterable[Model]) -> None:
    """
    Keep the objects of a relation that were read or made together with a row, as prefetching does, so that `all()` reads nothing.

    :param related: the query that would read them
    """
    related._result_cache = list(objects)
    row._prefetched_objects_cache = {**getattr(row, "_prefetched_objects_cache", {}), name: related}  # type: ignore[attr-defined]


@cache
def record_type(model: type[Model]) -> str:
    """Return the columns of a model with their types, for `json_to_recordset(...) AS it (...)`."""
    quote = connection.ops.quote_name
    return ", ".join(f"{quote(field.column)} {field.db_type(connection)}" for field in _stored(model))


@cache
def insert_from_json(model: type[Model], parameter: int, *, guard: str = "") -> str:
    """
    Return the INSERT of the rows that a JSON parameter has, each with all columns of the model.

    The columns are named: during a release, JSON of the old code lacks the newest, whose default must stand.

    :param guard: a part of the WITH around it, of which a row allows the writing by its column `holds`
    """
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(field.column) for field in _stored(model))
    condition = f", {guard} WHERE {guard}.holds" if guard else ""
    return f"""INSERT INTO {table} ({names})
        SELECT {columns(model, "it")} FROM json_to_recordset(${parameter}::json) AS it ({record_type(model)}){condition}"""  # noqa: S608


@cache
def _condition(model: type[Model], names: tuple[str, ...]) -> str:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = [connection.ops.quote_name(field.column) for field in fields]
    return f"WHERE {' AND '.join(f'it.{column} = ${number}' for number, column in enumerate(columns, 1))}"


@cache
def _select(model: type[Model], rest: str) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    return f"SELECT {columns(model, 'it')} FROM {table} AS it {rest}"  # noqa: S608 - names from the model, and a constant text


@cache
def _stored(model: type[Model]) -> list[Any]:
    return [field for field in model._meta.concrete_fields if not field.generated]


@cache
def _reading(model: type[Model]) -> tuple[list[str], list[tuple[int, Callable[[Any], Any]]]]:
    fields = _stored(model)
    return [field.attname for field in fields], _converters(fields)


def _converters(fields: Sequence[Any]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return the position and the converter of each column whose values are not as psycopg reads them."""
    return [(position, _converter(field)) for position, field in enumerate(fields) if hasattr(field, "from_db_value")]


def _converter(field: Any) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        return field.from_db_value(value, None, connection)

    if not isinstance(field, JSONField) or field.decoder is not None:
        return convert

    def read_json(value: Any) -> Any:
        # Most are an empty object. orjson reads the others in a quarter of the time, but no integer of more than 64 bits.
        if value == "{}":
            return {}
        return convert(value) if type(value) is not str or _LONG_NUMBER.search(value) else orjson.loads(value)

    return read_json
