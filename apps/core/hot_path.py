"""
The operations that each order passes through, and which implementation of each runs.

Each operation has an implementation that uses the ORM. With `HOT_PATH=sql` the SQL implementation that was registered in its
place runs instead; an operation without one uses the ORM under either value. A test runs both and compares the rows that they
leave (docs/decisions/0048-one-setting-chooses-the-hot-path.md).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: Operation -> its ORM implementation.
_orm: dict[str, Callable[..., Any]] = {}
#: The operations that write nothing.
_reads: set[str] = set()
#: Operation -> its SQL implementation.
_sql: dict[str, Callable[..., Any]] = {}


def hot_path(
    operation: str, *, is_read: bool = False
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """
    Mark a service or a selector (`is_read`) as an operation of the hot path, by a name such as `orders.place_order`.

    :raises ValueError: if another one is marked with that name
    """

    def mark(service: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        if operation in _orm:
            raise ValueError(f"two services are the operation {operation}")
        _orm[operation] = service
        if is_read:
            _reads.add(operation)

        @wraps(service)
        def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            chosen = _sql.get(operation, service) if settings.HOT_PATH == "sql" else service
            return cast("Result", chosen(*args, **kwargs))

        return run

    return mark


def register_sql(operation: str, implementation: Callable[..., Any]) -> None:
    """
    Register the SQL implementation of an operation. It takes the arguments of the service and raises the same errors.

    :raises LookupError: if no service is marked as the operation
    :raises ValueError: if the operation has an SQL implementation already
    """
    if operation not in _orm:
        raise LookupError(f"no service is the operation {operation}")
    if operation in _sql:
        raise ValueError(f"two implementations of the operation {operation}")
    _sql[operation] = implementation


def list_operations() -> dict[str, Callable[..., Any]]:
    """Return the ORM implementation of each operation of the hot path, by its name."""
    return dict(_orm)


def list_reads() -> frozenset[str]:
    """Return the names of the operations that write nothing."""
    return frozenset(_reads)


def list_sql_implementations() -> dict[str, Callable[..., Any]]:
    """Return the registered SQL implementations, by the name of their operation."""
    return dict(_sql)
