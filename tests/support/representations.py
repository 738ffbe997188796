"""Responses beside those of REST framework: every object that is shown must have the same data."""

from typing import Any

import pytest
from rest_framework import serializers

from apps.core.api import serializers as shapes
from apps.core.api.representations import represent


@pytest.fixture
def compared_with_rest_framework(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare whatever is shown with what REST framework makes of it; returns the names of the shapes that were compared."""
    compared: list[str] = []

    def compare(serializer: Any, instance: Any) -> dict[str, Any]:
        data, theirs = represent(serializer, instance), serializers.Serializer.to_representation(serializer, instance)
        compared.append(type(serializer).__name__)
        assert (list(data), data) == (list(theirs), theirs)
        return data

    monkeypatch.setattr(shapes, "represent", compare)
    return compared
