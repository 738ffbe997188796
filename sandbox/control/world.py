"""Control calls about the sandbox as a whole: its health, its clock, its HTTP log, and a fresh start."""

from __future__ import annotations

from werkzeug.wrappers import Request

from sandbox.control.lookups import as_list
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import due_actions
from sandbox.state import World

_FILTERS = ("service", "direction", "path", "method")


def show_health(world: World, _request: Request) -> JsonObject:
    with world.lock:
        return {"ok": True, "now": world.clock.now(), "seed": world.ids.seed, "webhook_url": world.razorpay.policy.url}


def list_exchanges(world: World, request: Request) -> JsonObject:
    """Return the HTTP log, newest first; parameters of the query choose exchanges."""
    wanted = {name: value for name, value in request.args.items() if name in _FILTERS}
    with world.lock:
        rows = world.http_log.list_rows()
    return as_list([row for row in rows if all(row[name] == value for name, value in wanted.items())])


def advance_clock(world: World, request: Request) -> JsonObject:
    seconds = RequestBody(request, "advance_seconds").number("advance_seconds")
    try:
        due_actions.advance_clock(world, seconds)
    except ValueError as refusal:
        raise CallRefused(str(refusal)) from refusal
    with world.lock:
        return {"now": world.clock.now(), "offset_seconds": world.clock.offset}


def reset_world(world: World, request: Request) -> JsonObject:
    keep_ids = RequestBody(request, "keep_ids").flag("keep_ids", default=False)
    with world.lock:
        world.reset(keep_ids=keep_ids)
    return {"ok": True}
