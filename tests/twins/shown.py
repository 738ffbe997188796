"""What a response shows of what the hot path reads: by the ORM and by SQL the same bytes, which REST framework makes as well."""

from collections.abc import Callable
from typing import Any

from rest_framework import serializers

from apps.core import hot_path
from apps.core.api import serializers as shapes
from apps.core.api.renderer import to_json


def show(shape: type[Any], read: Any, *, context: dict[str, Any] | None = None) -> bytes:
    """Return the body of a response that shows what was read: one object, or a list of them."""
    return to_json(shape(read, many=isinstance(read, list), context=context or {}).data)


def read_both(operation: str, **arguments: Any) -> tuple[Any, Any]:
    """Return what an operation reads by the ORM and by SQL."""
    implementations = hot_path.list_operations()[operation], hot_path.list_sql_implementations()[operation]
    by_orm, by_sql = (implementation(**arguments) for implementation in implementations)
    return by_orm, by_sql


def show_all(shape: type[Any], reads: tuple[Any, Any], monkeypatch: Any, **context: Any) -> list[bytes]:
    """Return the bodies of what the ORM and SQL have read, and of what the ORM has read as REST framework shows it."""
    fast = [show(shape, read, context=context) for read in reads]
    with monkeypatch.context() as patch:
        patch.setattr(shapes, "represent", _by_rest_framework())
        return [*fast, show(shape, reads[0], context=context)]


def _by_rest_framework() -> Callable[[Any, Any], Any]:
    return lambda serializer, instance: serializers.Serializer.to_representation(serializer, instance)
