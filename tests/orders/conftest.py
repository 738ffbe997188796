"""The shop that orders are placed in."""

from typing import Any

import pytest

from tests.factories.catalog import make_registration


@pytest.fixture(autouse=True)
def shop(request: pytest.FixtureRequest) -> Any:
    """The seller's registration in Maharashtra, and the rates of the day; only for tests that use the database."""
    if request.node.get_closest_marker("django_db") is None:
        return None
    request.getfixturevalue("reference_data")
    return make_registration()
