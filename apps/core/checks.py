"""What `manage.py check` finds out about the machine that it runs on."""

from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from apps.core import replica
from apps.core.connection_budget import ConnectionBudget, read_budget, read_replica_budget


@checks.register
def check_documents_dir(**_options: Any) -> list[checks.CheckMessage]:
    """Warn if no document can be kept; no error, because a machine that renders none needs no directory."""
    directory = settings.DOCUMENTS_DIR
    try:
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        with TemporaryFile(dir=existing):
            return []
    except OSError as error:
        text = f"DOCUMENTS_DIR names {str(directory)!r}, where this process cannot store documents ({error.strerror})."
        return [
            checks.Warning(
                text, hint="Create it for the user that the web and worker processes run as.", id="bahi.W001"
            )
        ]


@checks.register(checks.Tags.database)
def check_connections(*, databases: Any = None, **_options: Any) -> list[checks.CheckMessage]:
    """Refuse settings whose processes can open more connections than a server allows: the last ones would fail under load."""
    found: list[checks.CheckMessage] = []
    for server, budget in _read_budgets(databases):
        if not budget.fits:
            hint = "Lower WEB_CONCURRENCY, WEB_THREADS or WORKER_CONCURRENCY, or raise max_connections."
            found.append(checks.Error(budget.describe(server), hint=hint, id="bahi.E001"))
    return found


@checks.register(checks.Tags.database, deploy=True)
def show_connections(*, databases: Any = None, **_options: Any) -> list[checks.CheckMessage]:
    """Show the budget of connections: `manage.py check --deploy --database default`."""
    hint = "Each further web server or worker, and each release while both versions run, opens its part again."
    return [
        checks.Info(budget.describe(server), hint=hint, id="bahi.I001")
        for server, budget in _read_budgets(databases)
        if budget.fits
    ]


@checks.register(checks.Tags.database)
def check_replica(*, databases: Any = None, **_options: Any) -> list[checks.CheckMessage]:
    """Warn if the replica cannot be used; no error, because everything is then read from the primary."""
    if replica.ALIAS not in (databases or ()):
        return []
    try:
        primary, follower = _read_identity(DEFAULT_DB_ALIAS), _read_identity(replica.ALIAS)
    except DatabaseError as error:
        text = f"The server of DATABASE_REPLICA_URL does not answer ({' '.join(str(error).split())})."
    else:
        if follower == (primary[0], True):
            return []
        text = "DATABASE_REPLICA_URL names a server that is no streaming replica of the one of DATABASE_URL."
    return [checks.Warning(text, hint="Until it is, Bahi reads everything from DATABASE_URL.", id="bahi.W002")]


def _read_budgets(databases: Any) -> list[tuple[str, ConnectionBudget]]:
    """Return the budget of each server that is to be checked and answers; what says that one does not is another check."""
    read = {DEFAULT_DB_ALIAS: ("Postgres", read_budget), replica.ALIAS: ("The replica", read_replica_budget)}
    found = []
    for alias, (server, read_its) in read.items():
        if alias in (databases or ()):
            with suppress(DatabaseError), connections[alias].cursor() as cursor:
                found.append((server, read_its(cursor)))
    return found


def _read_identity(alias: str) -> tuple[int, bool]:
    """Return the number that a server shares with its replicas, and whether it is one."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT system_identifier, pg_is_in_recovery() FROM pg_control_system()")
        [(identifier, is_replica)] = cursor.fetchall()
    return int(identifier), bool(is_replica)
