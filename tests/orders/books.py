"""The audit as far as these tests write: orders and stock, with no payment behind what they note as paid."""

from datetime import UTC, datetime

from apps.catalog import invariants as catalog
from apps.core import audit
from apps.core import invariants as core
from apps.orders import invariants as orders

#: Before every order: what must only hold after some time is not asked.
_BEFORE_EVERY_ORDER = datetime(2020, 1, 1, tzinfo=UTC)
#: Tests change products behind the services' back.
_EXCLUDED = {"CAT-01"}


def check_invariants() -> None:
    """Fail if an invariant of orders, stock or events is violated."""
    every = [one.id for one in (*core.INVARIANTS, *catalog.INVARIANTS, *orders.INVARIANTS) if one.id not in _EXCLUDED]
    report = audit.run(now=_BEFORE_EVERY_ORDER, only=every)
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []
