"""Responses as data: what REST framework makes of a shape, without its cost."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import models
from rest_framework import serializers

from apps.core.api import IdField, ResponseSerializer
from apps.core.api.representations import get_readers

pytestmark = pytest.mark.usefixtures("compared_with_rest_framework")


class Colour(models.TextChoices):
    RED = "red", "Red"


class PartResponse(ResponseSerializer):
    object = serializers.CharField(default="part")
    name = serializers.CharField()
    shown_by = serializers.SerializerMethodField()

    def get_shown_by(self, part: Any) -> str:
        return f"{part['name']} by {self.context.get('who', 'nobody')}"


class ThingResponse(ResponseSerializer):
    id = IdField("var")
    object = serializers.CharField(default="thing")
    name = serializers.CharField(allow_null=True)
    colour = serializers.ChoiceField(choices=Colour.choices)
    count = serializers.IntegerField()
    is_new = serializers.BooleanField(source="fresh")
    depth = serializers.IntegerField(source="inner.depth")
    made_at = serializers.DateTimeField(allow_null=True)
    metadata = serializers.DictField()
    labels = serializers.ListField(child=serializers.CharField())
    secret = serializers.CharField(write_only=True)
    missing = serializers.CharField(required=False)
    computed = serializers.CharField(source="compute")
    part = PartResponse(allow_null=True)
    parts = PartResponse(many=True)


def make_thing(**values: Any) -> SimpleNamespace:
    thing = {
        "id": UUID(int=7), "name": "Lamp", "colour": Colour.RED, "count": 3, "fresh": True,
        "inner": SimpleNamespace(depth=2), "made_at": datetime(2026, 11, 30, tzinfo=UTC), "metadata": {1: "a"},
        "labels": ["x", 5], "secret": "s", "compute": lambda: "done", "part": {"name": "foot"},
        "parts": [{"name": "bulb"}, {"name": "cord", "object": "spare part"}],
    }  # fmt: skip
    return SimpleNamespace(**{**thing, **values})


def test_every_kind_of_field_is_as_declared(compared_with_rest_framework: list[str]) -> None:
    data = ThingResponse(make_thing(), context={"who": "Asha"}).data

    assert data == {
        "id": "var_00000000000000000000000007", "object": "thing", "name": "Lamp", "colour": "red", "count": 3, "is_new": True,
        "depth": 2, "made_at": datetime(2026, 11, 30, tzinfo=UTC), "metadata": {"1": "a"}, "labels": ["x", "5"],
        "computed": "done", "part": {"object": "part", "name": "foot", "shown_by": "foot by Asha"},
        "parts": [
            {"object": "part", "name": "bulb", "shown_by": "bulb by Asha"},
            {"object": "spare part", "name": "cord", "shown_by": "cord by Asha"},
        ],
    }  # fmt: skip
    assert set(compared_with_rest_framework) == {"ThingResponse", "PartResponse"}


@pytest.mark.parametrize(
    "values",
    [
        {"name": None, "made_at": None, "part": None},
        {"name": 12, "count": "4", "fresh": 1},
        {"missing": "here"},
        {"parts": []},
    ],
    ids=["nothing", "other types", "optional", "empty list"],
)
def test_what_is_rare_is_shown_as_rest_framework_shows_it(values: dict[str, Any]) -> None:
    assert ThingResponse(make_thing(**values)).data


def test_a_list_is_many_of_them() -> None:
    data = ThingResponse([make_thing(), make_thing(name="Rug")], many=True).data

    assert [each["name"] for each in data] == ["Lamp", "Rug"]


def test_what_an_object_lacks_is_an_error() -> None:
    thing = make_thing()
    del thing.count

    with pytest.raises(AttributeError):
        ThingResponse(thing).data  # noqa: B018 - it is computed when it is read


def test_a_shape_is_worked_out_once() -> None:
    assert get_readers(ThingResponse) is get_readers(ThingResponse)
