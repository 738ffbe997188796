"""One run of the generator: it looks at the database, estimates, fills it in one transaction, and says how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction
from psycopg import Connection, sql
from psycopg import Error as PsycopgError

from devtools.generate import bulk_load, documents
from devtools.generate.rehearsal import Repertoire
from devtools.generate.shop import Plan, Shop
from devtools.generate.snapshots import KEPT_IN_SUMS, Table

#: What an installed shop has before its first order: reference data, staff who log in, and what they left.
_MAY_HAVE_ROWS: Final = frozenset(
    {
        "accounts_ratelimitcounter", "accounts_refreshtoken", "accounts_session", "accounts_user", "accounts_user_groups",
        "accounts_user_user_permissions", "accounts_challenge", "auth_group", "auth_group_permissions", "auth_permission",
        "backoffice_projectionstate",
        "catalog_catalogversion", "catalog_location", "core_auditrun", "core_event", "core_handlerrun", "core_idempotencykey",
        "core_incident", "core_outbox", "django_admin_log", "django_content_type", "django_session", "ledger_account",
        "notifications_notification", "tax_registration", "tax_taxrate",
    }
)  # fmt: skip
_SHOWN: Final = 3
#: What a refusal names first.
_TELLING: Final = frozenset({"orders_order", "catalog_product"})
_SEQUENCES: Final = ("ledger_ledgerentry", "ledger_balancecheckpoint", "invoicing_numberseries")
_CATALOG_VERSION: Final = """
    INSERT INTO catalog_catalogversion AS present (id, number) VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    ON CONFLICT (id) DO UPDATE SET number = greatest(present.number + 1, excluded.number)
"""
#: The first refresh counts all orders, so that none of them has to be pending.
_PROJECTIONS_NOT_BUILT: Final = "UPDATE backoffice_projectionstate SET day = NULL"
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FillResult:
    """What filling took and left: seconds by step, and the bytes of all tables with their indexes."""

    seconds: dict[str, float]
    bytes: int

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds.values())


class NotEmpty(RuntimeError):
    """The database has rows of a shop; the message names their tables."""


class NotLoaded(RuntimeError):
    """The database refused; the message says what to do about it. Nothing was changed."""


#: What an operator can do about what the database says, by SQLSTATE (appendix A of its manual).
_REFUSALS: Final = {
    "42501": "The database does not let this user change its tables: run it as the owner of the tables.",
    "55P03": "Somebody is using the database. Stop Bahi and everything else that is connected to it.",
    "53100": "The disk of the database is full.",
    "57014": "The database cancelled it.",
}


def require_empty(tables: Sequence[Table]) -> None:
    """
    Make sure that the database is that of a shop before its first order.

    :raises NotEmpty: if there are rows that only a shop with orders, customers or products has
    """
    names = sorted({table.name for table in tables} - _MAY_HAVE_ROWS, key=lambda name: (name not in _TELLING, name))
    with connection.cursor() as cursor:
        found = [name for name in names if _has_rows(cursor, sql.SQL("SELECT FROM {}").format(sql.Identifier(name)))]
        if _has_rows(cursor, sql.SQL("SELECT FROM accounts_user WHERE NOT is_staff")):
            found.append("accounts_user")
    if found:
        raise NotEmpty(", ".join(found[:_SHOWN]) + (" and others" if len(found) > _SHOWN else ""))


def _has_rows(cursor: Any, query: sql.Composable) -> bool:
    cursor.execute(sql.SQL("SELECT EXISTS ({})").format(query))
    return bool(cursor.fetchone()[0])


def fill(plan: Plan, repertoire: Repertoire, *, on_step: OnStep, is_sample: bool = False) -> FillResult:
    """
    Fill the database in one transaction; a sample is rolled back, and only measures what it takes.

    :param on_step: gets the step, and how much of it is done of how much
    :raises NotEmpty: if there are rows of a shop
    :raises NotLoaded: if the database refuses it
    :raises DocumentsNotWritten: if the directory of documents refuses the files
    """
    try:
        return _fill(plan, repertoire, on_step, is_sample=is_sample)
    except PsycopgError as failure:
        if failure.sqlstate in _REFUSALS:
            raise NotLoaded(_REFUSALS[failure.sqlstate]) from failure
        raise


def _fill(plan: Plan, repertoire: Repertoire, on_step: OnStep, *, is_sample: bool) -> FillResult:
    with contextlib.ExitStack() as files, transaction.atomic():
        with connection.cursor() as cursor:
            # One index of all events may take longer than any query of a shop, and so may the files that it waits for.
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        run = _Run(_raw(), plan, repertoire, on_step)
        result = run.fill_tables()
        transaction.set_rollback(is_sample)
        if not is_sample:
            # Before the commit, so that a shop without its files is never seen; if that fails, they are taken back.
            files.enter_context(run.documents_written())
            # Last, as sequences are not rolled back.
            run.set_sequences()
    return result


def _raw() -> Connection[Any]:
    connection.ensure_connection()
    raw: Connection[Any] = connection.connection
    return raw


class _Run:
    def __init__(self, raw: Connection[Any], plan: Plan, repertoire: Repertoire, on_step: OnStep) -> None:
        self.raw, self.plan, self.repertoire, self.on_step = raw, plan, repertoire, on_step
        self.shop = Shop(plan, repertoire)
        self.seconds: dict[str, float] = {}
        self._began, self._step = time.monotonic(), "rows"
        written = {name for template in repertoire.templates for name, _ in template.tables}
        written |= {*repertoire.shared, *KEPT_IN_SUMS, "settlements_settlementline", "ledger_balancecheckpoint"}
        written -= {"accounts_ratelimitcounter", "catalog_catalogversion"}
        self.tables = {table.name: table for table in repertoire.tables if table.name in written}

    def fill_tables(self) -> FillResult:
        names = list(self.tables)
        bulk_load.lock_tables(self.raw, self.tables.values())
        require_empty(self.repertoire.tables)
        fresh = bulk_load.empty_tables(self.raw, names)
        dropped = bulk_load.strip(self.raw, names)
        bulk_load.truncate(self.raw, fresh)
        shop = self.shop
        self.on_step("rows", 0, self.plan.orders)
        for _ in bulk_load.copy_pieces(self.raw, self.tables, shop.pieces(), fresh=fresh):
            self.on_step("rows", shop.done, self.plan.orders)
        bulk_load.restore(self.raw, dropped, names, report=self._report)
        self.raw.execute(_CATALOG_VERSION)
        self.raw.execute(_PROJECTIONS_NOT_BUILT)
        self._end_step("end")
        return FillResult(self.seconds, self._count_bytes(names))

    def documents_written(self) -> AbstractContextManager[None]:
        """Write the files of the documents, and take them back if the block fails."""
        numbers = self.shop.numbers
        total = sum(series.last for series in numbers.series.values())
        return documents.written(numbers.paths, on_progress=lambda done: self.on_step("document", done, total))

    def _report(self, step: str, done: int, total: int) -> None:
        if step != self._step:
            self._end_step(step)
        self.on_step(step, done, total)

    def _end_step(self, following: str) -> None:
        now = time.monotonic()
        self.seconds[self._step] = now - self._began
        self._began, self._step = now, following

    def set_sequences(self) -> None:
        """Have the next numbers follow those that were given."""
        for name, last in (("orders_number_seq", self.plan.orders), ("fulfilment_number_seq", self.shop.shipments)):
            self.raw.execute("SELECT setval(%s::regclass, greatest(1, %s), %s)", [name, last, last > 0])
        for table in _SEQUENCES:
            last_id = sql.SQL(
                "SELECT setval(pg_get_serial_sequence({}, 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM {}"
            )
            self.raw.execute(last_id.format(sql.Literal(table), sql.Identifier(table)))

    def _count_bytes(self, names: Sequence[str]) -> int:
        found = self.raw.execute(
            "SELECT sum(pg_total_relation_size(name::regclass))::bigint FROM unnest(%s::text[]) AS name", [list(names)]
        ).fetchone()
        return int(found[0]) if found else 0
