"""How many connections the processes that the settings describe can open, and how many a server allows."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.core import audit

#: For `migrate`, `audit`, other commands and people with psql.
OPERATORS = 5
#: For a whole audit of the replica, and people with psql.
REPLICA_OPERATORS = 2

# What superusers and, since Postgres 16, a role of its own may still open is not for Bahi; a database and a role may have limits.
_ALLOWED = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - COALESCE(current_setting('reserved_connections', true)::int, 0),
        (SELECT NULLIF(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
        (SELECT NULLIF(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
"""


@dataclass(frozen=True)
class ConnectionBudget:
    """What one of each process can open, by what opens it, and how many connections the server allows."""

    needed: dict[str, int]
    allowed: int

    @property
    def total(self) -> int:
        return sum(self.needed.values())

    @property
    def fits(self) -> bool:
        return self.total <= self.allowed

    def describe(self, server: str) -> str:
        """Return the sentence that compares both numbers."""
        parts = [f"{count} for {name}" for name, count in self.needed.items()]
        listed = f"{', '.join(parts[:-1])} and {parts[-1]}"
        return f"{server} allows {self.allowed} connections, and Bahi can open {self.total}: {listed}."


def read_budget(cursor: Any) -> ConnectionBudget:
    """Return the budget of the primary, which a cursor reads. The scheduler opens none."""
    threads = settings.WEB_PROCESSES * settings.WEB_THREADS
    needed = {
        f"the web process ({settings.WEB_PROCESSES} x {settings.WEB_THREADS} threads)": threads,
        "the children of a worker": settings.WORKER_CONCURRENCY,
        "the second reader of the scheduled audit": audit.CONNECTIONS - 1,
        "a relay": 1,
        "operators": OPERATORS,
    }
    return ConnectionBudget(needed, _read_allowed(cursor))


def read_replica_budget(cursor: Any) -> ConnectionBudget:
    """Return the budget of the replica, which a cursor reads; of the processes the web alone reads it."""
    threads = settings.WEB_PROCESSES * settings.WEB_THREADS
    needed = {
        f"the web process ({settings.WEB_PROCESSES} x {settings.WEB_THREADS} threads)": threads,
        "operators": REPLICA_OPERATORS,
    }
    return ConnectionBudget(needed, _read_allowed(cursor))


def _read_allowed(cursor: Any) -> int:
    cursor.execute(_ALLOWED)
    [limits] = cursor.fetchall()
    return min(int(limit) for limit in limits if limit is not None)
