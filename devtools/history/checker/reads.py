"""Reads: what a client has read, no later read contradicts: versions and amounts never fall, and no state goes back."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from devtools.history.checker.history import Anomaly, History, Operation, Row

#: What may follow a status, at once or later; what is not named here has no successor but itself.
_LATER: dict[str, dict[str, frozenset[str]]] = {
    "order": {
        "draft": frozenset({"pending_payment", "confirmed", "on_hold", "in_fulfilment", "completed", "closed", "cancelled", "expired"}),
        "pending_payment": frozenset({"confirmed", "on_hold", "in_fulfilment", "completed", "closed", "cancelled", "expired"}),
        "expired": frozenset({"confirmed", "on_hold", "in_fulfilment", "completed", "closed", "cancelled"}),
        "confirmed": frozenset({"on_hold", "in_fulfilment", "completed", "closed", "cancelled"}),
        "on_hold": frozenset({"confirmed", "in_fulfilment", "completed", "closed", "cancelled"}),
        "in_fulfilment": frozenset({"completed", "closed", "cancelled"}),
        "completed": frozenset({"closed"}),
    },
    "payment": {
        **dict.fromkeys(
            ("requires_payment", "processing", "requires_capture"),
            frozenset({"requires_payment", "processing", "requires_capture", "succeeded", "succeeded_late", "cancelled", "expired"}),
        ),
        "cancelled": frozenset({"succeeded_late"}),
        "expired": frozenset({"succeeded_late"}),
    },
    "refund": {
        "requires_approval": frozenset({"pending", "unknown", "processed", "failed", "awaiting_transfer", "cancelled"}),
        **dict.fromkeys(
            ("pending", "unknown", "failed", "awaiting_transfer"),
            frozenset({"pending", "unknown", "processed", "failed", "awaiting_transfer", "cancelled"}),
        ),
        "cancelled": frozenset({"processed"}),
    },
}  # fmt: skip
_NEVER_FALLS = ("version", "paid_amount", "refunded_amount")
_SECTIONS = ("orders", "payments", "refunds")


@dataclass(frozen=True)
class Observation:
    """An object as it was at some instant between `sent` and `answered`, which are places in the journal."""

    sent: float
    answered: float
    facts: Row


def check(history: History) -> Iterator[Anomaly]:
    """Compare each read with the reads that had ended before it began."""
    observed: dict[str, list[Observation]] = defaultdict(list)
    for operation in history.operations.values():
        for observation in _observations(operation):
            observed[observation.facts["id"]].append(observation)
    for section in _SECTIONS:
        for row in history.final[section]:
            if row["id"] in observed:
                observed[row["id"]].append(Observation(math.inf, math.inf, row))
    for observations in observed.values():
        yield from _check_object(observations)


def _observations(operation: Operation) -> Iterator[Observation]:
    """Yield what the answers of an operation show; a replayed answer shows what was, and says nothing of now."""
    for attempt in operation.accepted:
        if not attempt.is_replayed and attempt.answered is not None:
            for row in _objects(attempt.body):
                yield Observation(attempt.sent, attempt.answered, row)


def _objects(body: Any) -> Iterator[Row]:
    if not isinstance(body, dict):
        return
    if body.get("object") in _LATER and "version" in body:
        yield body
    for row in body["data"] if isinstance(body.get("data"), list) else []:
        yield from _objects(row)


def _check_object(observations: list[Observation]) -> Iterator[Anomaly]:
    """Hold each observation against the newest of those that had ended before it began."""
    by_start = sorted(observations, key=lambda one: one.sent)
    by_end = sorted(observations, key=lambda one: one.answered)
    by_version: dict[int, Row] = {}
    newest: Row | None = None
    position = 0
    for one in by_start:
        while position < len(by_end) and by_end[position].answered < one.sent:
            ended = by_end[position].facts
            newest = ended if newest is None or ended["version"] >= newest["version"] else newest
            position += 1
        if newest is not None:
            yield from _compare(newest, one.facts)
        same = by_version.setdefault(one.facts["version"], one.facts)
        if same["status"] != one.facts["status"]:
            yield _anomaly(
                "version_ambiguous", one.facts, f"is {same['status']} and {one.facts['status']} in one version"
            )


def _compare(before: Row, after: Row) -> Iterator[Anomaly]:
    for name in _NEVER_FALLS:
        if name in before and name in after and after[name] < before[name]:
            yield _anomaly(f"{name}_fell", after, f"was read with {name} {before[name]}, later with {after[name]}")
    allowed = _LATER[after["object"]].get(before["status"], frozenset())
    if after["status"] != before["status"] and after["status"] not in allowed:
        yield _anomaly("status_went_back", after, f"was read as {before['status']}, later as {after['status']}")
    captured = {each["gateway_payment_id"] for each in before.get("attempts", ()) if each["status"] == "captured"}
    still = {each["gateway_payment_id"] for each in after.get("attempts", ()) if each["status"] == "captured"}
    for lost in sorted(captured - still):
        yield _anomaly("capture_went_back", after, f"was read with {lost} captured, later without")


def _anomaly(kind: str, facts: Row, what: str) -> Anomaly:
    return Anomaly("read", kind, facts["id"], f"{facts['id']} {what}.")
