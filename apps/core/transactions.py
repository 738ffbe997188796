"""
Transactions: a service runs in the one that is open, or in one of its own.

Django's own `atomic` sets a savepoint for each service that another calls: a fifth of the statements of a sale. Without it an
error that leaves a service ends the whole transaction, for a caller that catches it too. Django rolls back silently then; here
that is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection, transaction

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class TransactionEnded(RuntimeError):
    """An error that ended the transaction was caught, and what followed would be rolled back with it."""


@contextmanager
def atomic(*, savepoint: bool = True) -> Iterator[None]:
    """
    Run a block in a transaction that is rolled back if an error leaves the block.

    In an open transaction that is a savepoint: who catches the error goes on with what was done before. With `savepoint`
    False the block joins the open transaction, and its error ends all of it.

    :raises TransactionEnded: if an error was caught within the block that had left a block without a savepoint
    """
    with transaction.atomic(savepoint=savepoint):
        yield
        if connection.needs_rollback:
            raise TransactionEnded(
                "call what may fail in `with atomic()`, or catch its error outside of the transaction"
            )


def transactional(service: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """
    Run a service in the transaction that is open, or in one of its own.

    An error that leaves it ends the whole transaction. A caller that goes on after the error calls the service in `with atomic()`.
    """

    @wraps(service)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with atomic(savepoint=False):
            return service(*args, **kwargs)

    return run
