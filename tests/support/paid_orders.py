"""Fixtures of a shop, an order that waits for its payment, and one that is paid. A conftest imports them."""

from typing import Any

import pytest

from apps.payments.gateways.razorpay import calls
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.support.gateway_payments import pay_at_gateway


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat calls to the gateway at once."""
    monkeypatch.setattr(calls, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def shop(reference_data: None) -> Any:
    """The seller's registration in Maharashtra."""
    return make_registration()


@pytest.fixture
def order(shop: Any, owner: Any) -> Any:
    """An order of the owner's that waits for its payment."""
    return make_order(owner)


@pytest.fixture
def paid(order: Any, sandbox: Any) -> Any:
    """An order that the sandbox has the money of."""
    pay_at_gateway(order, sandbox)
    assert order.status == "confirmed"
    return order
