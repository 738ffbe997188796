"""Filters of lists: what a function reads in a parameter narrows the rows, and what it cannot read is its own error."""

from typing import Any

import pytest
from django.db.models import QuerySet

from apps.core import clock
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.errors import Invalid
from apps.core.models import Event
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db


class NotANumber(Invalid):
    message = "version is a number."


def read_number(text: str) -> int:
    if not text.isdigit():
        raise NotANumber(param="version")
    return int(text)


class EventFilterSet(QueryFilterSet):
    version = ReadFilter(read=read_number, schema={"type": "integer"})
    version__gte = ReadFilter(field_name="version", lookup_expr="gte", read=read_number, schema={"type": "integer"})
    kind = ReadFilter(method="of_kind", read=str.strip, schema={"type": "string"})

    def of_kind(self, events: "QuerySet[Event]", _: str, kind: Any) -> "QuerySet[Event]":
        return events.filter(type=f"test.{kind}")


@pytest.fixture
def events() -> "QuerySet[Event]":
    user = make_user()
    Event.objects.bulk_create(
        Event(
            type=f"test.{kind}",
            subject_type="x",
            subject_id=user.pk,
            version=version,
            actor="system",
            created_at=clock.now(),
        )
        for version, kind in enumerate(("made", "made", "sent"), start=1)
    )
    return Event.objects.filter(subject_id=user.pk).order_by("version")


def found(events: "QuerySet[Event]", **params: str) -> list[int]:
    return [event.version for event in EventFilterSet(data=params, queryset=events).qs]


def test_without_a_parameter_nothing_is_narrowed(events: "QuerySet[Event]") -> None:
    assert found(events) == [1, 2, 3]
    assert found(events, limit="1", colour="red") == [1, 2, 3]


def test_rows_are_compared_with_what_was_read(events: "QuerySet[Event]") -> None:
    assert found(events, version="2") == [2]
    assert found(events, kind=" made ") == [1, 2]


def test_two_underscores_are_a_bound_in_brackets(events: "QuerySet[Event]") -> None:
    assert list(EventFilterSet.base_filters) == ["version", "version[gte]", "kind"]
    assert found(events, **{"version[gte]": "2"}) == [2, 3]
    assert found(events, version__gte="2") == [1, 2, 3]


@pytest.mark.parametrize("name", ["version", "version[gte]"])
@pytest.mark.parametrize("text", ["", "two", "-1"])
def test_what_cannot_be_read_is_refused_with_the_error_of_its_reader(
    events: "QuerySet[Event]", name: str, text: str
) -> None:
    with pytest.raises(NotANumber):
        found(events, **{name: text})


def test_a_text_of_blanks_narrows_nothing_where_it_is_read_as_empty(events: "QuerySet[Event]") -> None:
    assert found(events, kind="  ") == [1, 2, 3]
