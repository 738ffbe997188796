"""
The operations that each order passes through, and which implementation of them runs.

Each has one that uses the ORM. `HOT_PATH=sql` runs those that were registered in its place, written as statements; an
operation without one uses the ORM there too. A test runs both and compares the rows that they leave
(docs/decisions/0048-one-setting-chooses-the-hot-path.md).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: Operation -> its implementation by the ORM.
_orm: dict[str, Callable[..., Any]] = {}
#: Operation -> its implementation by statements.
_sql: dict[str, Callable[..., Any]] = {}


def hot_path(operation: str) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """
    Mark a service as an operation of the hot path, by a name such as `orders.place_order`.

    :raises ValueError: if another service has the name
    """

    def mark(service: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        if operation in _orm:
            raise ValueError(f"two services are the operation {operation}")
        _orm[operation] = service

        @wraps(service)
        def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            chosen = _sql.get(operation, service) if settings.HOT_PATH == "sql" else service
            return cast("Result", chosen(*args, **kwargs))

        return run

    return mark


def register_sql(operation: str, implementation: Callable[..., Any]) -> None:
    """
    Register what runs an operation where `HOT_PATH=sql`. It takes what the service takes, and raises what it raises.

    :raises LookupError: if no service is marked as the operation
    :raises ValueError: if the operation has an implementation already
    """
    if operation not in _orm:
        raise LookupError(f"no service is the operation {operation}")
    if operation in _sql:
        raise ValueError(f"two implementations of the operation {operation}")
    _sql[operation] = implementation


def list_operations() -> dict[str, Callable[..., Any]]:
    """Return the operations of the hot path with their implementation by the ORM."""
    return dict(_orm)


def list_sql_implementations() -> dict[str, Callable[..., Any]]:
    """Return the operations that have an implementation by statements, with it."""
    return dict(_sql)
