"""Payments: each rupee that the gateway has captured is in exactly one payment, and nothing else is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial

from devtools.history.checker.history import Anomaly, History, Row

_rupee = partial(Anomaly, "rupee")


def check(history: History) -> Iterator[Anomaly]:
    """Compare the gateway's captured payments with ours, and these with the orders and the ledger."""
    ours: dict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for payment in history.final["payments"]:
        for attempt in payment["attempts"]:
            if attempt["status"] == "captured":
                ours[attempt["gateway_payment_id"]].append((payment, attempt))
    captured = {row["id"]: row for row in history.final["gateway_payments"] if row["captured_at"] is not None}
    for gateway_id, row in captured.items():
        yield from _check_capture(row, ours.get(gateway_id, []))
    for gateway_id in sorted(ours.keys() - captured.keys()):
        yield _rupee(
            "capture_invented", gateway_id, f"We say that {gateway_id} was captured, and the gateway does not."
        )
    yield from _check_payments(history)
    yield from _check_orders(history)
    yield from _check_ledger(history)


def _check_capture(row: Row, found: list[tuple[Row, Row]]) -> Iterator[Anomaly]:
    if not found:
        yield _rupee(
            "capture_lost", row["id"], f"The gateway captured {row['amount']} paise by {row['id']}; we did not."
        )
    if len(found) > 1:
        yield _rupee("capture_doubled", row["id"], f"{row['id']} is in {len(found)} payments.")
    for payment, attempt in found:
        if attempt["amount"] != row["amount"]:
            sentence = f"{row['id']} is of {row['amount']} paise, and we say {attempt['amount']}."
            yield _rupee("capture_changed", row["id"], sentence)
        if payment["gateway_order_id"] != row["order_id"]:
            sentence = f"{row['id']} pays {row['order_id']} at the gateway, and is with {payment['gateway_order_id']}."
            yield _rupee("capture_misplaced", row["id"], sentence)


def _check_payments(history: History) -> Iterator[Anomaly]:
    orders = {row["id"] for row in history.final["orders"]}
    payments = {row["id"] for row in history.final["payments"]}
    for row in history.final["payments"]:
        if row["order_id"] not in orders:
            yield _rupee(
                "payment_without_order", row["id"], f"{row['id']} is for {row['order_id']}, which is not there."
            )
    for operation in history.of_kind("start_payment"):
        if operation.is_accepted and operation.answer["id"] not in payments:
            yield _rupee("payment_lost", operation.id, f"{operation.answer['id']} was acknowledged and is not there.")


def _check_orders(history: History) -> Iterator[Anomaly]:
    paid: Counter[str] = Counter()
    for payment in history.final["payments"]:
        paid[payment["order_id"]] += sum(
            attempt["amount"] for attempt in payment["attempts"] if attempt["status"] == "captured"
        )
    for order in history.final["orders"]:
        if order["paid_amount"] != paid[order["id"]]:
            sentence = f"{order['id']} is paid with {paid[order['id']]} paise, and says {order['paid_amount']}."
            yield _rupee("order_paid_amount_differs", order["id"], sentence)
        if order["status"] == "confirmed" and paid[order["id"]] < order["total_amount"]:
            yield _rupee("confirmed_unpaid", order["id"], f"{order['id']} is confirmed, and is not paid.")
        if order["status"] == "pending_payment" and paid[order["id"]] >= order["total_amount"]:
            yield _rupee("paid_unconfirmed", order["id"], f"{order['id']} is paid, and waits for its payment.")


def _check_ledger(history: History) -> Iterator[Anomaly]:
    """Check that the ledger of an order sums to zero and holds each captured rupee once."""
    if "ledger" not in history.final:
        return
    sums: Counter[str] = Counter()
    posted: Counter[str] = Counter()
    for entry in history.final["ledger"]:
        sums[entry["order_id"]] += entry["amount"]
        if entry["kind"] == "capture" and entry["amount"] > 0:
            posted[entry["order_id"]] += entry["amount"]
    for order in history.final["orders"]:
        if sums[order["id"]]:
            yield _rupee(
                "ledger_not_zero", order["id"], f"The ledger of {order['id']} sums to {sums[order['id']]} paise."
            )
        if posted[order["id"]] != order["paid_amount"]:
            kind = "capture_posted_twice" if posted[order["id"]] > order["paid_amount"] else "capture_not_posted"
            sentence = f"{posted[order['id']]} paise of {order['id']} were posted, and {order['paid_amount']} paid."
            yield _rupee(kind, order["id"], sentence)
