"""
How responses become data, worked out once for each shape.

REST framework copies and binds every field of a serializer for each response: two thirds of what a list took. Here the fields
that a shape declares are turned into functions once. The data are those that REST framework makes, which a test compares.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.db.models.manager import BaseManager
from rest_framework import serializers
from rest_framework.fields import SkipField

#: Returns what a field shows of an object; the serializer is the one that shows it.
Reader = Callable[[Any, Any], Any]
_MISSING = object()


@cache
def list_readers(shape: type[Any]) -> tuple[tuple[str, Reader], ...]:
    """Return the name and the reader of each field of a serializer class, in the order of its response."""
    prototype = shape()
    return tuple((name, _reader(field)) for name, field in prototype.fields.items() if not field.write_only)


def represent(serializer: Any, instance: Any) -> dict[str, Any]:
    """Return an object as the data of a response."""
    data: dict[str, Any] = {}
    shape: Any = type(serializer)
    for name, read in list_readers(shape):
        value = read(serializer, instance)
        if value is not _MISSING:
            data[name] = value
    return data


def _reader(field: Any) -> Reader:
    if isinstance(field, serializers.SerializerMethodField):
        method = str(field.method_name)
        return lambda serializer, instance: getattr(serializer, method)(instance)
    read = _attribute_reader(field)
    convert = _converter(field)
    return lambda serializer, instance: _convert(read(instance), convert, serializer)


def _convert(value: Any, convert: Callable[[Any, Any], Any] | None, serializer: Any) -> Any:
    if value is None or value is _MISSING or convert is None:
        return value
    return convert(value, serializer)


def _attribute_reader(field: Any) -> Callable[[Any], Any]:
    """Return what finds the value of a field in an object; what is rare there is left to the field itself."""

    def read_by_field(instance: Any) -> Any:
        try:
            return field.get_attribute(instance)
        except SkipField:
            return _MISSING

    if len(field.source_attrs) != 1:
        return read_by_field
    [name] = field.source_attrs
    default = _MISSING if field.default is serializers.empty or callable(field.default) else field.default

    def read(instance: Any) -> Any:
        value = instance.get(name, default) if isinstance(instance, Mapping) else getattr(instance, name, default)
        return read_by_field(instance) if value is _MISSING or callable(value) else value

    return read


def _converter(field: Any) -> Callable[[Any, Any], Any] | None:
    """Return what turns a value into data; None if it stays as it is."""
    if isinstance(field, serializers.ListSerializer):
        return _many_converter(field.child)
    if isinstance(field, serializers.BaseSerializer):
        shape = type(field)
        return lambda value, serializer: shape(context=serializer.context).to_representation(value)
    match type(field):
        case serializers.CharField:
            return lambda value, _: value if type(value) is str else str(value)
        case serializers.IntegerField:
            return lambda value, _: value if type(value) is int else int(value)
        case serializers.BooleanField:
            return lambda value, _: value if type(value) is bool else field.to_representation(value)
        case serializers.DateTimeField if field.__dict__.get("format") is None:
            return None
    return lambda value, _: field.to_representation(value)


def _many_converter(child: Any) -> Callable[[Any, Any], Any]:
    if not isinstance(child, serializers.BaseSerializer):
        raise TypeError(f"a list of {type(child).__name__} is no list of shapes")
    shape = type(child)

    def convert(rows: Any, serializer: Any) -> list[Any]:
        one = shape(context=serializer.context)
        # A related manager is read as REST framework reads it.
        return [one.to_representation(row) for row in (rows.all() if isinstance(rows, BaseManager) else rows)]

    return convert
