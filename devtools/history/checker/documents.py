"""Documents: each order that was paid has one invoice, and no number is given twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from devtools.history.checker.history import Anomaly, History

_rupee = partial(Anomaly, "rupee")
_SOLD = frozenset({"confirmed", "on_hold", "in_fulfilment", "completed", "closed"})


def check(history: History) -> Iterator[Anomaly]:
    """Compare the invoices with the orders."""
    if "invoices" not in history.final:
        return
    numbers = Counter(row["number"] for row in history.final["invoices"])
    for number, count in numbers.items():
        if count > 1:
            yield _rupee("invoice_number_doubled", number, f"{count} invoices have the number {number}.")
    issued: Counter[str] = Counter()
    invoiced: Counter[str] = Counter()
    for row in history.final["invoices"]:
        if row["status"] != "cancelled":
            issued[row["order_id"]] += 1
            invoiced[row["order_id"]] += row["total_amount"]
    for order in history.final["orders"]:
        if order["status"] in _SOLD and not issued[order["id"]]:
            yield _rupee("invoice_missing", order["id"], f"{order['id']} is {order['status']} and has no invoice.")
        if invoiced[order["id"]] > order["total_amount"]:
            yield _rupee(
                "invoice_doubled", order["id"], f"{order['id']} was invoiced with {invoiced[order['id']]} paise."
            )
