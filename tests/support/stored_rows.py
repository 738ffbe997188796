"""What is stored, so that a test can say that nothing has changed."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connection

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


@functools.cache
def _statement() -> str:
    """One statement for all tables: a round trip for each would take most of the time."""
    tables = {
        model._meta.db_table
        for config in apps.get_app_configs()
        if config.name.startswith("apps.")
        for model in config.get_models()
    }
    return " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table}\" t"
        for table in sorted(tables - {"accounts_ratelimitcounter"})
    )
