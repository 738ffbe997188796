"""Control calls about webhooks: how they are delivered, held, sent again or invented."""

from __future__ import annotations

from dataclasses import asdict

from werkzeug.wrappers import Request

from sandbox.control.lookups import as_list, find
from sandbox.control.messages import LONGEST_WAIT_SECONDS
from sandbox.control.request_body import CallRefused, RequestBody, read_query_number
from sandbox.json_types import JsonObject
from sandbox.razorpay import webhook_delivery, webhooks
from sandbox.settings import NotLoopback, require_loopback_url
from sandbox.state import World

_MOST_COPIES = 100
_DEFAULT_DELAY_MS = 1_000
_NUMBERS = ("timeout_ms", "retry_base_ms", "retry_cap_ms", "retry_limit")
#: What stays as it is until it is given again.
_LASTING = ("url", "secret", "schedule", *_NUMBERS)
_SCHEDULES = ("fast", "razorpay")


def list_webhooks(world: World, request: Request) -> JsonObject:
    wait = read_query_number(request, "wait", 0.0, highest=LONGEST_WAIT_SECONDS)
    settled = world.scheduler.wait_idle(wait)
    with world.lock:
        rows = [asdict(event) for event in world.razorpay.events.values()]
    return {"settled": settled, **as_list(rows)}


def set_policy(world: World, request: Request) -> JsonObject:
    """Set how webhooks are delivered; address, secret, schedule, time-out and retries stay as they are unless given."""
    body = RequestBody(request, "mode", "copies", "delay_ms", "events", "forge", "forge_times", *_LASTING)
    changes = {**_read_mode(body), **_read_lasting(body)}
    with world.lock:
        policy = world.razorpay.policy
        for name, value in changes.items():
            setattr(policy, name, value)
        world.notify_change()
        return asdict(policy)


def _read_mode(body: RequestBody) -> JsonObject:
    """Return the fields of a policy that go back to normal unless they are given."""
    mode = body.choice("mode", webhooks.MODES, "normal")
    forge = body.choice("forge", webhook_delivery.FORGERIES, None)
    return {
        "mode": mode,
        "copies": _read_copies(body, 2 if mode == "duplicate" else 1),
        "delay_ms": body.integer("delay_ms", _DEFAULT_DELAY_MS if mode == "delay" else 0),
        "events": body.texts("events", []),
        "forge": forge,
        "forge_times": body.integer("forge_times", 1 if forge else 0),
    }


def _read_lasting(body: RequestBody) -> JsonObject:
    """Return the fields of a policy that are given and last."""
    texts = {name: body.text(name, None) for name in ("url", "secret")}
    if texts["url"] is not None:
        _require_loopback(texts["url"])
    found: JsonObject = {
        **texts,
        "schedule": body.choice("schedule", _SCHEDULES, None),
        **{name: body.integer(name, None, lowest=1) for name in _NUMBERS},
    }
    return {name: value for name, value in found.items() if value}


def _require_loopback(url: str) -> None:
    try:
        require_loopback_url(url)
    except NotLoopback as refusal:
        raise CallRefused(str(refusal)) from refusal


def _read_copies(body: RequestBody, default: int = 1) -> int:
    copies = body.integer("copies", default, lowest=1)
    if copies > _MOST_COPIES:
        raise CallRefused(f"copies must be at most {_MOST_COPIES}.")
    return copies


def release_webhooks(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "order", "copies", "ids")
    order = body.choice("order", ("forward", "reverse", "shuffle"), "forward")
    ids = body.texts("ids", None)
    copies = _read_copies(body)
    with world.lock:
        return {"released": webhooks.release_events(world, order=order, copies=copies, ids=ids)}


def enable_webhook(world: World, request: Request) -> JsonObject:
    RequestBody(request)
    with world.lock:
        return asdict(webhooks.switch_webhook(world, on=True))


def disable_webhook(world: World, request: Request) -> JsonObject:
    RequestBody(request)
    with world.lock:
        return asdict(webhooks.switch_webhook(world, on=False))


def replay_webhooks(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "statuses", "events", "since")
    statuses = body.texts("statuses", ["failed", "disabled"])
    names = body.texts("events", [])
    since = body.number("since", 0)
    with world.lock:
        return webhooks.replay_events(world, statuses=statuses, names=names, since=since)


def resend_webhook(world: World, request: Request, event_id: str) -> JsonObject:
    body = RequestBody(request, "copies", "forge")
    copies, forge = _read_copies(body), body.choice("forge", webhook_delivery.FORGERIES, None)
    with world.lock:
        event = find(world.razorpay.events, event_id, "webhook")
        webhooks.resend_event(world, event, copies=copies, forge=forge)
        return asdict(event)


def send_webhook(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "event", "payload", "body", "forge")
    with world.lock:
        event = webhooks.send_invented_event(
            world,
            event=body.text("event"),
            payload=body.mapping("payload", {}),
            body=body.text("body", None),
            forge=body.choice("forge", webhook_delivery.FORGERIES, None),
        )
        return asdict(event)
