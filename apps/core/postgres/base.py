"""The module that Django looks for in a database backend."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """
    A connection whose life is read from its socket.

    Django asks the server with `SELECT 1` before each request and each task (CONN_HEALTH_CHECKS): a round trip, and one
    statement in five of a request that reads. A server that has closed a connection has left something to read on it.
    """

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
