"""Control calls that plan faults: answers that come late, broken, as an error, or not at all."""

from __future__ import annotations

from dataclasses import asdict

from werkzeug.wrappers import Request

from sandbox.control.lookups import as_list
from sandbox.control.request_body import RequestBody
from sandbox.faults import KINDS, SERVICES, FaultPlan
from sandbox.json_types import JsonObject
from sandbox.state import World

_FIELDS = ("path", "kind", "method", "service", "status", "times", "skip", "delay_ms", "after_commit")


def list_faults(world: World, _request: Request) -> JsonObject:
    with world.lock:
        return as_list(world.faults.list_rows())


def plan_fault(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, *_FIELDS)
    plan: FaultPlan = {
        "path": body.text("path"),
        "kind": body.choice("kind", KINDS),
        "method": body.text("method", ""),
        "service": body.choice("service", ("", *SERVICES), ""),
        "status": body.integer("status", 502, lowest=400),
        "times": body.integer("times", 1, lowest=1),
        "skip": body.integer("skip", 0),
        "delay_ms": body.integer("delay_ms", 0),
        "after_commit": body.flag("after_commit", None),
    }
    with world.lock:
        return asdict(world.faults.add(**plan))


def clear_faults(world: World, _request: Request) -> JsonObject:
    with world.lock:
        return {"cleared": world.faults.clear()}
