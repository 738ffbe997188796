"""The time that a query may take where all of the books are read: longer than a request waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


def allow_long_queries(cursor: Any) -> None:
    """Allow each query of the current transaction five minutes."""
    cursor.execute("SET LOCAL statement_timeout = '5min'")


@contextmanager
def long_queries() -> Iterator[None]:
    """Return a context, one transaction, in which each query may take five minutes. For commands and tasks, never for a request."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            allow_long_queries(cursor)
        yield
