"""The module that Django looks for in a database backend."""

import select
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from psycopg import adapters
from psycopg.abc import AdaptContext, Buffer
from psycopg.pq import Format

_TIMESTAMPTZ = adapters.types["timestamptz"].oid
#: The class that psycopg itself reads instants with, in C where it can.
_PsycopgLoader: Any = adapters.get_loader(_TIMESTAMPTZ, Format.TEXT)


class UtcLoader:
    """
    Reads instants of a connection whose time zone is UTC.

    Django's own reads each in Python, to put its zone in the place of the same one: several times as long.
    """

    format = Format.TEXT
    timezone = UTC  # Django compares it with the zone of the connection

    #: Returns the instant of a text: psycopg's own method.
    load: Callable[[Buffer], datetime]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        self.load = _PsycopgLoader(oid, context).load


class DatabaseWrapper(base.DatabaseWrapper):
    """
    A connection whose life is read from its socket.

    Django asks the server with `SELECT 1` before each request and each task (CONN_HEALTH_CHECKS): a round trip, and one
    statement in five of a request that reads. A server that has closed a connection has left something to read on it.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, which reads instants fast if its time zone is UTC."""
        connection = super().get_new_connection(conn_params)
        if self.timezone == UTC:
            connection.adapters.register_loader("timestamptz", UtcLoader)
        return connection

    def is_usable(self) -> bool:
        """Return whether the connection lives; the server is asked only if there is a reason to doubt it."""
        if self.connection is not None and not self.errors_occurred and not self._has_news():
            return True
        return super().is_usable()

    def _has_news(self) -> bool:
        """Return whether there is something to read: the end of the connection, or a notice."""
        if self.connection.closed:
            return True
        poll = select.poll()  # of any number of open files, where `select` has room for 1,024
        poll.register(self.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
