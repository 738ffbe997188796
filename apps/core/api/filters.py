"""Filters of lists by query parameters, for django-filter: each refuses with an error of its app what it cannot read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.constants import EMPTY_VALUES
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from apps.core.search import MAX_CHARACTERS, MIN_QUERY

#: What a parameter takes, as OpenAPI has it.
INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
PHONE: dict[str, Any] = {"type": "string", "minLength": 8, "maxLength": 24}
EMAIL: dict[str, Any] = {"type": "string", "minLength": 3, "maxLength": 254}


def choices_schema(choices: Iterable[str]) -> dict[str, Any]:
    """Return the schema of a parameter that takes one or more of some choices, separated by commas."""
    one = "|".join(choices)
    return {"type": "string", "pattern": f"^({one})(,({one}))*$"}


def id_schema(prefix: str) -> dict[str, Any]:
    """Return the schema of a parameter that takes a public id of one kind."""
    return {"type": "string", "pattern": id_pattern(prefix)}


def id_pattern(prefix: str) -> str:
    """Return the pattern of the public ids of one kind."""
    return f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"


def search_schema(*, fewest: int = MIN_QUERY) -> dict[str, Any]:
    """Return the schema of `q`, which lists are searched by."""
    return {"type": "string", "minLength": fewest, "maxLength": MAX_CHARACTERS}


class ReadField(forms.Field):
    """A form field whose value is what a function reads in the text; the function raises an error of the API if it cannot."""

    def __init__(self, *, read: Callable[[str], Any], **kwargs: Any) -> None:
        self.read = read
        super().__init__(**kwargs)

    def clean(self, value: str | None) -> Any:
        # An empty text is a value like any other, and mostly a wrong one.
        return None if value is None else self.read(value)


class ReadFilter(django_filters.Filter):
    """
    A filter by what a function reads in the text of a parameter.

    :param read: returns the value that rows are compared with, or raises an error of the API
    :param schema: what the parameter takes, for the description of the API
    """

    field_class = ReadField

    def __init__(
        self, *, read: Callable[[str], Any], schema: dict[str, Any], description: str = "", **kwargs: Any
    ) -> None:
        self.schema = schema
        self.description = description
        super().__init__(read=read, **kwargs)

    def filter(self, qs: "QuerySet[Any]", value: Any) -> "QuerySet[Any]":
        return qs if value in EMPTY_VALUES else qs.filter(**{f"{self.field_name}__{self.lookup_expr}": value})


class QueryFilterSet(django_filters.FilterSet):
    """A set of filters; `created_at__gte` is the parameter `created_at[gte]`."""

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the filters that are given, without those that narrow nothing, by the names of their parameters."""
        filters = cls.base_filters.items()
        values = {name: each.extra["read"](params[name]) for name, each in filters if name in params}
        return {name: value for name, value in values.items() if value not in EMPTY_VALUES}

    @classmethod
    def get_filters(cls) -> dict[str, Any]:
        return {_parameter_of(attribute): each for attribute, each in super().get_filters().items()}


def _parameter_of(attribute: str) -> str:
    name, underscores, bound = attribute.partition("__")
    return f"{name}[{bound}]" if underscores else name


class FilterBackend(DjangoFilterBackend):
    """The filters of a view's `filterset_class`; their errors are those of the API."""

    def filter_queryset(self, request: Request, queryset: "QuerySet[Any]", view: Any) -> "QuerySet[Any]":
        filterset = self.get_filterset_class(view, queryset)
        if filterset is None or not any(name in request.query_params for name in filterset.base_filters):
            return queryset  # no form is made, which takes longer than all the rest of a list
        found: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return found
