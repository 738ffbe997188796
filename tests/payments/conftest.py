"""The shop whose orders are paid."""

from typing import Any

import pytest

from tests.factories.catalog import make_registration
from tests.factories.orders import make_order


@pytest.fixture
def shop(reference_data: None) -> Any:
    """The seller's registration in Maharashtra."""
    return make_registration()


@pytest.fixture
def order(shop: Any, owner: Any) -> Any:
    """An order of the owner's that waits for its payment."""
    return make_order(owner)
