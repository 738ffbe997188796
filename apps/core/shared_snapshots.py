"""Reading on several connections that all see one snapshot of the database."""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import structlog
from django.db import DatabaseError, connection

from apps.core.transactions import atomic

Item = TypeVar("Item")
log = structlog.get_logger(__name__)


def for_each(
    cursor: Any, items: Iterable[Item], begin: Callable[[Any], Callable[[Item], None]], *, connections: int = 1
) -> None:
    """
    Read each item, on the connection of `cursor` and on others with its snapshot, the next item on whichever is free.

    The transaction must be REPEATABLE READ, without a savepoint. An error of any connection ends all, and is raised.

    :param begin: called for each connection, with its cursor; returns what reads an item there
    """
    waiting = deque(items)
    others: list[_Reader[Item]] = []
    if min(connections, len(waiting)) > 1:
        cursor.execute("SELECT pg_export_snapshot()")
        [snapshot] = cursor.fetchone()
        others = [_Reader(snapshot, waiting, begin) for _ in range(min(connections, len(waiting)) - 1)]
    try:
        for reader in others:
            reader.start()
        _read(begin(cursor), waiting)
        for reader in others:
            reader.join()
    except BaseException:
        waiting.clear()
        for reader in others:
            reader.cancel()
        raise
    for reader in others:
        if reader.error:
            raise reader.error


def _read(read: Callable[[Item], None], waiting: deque[Item]) -> None:
    while True:
        try:
            item = waiting.popleft()
        except IndexError:
            return
        read(item)


class _Reader(threading.Thread, Generic[Item]):
    """One more connection, in a thread of its own; what it cannot begin is left to the others."""

    def __init__(self, snapshot: str, waiting: deque[Item], begin: Callable[[Any], Callable[[Item], None]]) -> None:
        super().__init__(daemon=True, name="shared-snapshot")
        self.error: BaseException | None = None
        self._snapshot, self._waiting, self._begin = snapshot, waiting, begin
        self._raw: Any = None

    def run(self) -> None:
        try:
            with atomic():
                read = self._join_snapshot()
                if read:
                    _read(read, self._waiting)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that has begun this one
            self._waiting.clear()
            self.error = error
        finally:
            connection.close()

    def _join_snapshot(self) -> Callable[[Any], None] | None:
        """Return what reads an item, or None if Postgres has no connection for us."""
        try:
            cursor = connection.cursor()
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")  # takes no parameter
        except DatabaseError as error:
            log.warning("snapshot_not_shared", failure=str(error).strip())
            return None
        self._raw = connection.connection
        return self._begin(cursor)

    def cancel(self) -> None:
        """End the query that is running, and wait until the connection is closed."""
        while self.is_alive():
            if self._raw is not None:
                with contextlib.suppress(Exception):
                    self._raw.cancel()
            self.join(0.5)
