"""
How responses become data, worked out once for each shape.

REST framework copies and binds every field of a serializer for each response: two thirds of what a list took. Here the fields
that a shape declares are turned into functions once. The data are those that REST framework makes, which a test compares.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models.manager import BaseManager
from rest_framework import serializers
from rest_framework.fields import SkipField

_MISSING = object()
#: Where a serializer keeps those of the shapes within its own.
_WITHIN = "shapes_within"
#: The types whose values these fields show as they are.
_PLAIN_TYPES: Mapping[type, type] = {
    serializers.CharField: str,
    serializers.IntegerField: int,
    serializers.BooleanField: bool,
    serializers.DateTimeField: datetime,
}

#: Returns what a field shows of an object; the serializer is the one that shows it.
Read = Callable[[Any, Any], Any]


class Reader(NamedTuple):
    """
    How a field of a shape is shown.

    :param attribute: the attribute of an object whose value is shown as it is if it is of the type `plain`, or None
    :param of_mapping: reads it in a mapping
    """

    name: str
    attribute: str
    plain: type | None
    of_object: Read
    of_mapping: Read


class Readers:
    """The readers of a shape's fields, in the order of its response; those of plain values are run together, in C."""

    def __init__(self, shape: type[Any]) -> None:
        self.all = tuple(_reader(field) for field in shape().fields.values() if not field.write_only)
        plain = [reader for reader in self.all if reader.plain is not None]
        self._other = [(reader.name, reader.of_object) for reader in self.all if reader.plain is None]
        self._template = dict.fromkeys(reader.name for reader in self.all)
        self._plain_names = [reader.name for reader in plain]
        self._plain_types = [reader.plain for reader in plain]
        # Two names more: of a single one it would return no tuple.
        self._get_plain: Callable[[Any], tuple[Any, ...]] = attrgetter(
            "__class__", "__class__", *(reader.attribute for reader in plain)
        )
        #: The types of values that were found to be shown as they are, all together.
        self._known_types: set[tuple[type, ...]] = set()

    def read(self, serializer: Any, instance: Any) -> dict[str, Any]:
        """Return an object as the data of a response."""
        kind: Any = type(instance)
        if _is_mapping(kind):
            return self._read_each(serializer, instance, is_mapping=True)
        try:
            _, _, *values = self._get_plain(instance)
        except (AttributeError, KeyError):  # what lacks an attribute, or a related object
            return self._read_each(serializer, instance, is_mapping=False)
        types = tuple(map(type, values))
        if types not in self._known_types and not self._learn(types):
            return self._read_each(serializer, instance, is_mapping=False)
        data = self._template.copy()
        data.update(zip(self._plain_names, values, strict=True))
        for name, read in self._other:
            value = read(serializer, instance)
            if value is _MISSING:
                del data[name]
            else:
                data[name] = value
        return data

    def _learn(self, types: tuple[type, ...]) -> bool:
        is_plain = all(found in (wanted, type(None)) for found, wanted in zip(types, self._plain_types, strict=True))
        if is_plain:
            self._known_types.add(types)
        return is_plain

    def _read_each(self, serializer: Any, instance: Any, *, is_mapping: bool) -> dict[str, Any]:
        data = {}
        for reader in self.all:
            value = (reader.of_mapping if is_mapping else reader.of_object)(serializer, instance)
            if value is not _MISSING:
                data[reader.name] = value
        return data


@cache
def get_readers(shape: Any) -> Readers:
    """Return the readers of a serializer class."""
    return Readers(shape)


def represent(serializer: Any, instance: Any) -> dict[str, Any]:
    """Return an object as the data of a response."""
    shape: Any = type(serializer)
    return get_readers(shape).read(serializer, instance)


@cache
def _is_mapping(kind: Any) -> bool:
    return issubclass(kind, Mapping)


def _reader(field: Any) -> Reader:
    name = str(field.field_name)
    if isinstance(field, serializers.SerializerMethodField):
        method = str(field.method_name)

        def call(serializer: Any, instance: Any) -> Any:
            return getattr(serializer, method)(instance)

        return Reader(name, "", None, call, call)
    convert = _converter(field)

    def read_by_field(serializer: Any, instance: Any) -> Any:
        """Read as REST framework does, what is rare."""
        try:
            value = field.get_attribute(instance)
        except SkipField:
            return _MISSING
        return value if value is None or convert is None else convert(value, serializer)

    if len(field.source_attrs) != 1:
        return Reader(name, "", None, read_by_field, read_by_field)
    [attribute] = field.source_attrs
    has_default = field.default is not serializers.empty
    default = field.default if has_default and not callable(field.default) else _MISSING

    def show(value: Any, serializer: Any, instance: Any) -> Any:
        if value is None:
            return None
        if value is _MISSING or callable(value):
            return read_by_field(serializer, instance)
        return value if convert is None else convert(value, serializer)

    return Reader(
        name,
        attribute,
        None if has_default or field.__dict__.get("format") is not None else _PLAIN_TYPES.get(type(field)),
        lambda serializer, instance: show(getattr(instance, attribute, default), serializer, instance),
        lambda serializer, instance: show(instance.get(attribute, default), serializer, instance),
    )


def _converter(field: Any) -> Callable[[Any, Any], Any] | None:
    """Return what turns a value into data; None if it stays as it is."""
    if isinstance(field, serializers.ListSerializer):
        return _many_converter(field.child)
    if isinstance(field, serializers.BaseSerializer):
        shape = type(field)
        return lambda value, serializer: _shape_within(serializer, shape).to_representation(value)
    match type(field):
        case serializers.CharField:
            return lambda value, _: value if type(value) is str else str(value)
        case serializers.IntegerField:
            return lambda value, _: value if type(value) is int else int(value)
        case serializers.BooleanField:
            return lambda value, _: value if type(value) is bool else field.to_representation(value)
        case serializers.DateTimeField if field.__dict__.get("format") is None:
            return None
        case serializers.DictField if type(field.child) is serializers.CharField:
            return lambda value, _: {
                str(name): text if text is None or type(text) is str else str(text) for name, text in value.items()
            }
    return lambda value, _: field.to_representation(value)


def _many_converter(child: Any) -> Callable[[Any, Any], Any]:
    if not isinstance(child, serializers.BaseSerializer):
        raise TypeError(f"a list of {type(child).__name__} is no list of shapes")
    shape = type(child)

    def convert(rows: Any, serializer: Any) -> list[Any]:
        one = _shape_within(serializer, shape)
        # A related manager is read as REST framework reads it.
        return [one.to_representation(row) for row in (rows.all() if isinstance(rows, BaseManager) else rows)]

    return convert


def _shape_within(serializer: Any, shape: type[Any]) -> Any:
    """Return the serializer of a shape within another one, which is made once: a list shows the same shape for each row."""
    within = serializer.__dict__.get(_WITHIN)
    if within is None:
        within = serializer.__dict__[_WITHIN] = {}
    found = within.get(shape)
    if found is None:
        found = within[shape] = shape(context=serializer.context)
    return found
