"""What is stored, so that a test can say that nothing has changed."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection, models

#: Answers kept under their keys, refusals among them: a repeated request finds its answer there.
KEPT_ANSWERS = "core_idempotencykey"


def everything_stored() -> dict[str, str]:
    """Return a digest of each of our tables but the counters of attempts."""
    with connection.cursor() as cursor:
        cursor.execute(_statement())
        return dict(cursor.fetchall())


@contextmanager
def nothing_changes(*, but: str = "") -> Iterator[None]:
    """
    Fail if anything is stored that was not before, or is no longer stored.

    :param but: a table that may change
    """
    before = everything_stored()
    yield
    after = everything_stored()
    assert [table for table in before if before[table] != after[table] and table != but] == []


def alike() -> str:
    """
    Return a digest that two states of our tables share if they differ in ids, keys, instants and versions alone.

    Events, which repeat what the rows say, are left out, and so are the tables that no payment changes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_statement_of_alike())
        return repr(cursor.fetchall())


@functools.cache
def _statement() -> str:
    """One statement for all tables: a round trip for each would take most of the time."""
    return " UNION ALL ".join(
        f"SELECT '{model._meta.db_table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
        f' FROM "{model._meta.db_table}" t'
        for model in _models()
    )


@functools.cache
def _statement_of_alike() -> str:
    tables = {model._meta.db_table: f"concat_ws('|', {', '.join(_columns(model))})" for model in _models()}
    return " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(row, '~' ORDER BY row), '')) FROM (SELECT {row} AS row FROM {table}) t"
        for table, row in tables.items()
        if not table.startswith(("accounts_", "core_", "tax_"))
    )


def _columns(model: type[models.Model]) -> list[str]:
    """Return an expression for each column: of an id or an instant only whether there is one."""
    any_of_them = (models.UUIDField, models.DateTimeField, models.AutoField, models.ForeignKey)
    return [
        f"({field.column} IS NULL)::text" if isinstance(field, any_of_them) else f"coalesce({field.column}::text, '')"
        for field in model._meta.concrete_fields
        if field.column not in ("version", "idempotency_key")
    ]


def _models() -> list[type[models.Model]]:
    ours = [config for config in apps.get_app_configs() if config.name.startswith("apps.")]
    found = {model._meta.db_table: model for config in ours for model in config.get_models()}
    found.pop("accounts_ratelimitcounter", None)
    return [found[table] for table in sorted(found)]
