"""Making trouble: webhooks on a bad road, spoilt answers, an account with other habits."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from werkzeug.wrappers import Request

from sandbox.control.reading import Body, Refused
from sandbox.faults import KINDS, SERVICES
from sandbox.razorpay import webhooks
from sandbox.settings import NotLoopback, require_loopback_url
from sandbox.state import World

_MOST_COPIES = 100


def set_policy(world: World, request: Request) -> dict[str, Any]:
    """Set how webhooks travel; address, secret, time-out and retries stay as they are unless given."""
    lasting = ("url", "secret", "timeout_ms", "retry_base_ms", "retry_cap_ms", "retry_limit")
    body = Body(request, "mode", "copies", "delay_ms", "events", "forge", "forge_times", *lasting)
    mode = body.choice("mode", webhooks.MODES, "normal")
    forge = body.choice("forge", webhooks.FORGERIES, None)
    copies = _copies(body, 2 if mode == "duplicate" else 1)
    delay_ms = body.integer("delay_ms", 1_000 if mode == "delay" else 0)
    forge_times = body.integer("forge_times", 1 if forge else 0)
    events = body.texts("events", [])
    url = body.text("url", None)
    secret = body.text("secret", None)
    numbers = {name: body.integer(name, None, lowest=1) for name in lasting[2:]}
    if url is not None:
        _check_url(url)

    with world.lock:
        policy = world.razorpay.policy
        policy.mode, policy.copies, policy.delay_ms, policy.events = mode, copies, delay_ms, events
        policy.forge, policy.forge_times = forge, forge_times
        policy.url = url or policy.url
        policy.secret = secret or policy.secret
        for name, number in numbers.items():
            if number is not None:
                setattr(policy, name, number)
        world.changed()
        return asdict(policy)


def _check_url(url: str) -> None:
    try:
        require_loopback_url(url)
    except NotLoopback as refusal:
        raise Refused(str(refusal)) from refusal


def _copies(body: Body, default: int = 1) -> int:
    copies: int = body.integer("copies", default, lowest=1)
    if copies > _MOST_COPIES:
        raise Refused(f"copies may be {_MOST_COPIES} at most")
    return copies


def release(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "order", "copies")
    order = body.choice("order", ("forward", "reverse", "shuffle"), "forward")
    copies = _copies(body)
    with world.lock:
        return {"released": webhooks.release(world, order=order, copies=copies)}


def resend(world: World, request: Request, event_id: str) -> dict[str, Any]:
    body = Body(request, "copies", "forge")
    copies, forge = _copies(body), body.choice("forge", webhooks.FORGERIES, None)
    with world.lock:
        event = world.razorpay.events.get(event_id)
        if event is None:
            raise Refused(f"there is no webhook {event_id}", 404)
        webhooks.resend(world, event, copies=copies, forge=forge)
        return asdict(event)


def send(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "event", "payload", "body", "forge")
    with world.lock:
        event = webhooks.invent(
            world,
            event=body.text("event"),
            payload=body.mapping("payload", {}),
            body=body.text("body", None),
            forge=body.choice("forge", webhooks.FORGERIES, None),
        )
        return asdict(event)


def plan_fault(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "path", "kind", "method", "service", "status", "times", "skip", "delay_ms", "after_commit")
    fields = {
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
        return asdict(world.faults.add(**fields))


def clear_faults(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        return {"cleared": world.faults.clear()}


def set_razorpay(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "unique_receipt", "s2s_upi", "payer", "payer_delay_ms", "upi_timeout_seconds")
    with world.lock:
        knobs = world.razorpay.knobs
        knobs.unique_receipt = body.choice("unique_receipt", ("return", "refuse"), knobs.unique_receipt)
        knobs.s2s_upi = body.flag("s2s_upi", knobs.s2s_upi)
        knobs.payer = body.choice("payer", ("manual", "approve", "decline"), knobs.payer)
        knobs.payer_delay_ms = body.integer("payer_delay_ms", knobs.payer_delay_ms)
        knobs.upi_timeout_seconds = body.integer("upi_timeout_seconds", knobs.upi_timeout_seconds, lowest=1)
        return asdict(knobs)


def set_msg91(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "duplicate_window_seconds", "ip_allowed", "strict_templates", "templates")
    with world.lock:
        knobs = world.msg91.knobs
        knobs.duplicate_window_seconds = body.number("duplicate_window_seconds", knobs.duplicate_window_seconds)
        knobs.ip_allowed = body.flag("ip_allowed", knobs.ip_allowed)
        knobs.strict_templates = body.flag("strict_templates", knobs.strict_templates)
        templates = body.mapping("templates", knobs.templates)
        knobs.templates = {str(template_id): str(text) for template_id, text in templates.items()}
        return asdict(knobs)
