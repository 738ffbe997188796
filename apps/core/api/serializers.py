"""Bases of request and response shapes. Requests refuse what they do not know."""

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers

from apps.core import ids
from apps.core.api.representations import represent
from apps.core.errors import NotFound

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: Blanks, and characters that are drawn as nothing: joiners, marks of direction, fillers.
_UNSEEN = re.compile(r"[\s\u00ad\u034f\u115f\u1160\u200b-\u200f\u2060-\u2064\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0]+")
#: The most characters that normalisation makes one of.
_LONGEST_COMPOSED = 4

_NO_CHOICE = serializers.ChoiceField.default_error_messages["invalid_choice"]


class RequestSerializer(serializers.Serializer[Any]):
    """
    A request body: unknown fields are refused.

    `published_lengths` are the fewest and the most characters of texts that a service checks, for the description of the API.
    """

    published_lengths: ClassVar[Mapping[str, tuple[int, int]]] = {}

    default_error_messages = {"unknown_field": "There is no field {field}."}

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            if isinstance(field, serializers.ChoiceField) and field.error_messages["invalid_choice"] == _NO_CHOICE:
                named = ", ".join(str(choice) for choice in field.choices if choice != "")
                field.error_messages["invalid_choice"] = f"This is none of the choices: {named}."
        return dict(fields)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError(
                    {
                        name: serializers.ErrorDetail(
                            self.error_messages["unknown_field"].format(field=name[:40]), code="unknown_field"
                        )
                        for name in unknown[:10]
                    }
                )
        return super().to_internal_value(data)


class ResponseSerializer(serializers.Serializer[Any]):
    """A response body; read only."""

    def to_representation(self, instance: Any) -> Any:
        return represent(self, instance)


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer: no string, no boolean, no 1.0."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class StrictBooleanField(serializers.BooleanField):
    """A JSON boolean: no text, no number."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictCharField(serializers.CharField):
    """
    A JSON string of one line: normalised to NFC, without control characters, direction marks or piles of accents.

    Pass `multiline=True` to allow line breaks and tabs.
    """

    default_error_messages = {"control": "This contains a character that is not allowed."}

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 200)
        self.multiline = multiline
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > _LONGEST_COMPOSED * self.max_length:
            # Before it is composed, which takes minutes for a megabyte of accents.
            self.fail("max_length", max_length=self.max_length)
        text = unicodedata.normalize("NFC", data)
        checked = text.replace("\n", "").replace("\t", "") if self.multiline else text
        marks = sum(1 for character in text if unicodedata.combining(character))
        if _CONTROL.search(checked) or marks > max(10, len(text) // 2):
            self.fail("control")
        if _UNSEEN.fullmatch(text):
            if not self.allow_blank:
                self.fail("blank")
            return ""
        return str(super().to_internal_value(text))


class IdField(serializers.CharField):
    """A public id of one kind (`ord_...`); a UUID inside."""

    default_error_messages = {"not_an_id": "This is not an id of the form {prefix}_..."}

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        self.prefix = prefix
        super().__init__(**kwargs)  # no max_length: it would measure the UUID, and decoding knows the length

    def to_internal_value(self, data: Any) -> UUID:  # type: ignore[override]
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return ids.decode(self.prefix, data)
        except NotFound:
            self.fail("not_an_id", prefix=self.prefix)

    def to_representation(self, value: Any) -> str:
        return ids.encode(self.prefix, value if isinstance(value, UUID) else value.pk)


class QueryField(serializers.Field[Any, Any, Any, Any]):
    """
    A query parameter of an action that answers with no list; filters do this for lists.

    :param read: returns the value that the text means, or raises an error of the API
    :param schema: what the parameter takes, for the description of the API
    """

    def __init__(self, *, read: Callable[[str], Any], schema: dict[str, Any], **kwargs: Any) -> None:
        self.read = read
        self.schema = schema
        super().__init__(**kwargs)

    def to_internal_value(self, data: str) -> Any:
        return self.read(data)


@functools.cache
def list_response(item: type[ResponseSerializer]) -> type[ResponseSerializer]:
    """Return the shape of a page of something: the list envelope around its items."""
    name = item.__name__.removesuffix("Response") + "ListResponse"
    fields: dict[str, Any] = {
        "object": serializers.CharField(default="list"),
        "data": item(many=True),
        "has_more": serializers.BooleanField(),
        "next_cursor": serializers.CharField(allow_null=True),
        "prev_cursor": serializers.CharField(allow_null=True),
    }
    return type(name, (ResponseSerializer,), fields)
