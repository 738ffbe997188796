"""Simulated faults: unreliable webhooks, broken answers, and other settings of the account."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from werkzeug.wrappers import Request

from sandbox.control.books import read_errors
from sandbox.control.reading import Body, Refused
from sandbox.faults import KINDS, SERVICES
from sandbox.razorpay import delivery, webhooks
from sandbox.razorpay.state import Knobs
from sandbox.settings import NotLoopback, require_loopback_url
from sandbox.state import World

_MOST_COPIES = 100


def set_policy(world: World, request: Request) -> dict[str, Any]:
    """Set how webhooks are delivered; address, secret, schedule, time-out and retries stay as they are unless given."""
    lasting = ("url", "secret", "schedule", "timeout_ms", "retry_base_ms", "retry_cap_ms", "retry_limit")
    body = Body(request, "mode", "copies", "delay_ms", "events", "forge", "forge_times", *lasting)
    mode = body.choice("mode", webhooks.MODES, "normal")
    forge = body.choice("forge", delivery.FORGERIES, None)
    copies = _copies(body, 2 if mode == "duplicate" else 1)
    delay_ms = body.integer("delay_ms", 1_000 if mode == "delay" else 0)
    forge_times = body.integer("forge_times", 1 if forge else 0)
    events = body.texts("events", [])
    url = body.text("url", None)
    secret = body.text("secret", None)
    schedule = body.choice("schedule", ("fast", "razorpay"), None)
    numbers = {name: body.integer(name, None, lowest=1) for name in lasting[3:]}
    if url is not None:
        _check_url(url)

    with world.lock:
        policy = world.razorpay.policy
        policy.mode, policy.copies, policy.delay_ms, policy.events = mode, copies, delay_ms, events
        policy.forge, policy.forge_times = forge, forge_times
        policy.url = url or policy.url
        policy.secret = secret or policy.secret
        policy.schedule = schedule or policy.schedule
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
    body = Body(request, "order", "copies", "ids")
    order = body.choice("order", ("forward", "reverse", "shuffle"), "forward")
    ids = body.texts("ids", []) if "ids" in body else None
    copies = _copies(body)
    with world.lock:
        return {"released": webhooks.release(world, order=order, copies=copies, ids=ids)}


def enable(world: World, request: Request) -> dict[str, Any]:
    Body(request)
    with world.lock:
        return webhooks.switch(world, on=True)


def disable(world: World, request: Request) -> dict[str, Any]:
    Body(request)
    with world.lock:
        return webhooks.switch(world, on=False)


def replay(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "statuses", "events", "since")
    statuses = body.texts("statuses", ["failed", "disabled"])
    names = body.texts("events", [])
    since = body.number("since", 0)
    with world.lock:
        return webhooks.replay(world, statuses=statuses, names=names, since=since)


def resend(world: World, request: Request, event_id: str) -> dict[str, Any]:
    body = Body(request, "copies", "forge")
    copies, forge = _copies(body), body.choice("forge", delivery.FORGERIES, None)
    with world.lock:
        event = world.razorpay.events.get(event_id)
        if event is None:
            raise Refused(f"there is no webhook {event_id}", 404)
        webhooks.resend(world, event, copies=copies, forge=forge)
        return asdict(event)


def send(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "event", "payload", "body", "forge")
    with world.lock:
        event = webhooks.send_custom(
            world,
            event=body.text("event"),
            payload=body.mapping("payload", {}),
            body=body.text("body", None),
            forge=body.choice("forge", delivery.FORGERIES, None),
        )
        return asdict(event)


def plan_fault(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "path", "kind", "method", "service", "status", "times", "skip", "delay_ms", "after_commit")
    plan = {
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


def clear_faults(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        return {"cleared": world.faults.clear()}


def set_razorpay(world: World, request: Request) -> dict[str, Any]:
    names = [one.name for one in fields(Knobs)]
    body = Body(request, *names)
    with world.lock:
        old = world.razorpay.knobs
        balance = body.integer("refund_balance", old.refund_balance, lowest=-1)
        new = Knobs(
            unique_receipt=body.choice("unique_receipt", ("return", "refuse"), old.unique_receipt),
            s2s_upi=body.flag("s2s_upi", old.s2s_upi),
            payer=body.choice("payer", ("manual", "approve", "decline"), old.payer),
            payer_delay_ms=body.integer("payer_delay_ms", old.payer_delay_ms),
            upi_timeout_seconds=body.integer("upi_timeout_seconds", old.upi_timeout_seconds, lowest=1),
            refund_outcome=body.choice("refund_outcome", ("processed", "failed", "manual"), old.refund_outcome),
            refund_seconds=body.integer("refund_seconds", old.refund_seconds),
            refund_busy_ms=body.integer("refund_busy_ms", old.refund_busy_ms),
            refund_balance=None if balance == -1 else balance,
            auto_settle=body.flag("auto_settle", old.auto_settle),
            settlement_days=body.integer("settlement_days", old.settlement_days),
            holidays=body.texts("holidays", old.holidays),
            settlement_errors=read_errors(body, "settlement_errors", old.settlement_errors),
            fee_credits=body.integer("fee_credits", old.fee_credits),
        )
        world.razorpay.knobs = new
        return asdict(new)


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
