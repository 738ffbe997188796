"""The time that a query may take where all of the books are read: longer than a request waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction

_MINUTES = 5


def allow_long_queries(cursor: Any, *, times: int = 1) -> None:
    """Allow each query of the current transaction five minutes, or `times` as many to one that answers as many questions."""
    cursor.execute(f"SET LOCAL statement_timeout = '{_MINUTES * times}min'")


@contextmanager
def long_queries() -> Iterator[None]:
    """Return a context, one transaction, in which each query may take five minutes. For commands and tasks, never for a request."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            allow_long_queries(cursor)
        yield
