"""Control calls about downtimes of payment methods: plan one, make it worse or better, end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.wrappers import Request

from sandbox.control.lookups import find
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import downtimes, due_actions
from sandbox.state import World


def plan_downtime(world: World, request: Request) -> JsonObject:
    """Plan a downtime of a method or of an `instrument` of it, now or `begin_in_seconds`, for `lasts_seconds` or for good."""
    body = RequestBody(request, "method", "instrument", "severity", "begin_in_seconds", "lasts_seconds")
    method = body.choice("method", downtimes.METHODS, "upi")
    severity = body.choice("severity", downtimes.SEVERITIES, "high")
    given = body.mapping("instrument", {})
    instrument = {name: value for name, value in given.items() if isinstance(value, str)}
    if instrument != given or not set(given) <= set(downtimes.INSTRUMENTS[method]):
        raise CallRefused(f"An instrument of {method} has {', '.join(downtimes.INSTRUMENTS[method])}, each a string.")
    begin_in = body.integer("begin_in_seconds", 0)
    lasts = body.integer("lasts_seconds", None, lowest=1)
    with world.lock:
        due_actions.run_due(world)
        return downtimes.plan_downtime(
            world, method=method, instrument=instrument, severity=severity, begin_in=begin_in, lasts=lasts
        ).to_wire()


def change_downtime(world: World, request: Request, downtime_id: str) -> JsonObject:
    severity = RequestBody(request, "severity").choice("severity", downtimes.SEVERITIES)
    with world.lock, _refuse_resolved():
        due_actions.run_due(world)
        downtime = find(world.razorpay.downtimes, downtime_id, "downtime")
        downtimes.change_severity(world, downtime, severity=severity)
        return downtime.to_wire()


def resolve_downtime(world: World, request: Request, downtime_id: str) -> JsonObject:
    RequestBody(request)
    with world.lock, _refuse_resolved():
        due_actions.run_due(world)
        downtime = find(world.razorpay.downtimes, downtime_id, "downtime")
        downtimes.resolve_downtime(world, downtime)
        return downtime.to_wire()


@contextmanager
def _refuse_resolved() -> Iterator[None]:
    try:
        yield
    except downtimes.DowntimeResolved as refusal:
        raise CallRefused(str(refusal), 409) from refusal
