"""Orders: each that was acknowledged is there once, as it was acknowledged; each that was refused is not there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from devtools.history.checker.history import Anomaly, History, Operation, Row

_order = partial(Anomaly, "order")
#: What an order keeps from its placement on.
_AGREED = ("number", "customer_id", "total_amount", "note")


def check(history: History) -> Iterator[Anomaly]:
    """Compare the answers that clients got about their orders with the orders that there are."""
    by_note: dict[str, list[Row]] = defaultdict(list)
    for row in history.final["orders"]:
        by_note[row["note"]].append(row)
    placements = {operation.id: operation for operation in history.of_kind("place_order")}
    for operation in placements.values():
        yield from _check_placement(operation, by_note.get(operation.id, []))
    for note, rows in by_note.items():
        if note not in placements:
            yield _order("order_unrequested", rows[0]["id"], f"Nobody ordered {rows[0]['id']} (note {note!r}).")
    yield from _check_numbers(history.final["orders"])
    yield from _check_cancellations(history)
    for operation in history.operations.values():
        yield from _check_repetitions(operation)


def _check_placement(operation: Operation, found: Sequence[Row]) -> Iterator[Anomaly]:
    if len(found) > 1:
        ids = ", ".join(row["id"] for row in found)
        yield _order("order_doubled", operation.id, f"{operation.id} was ordered once, and there are {ids}.")
    if operation.is_refused and found:
        yield _order("refused_order_exists", operation.id, f"{operation.id} was refused, and {found[0]['id']} exists.")
    if not operation.is_accepted:
        return
    answer = operation.answer
    actual = next((row for row in found if row["id"] == answer["id"]), None)
    if actual is None:
        yield _order(
            "order_lost", operation.id, f"{operation.id} was acknowledged as {answer['id']}, which is not there."
        )
        return
    if changed := [name for name in _AGREED if answer[name] != actual[name]]:
        yield _order("order_changed", answer["id"], f"{answer['id']} was acknowledged with other values of {changed}.")
    if _units(answer["lines"]) != _units(actual["lines"]) or _units(answer["lines"]) != _units(
        operation.request["lines"]
    ):
        yield _order("order_changed", answer["id"], f"{answer['id']} has other lines than those that were ordered.")


def _units(lines: Sequence[Row]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line["variant_id"]] += line["quantity"]
    return units


def _check_numbers(orders: Sequence[Row]) -> Iterator[Anomaly]:
    for number, count in Counter(row["number"] for row in orders).items():
        if count > 1:
            yield _order("order_number_doubled", number, f"{count} orders have the number {number}.")


def _check_cancellations(history: History) -> Iterator[Anomaly]:
    orders = {row["id"]: row for row in history.final["orders"]}
    for operation in history.of_kind("cancel_order"):
        if operation.is_accepted and (row := orders.get(operation.answer["id"])) and row["status"] != "cancelled":
            yield _order("cancellation_lost", row["id"], f"{row['id']} was cancelled, and is {row['status']}.")


def _check_repetitions(operation: Operation) -> Iterator[Anomaly]:
    """Check that a key has one effect and one answer, however often it is sent."""
    if operation.key is None:
        return
    if len({attempt.digest for attempt in operation.accepted}) > 1:
        yield _order("replay_differs", operation.id, f"{operation.id} was accepted twice, with two answers.")
    if sum(not attempt.is_replayed for attempt in operation.accepted) > 1:
        yield _order("effect_repeated", operation.id, f"{operation.id} took effect twice under one key.")
    if operation.is_accepted and any(attempt.is_refused for attempt in operation.attempts):
        yield _order("replay_differs", operation.id, f"{operation.id} was accepted and refused under one key.")
