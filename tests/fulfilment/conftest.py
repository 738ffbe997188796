"""What the tests of fulfilment share."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core import audit, clock
from tests.factories.catalog import make_registration, make_variant
from tests.factories.fulfilment import make_invoiced_order

#: Not asked after each test: they are about the gateway's webhooks, the catalogue and the schema.
_NOT_ASKED = {"INV-42", "CAT-01", "INV-52"}


@pytest.fixture
def shop(reference_data: None) -> Any:
    """The seller's registration in Maharashtra."""
    return make_registration()


@pytest.fixture
def shirt(shop: Any) -> Any:
    """A variant with ten units."""
    return make_variant(stock=10)


@pytest.fixture
def shoe(shop: Any) -> Any:
    """Another variant with ten units."""
    return make_variant(stock=10)


@pytest.fixture
def order(shirt: Any, shoe: Any, owner: Any) -> Any:
    """A paid and invoiced order of 3 shirts (line 1) and 2 shoes (line 2)."""
    return make_invoiced_order(owner, [(shirt, 3), (shoe, 2)])


@pytest.fixture
def violated() -> Callable[[], list[Any]]:
    """Return what the audit finds: the ids of violated invariants with their rows."""

    def run() -> list[Any]:
        asked = [one.id for one in audit.list_invariants() if one.id not in _NOT_ASKED]
        report = audit.run(now=clock.now(), only=asked)
        return [(result.invariant.id, result.rows, result.error) for result in report.failing]

    return run
