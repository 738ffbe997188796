"""Units: what is on hand is what was there and what came and went; what is reserved is what orders hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from devtools.history.checker.history import Anomaly, History

_unit = partial(Anomaly, "unit")
#: Orders with these statuses hold their units, as far as these were not dispatched.
_HOLDING = frozenset({"pending_payment", "confirmed", "on_hold", "in_fulfilment"})


def check(history: History) -> Iterator[Anomaly]:
    """Compare the counts of stock with the counts before, the adjustments, the orders and the parcels."""
    before = {row["id"]: row["on_hand"] for row in history.initial["variants"]}
    held, dispatched = _held_units(history), _dispatched_units(history)
    certain, lowest, highest = _adjusted_units(history)
    seen = set()
    for row in history.final["variants"]:
        variant, on_hand, reserved = row["id"], row["on_hand"], row["reserved"]
        seen.add(variant)
        expected = before.get(variant, 0) + certain[variant] - dispatched[variant]
        if not expected + lowest[variant] <= on_hand <= expected + highest[variant]:
            kind = "units_lost" if on_hand < expected else "units_doubled"
            yield _unit(kind, variant, f"{variant} should have {expected} units on hand, and has {on_hand}.")
        if reserved != held[variant]:
            kind = "reservation_lost" if reserved < held[variant] else "reservation_not_released"
            yield _unit(kind, variant, f"Orders hold {held[variant]} units of {variant}, and {reserved} are reserved.")
        if reserved > on_hand or held[variant] > on_hand:
            yield _unit("oversold", variant, f"{variant} has {on_hand} units on hand, and orders hold {held[variant]}.")
    for variant in sorted(before.keys() - seen):
        yield _unit("variant_lost", variant, f"{variant} is not there any more.")


def _held_units(history: History) -> Counter[str]:
    """Return how many units of each variant orders hold; what was dispatched they hold no longer."""
    held: Counter[str] = Counter()
    for order in history.final["orders"]:
        if order["status"] in _HOLDING:
            for line in order["lines"]:
                held[line["variant_id"]] += line["quantity"] - line.get("dispatched", 0)
    return held


def _dispatched_units(history: History) -> Counter[str]:
    dispatched: Counter[str] = Counter()
    for order in history.final["orders"]:
        for line in order["lines"]:
            dispatched[line["variant_id"]] += line.get("dispatched", 0)
    return dispatched


def _adjusted_units(history: History) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return by variant what was certainly added, and the least and most that adjustments of unknown outcome may add."""
    certain: Counter[str] = Counter()
    lowest: Counter[str] = Counter()
    highest: Counter[str] = Counter()
    for operation in history.of_kind("adjust_stock"):
        variant, quantity = operation.request["variant_id"], operation.request["quantity"]
        if operation.is_accepted:
            certain[variant] += quantity
        elif operation.is_unknown:
            (lowest if quantity < 0 else highest)[variant] += quantity
    return certain, lowest, highest
