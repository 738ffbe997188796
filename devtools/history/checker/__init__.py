"""
The checker: whether an order, a unit or a rupee was lost or doubled, decided from the journal alone.

Nothing of the product is imported here; what must hold is said again, by the answers that clients got and what the gateway did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devtools.history.checker import answers, documents, orders, payments, reads, refunds, stock
from devtools.history.checker.history import Anomaly, History, read_history

__all__ = ["CHECKS", "Anomaly", "History", "check", "read_history"]

CHECKS: tuple[Callable[[History], Iterator[Anomaly]], ...] = (
    orders.check, stock.check, payments.check, refunds.check, documents.check, reads.check, answers.check,
)  # fmt: skip


def check(history: History) -> list[Anomaly]:
    """Return everything that must not be, in the order of the checks."""
    return [anomaly for one in CHECKS for anomaly in one(history)]
