"""The shop whose orders are paid."""

from typing import Any

import pytest

from apps.core import hot_path
from tests.support.paid_orders import _no_backoff, order, paid, shop

__all__ = ["_no_backoff", "order", "paid", "shop"]


@pytest.fixture(autouse=True)
def _totals_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each total of an order read by the ORM too, and be the same."""
    by_orm = hot_path.list_operations()["payments.get_order_totals"]
    by_sql = hot_path.list_sql_implementations()["payments.get_order_totals"]

    def read(**arguments: Any) -> Any:
        found = by_sql(**arguments)
        assert found == by_orm(**arguments)
        return found

    monkeypatch.setitem(hot_path._sql, "payments.get_order_totals", read)
