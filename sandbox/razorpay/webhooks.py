"""Webhooks: what is told, how it is signed, and the unreliable road on which it travels."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.razorpay.signatures import sign_webhook
from sandbox.razorpay.state import Event, Order, Payment
from sandbox.state import World

MODES = ("normal", "duplicate", "reverse", "delay", "drop", "hold")
FORGERIES = ("signature", "body", "missing", "secret")
# After one of these no further webhook of the same payment is to be expected soon.
_CLOSING = {"payment.captured", "payment.failed", "order.paid"}


@dataclass
class News:
    """Something that happened, with its entities as they were at that moment."""

    event: str
    payment: Payment
    order: Order | None = None
    payload: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.payload = {"payment": {"entity": self.payment.wire()}}
        if self.order is not None:
            self.payload["order"] = {"entity": self.order.wire()}


def emit(world: World, news: list[News]) -> None:
    """Write the webhooks of one moment and send them on their way as the policy says."""
    events = [
        _write(
            world, event=item.event, payload=item.payload, payment_id=item.payment.id, order_id=item.payment.order_id
        )
        for item in news
    ]
    policy = world.razorpay.policy
    chosen = [event for event in events if not policy.events or event.event in policy.events]
    others = [event for event in events if event not in chosen]

    _send(world, others, copies=1, delay=0.0)
    if policy.mode == "drop":
        _mark(chosen, "dropped")
    elif policy.mode in {"hold", "reverse"}:
        _mark(chosen, "held", held_by=policy.mode)
        if policy.mode == "reverse" and any(event.event in _CLOSING for event in chosen):
            _send(world, _held_for(world, chosen[0].payment_id)[::-1], copies=policy.copies, delay=0.0)
    else:
        delay = policy.delay_ms / 1000 if policy.mode == "delay" else 0.0
        _send(world, chosen, copies=policy.copies, delay=delay)
    world.changed()


def _write(world: World, *, event: str, payload: dict[str, Any], payment_id: str | None, order_id: str | None) -> Event:
    now = world.clock.unix()
    envelope = {
        "entity": "event",
        "account_id": world.razorpay.account_id,
        "event": event,
        "contains": list(payload),
        "payload": payload,
        "created_at": now,
    }
    body = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False)
    return _record(world, event=event, body=body, payment_id=payment_id, order_id=order_id)


def _record(world: World, *, event: str, body: str, payment_id: str | None, order_id: str | None) -> Event:
    row = Event(
        id=world.ids.base62("event", 14),
        event=event,
        payment_id=payment_id,
        order_id=order_id,
        body=body,
        signature=sign_webhook(body.encode(), world.razorpay.policy.secret),
        created_at=world.clock.unix(),
    )
    world.razorpay.events[row.id] = row
    return row


def invent(world: World, *, event: str, payload: dict[str, Any], body: str | None, forge: str | None) -> Event:
    """Send a webhook that no payment caused; `body`, if given, is the exact text to sign and send."""
    if body is None:
        row = _write(world, event=event, payload=payload, payment_id=None, order_id=None)
    else:
        row = _record(world, event=event, body=body, payment_id=None, order_id=None)
    _send(world, [row], copies=1, delay=0.0, forge=forge)
    world.changed()
    return row


def resend(world: World, event: Event, *, copies: int, forge: str | None) -> None:
    """Send an event again, signed with the present secret, as the dashboard's replay does."""
    event.signature = sign_webhook(event.body.encode(), world.razorpay.policy.secret)
    _send(world, [event], copies=copies, delay=0.0, forge=forge)
    world.changed()


def release(world: World, *, order: str, copies: int) -> int:
    """Let all held webhooks go one after another: forward, reverse or (by the seed) shuffled. Return how many."""
    held = [event for event in world.razorpay.events.values() if event.status == "held"]
    if order == "reverse":
        held.reverse()
    elif order == "shuffle":
        random.Random(world.settings.seed).shuffle(held)
    _send(world, held, copies=copies, delay=0.0)
    world.changed()
    return len(held)


def resume(world: World) -> None:
    """Take up what a predecessor had not delivered."""
    pending = [event for event in world.razorpay.events.values() if event.status == "pending"]
    _send(world, pending, copies=1, delay=0.0)


def _mark(events: list[Event], status: str, held_by: str | None = None) -> None:
    for event in events:
        event.status = status
        event.held_by = held_by


def _held_for(world: World, payment_id: str | None) -> list[Event]:
    return [
        event
        for event in world.razorpay.events.values()
        if event.status == "held" and event.held_by == "reverse" and event.payment_id == payment_id
    ]


def _send(world: World, events: list[Event], *, copies: int, delay: float, forge: str | None = None) -> None:
    """Hand a row of events to the background; they leave in this order, each when the one before is answered."""
    if not events:
        return
    if world.razorpay.policy.url is None:
        _mark(events, "unaddressed")
        return
    _mark(events, "pending")
    row = [event for event in events for _ in range(copies)]
    world.scheduler.after(delay, lambda: _deliver_row(world, row, forge))


def _deliver_row(world: World, row: list[Event], forge: str | None) -> None:
    delivered: dict[str, bool] = {}
    for event in row:
        delivered[event.id] = _deliver(world, event, forge) or delivered.get(event.id, False)

    with world.lock:
        for event_id, done in delivered.items():
            known = world.razorpay.events.get(event_id)
            if known is None:
                continue  # the world was reset meanwhile
            if done:
                known.status = "delivered"
            else:
                _try_later(world, known)
        world.changed()


def _try_later(world: World, event: Event) -> None:
    policy = world.razorpay.policy
    tries = len(event.attempts)
    if tries >= policy.retry_limit:
        event.status = "failed"
        return
    wait = min(policy.retry_base_ms * 2 ** (tries - 1), policy.retry_cap_ms)
    world.scheduler.after(wait / 1000, lambda: _deliver_row(world, [event], None))


def _deliver(world: World, event: Event, forge: str | None) -> bool:
    with world.lock:
        policy = world.razorpay.policy
        if forge is None and policy.forge is not None and policy.forge_times > 0:
            forge = policy.forge
            policy.forge_times -= 1
        body, signature = _forged(event, forge)
        url, timeout = policy.url or "", policy.timeout_ms / 1000
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Razorpay-Webhook/v1",
        "x-razorpay-event-id": event.id,
    }
    if signature is not None:
        headers["X-Razorpay-Signature"] = signature

    started = time.monotonic()
    status, text = _post(url, body, headers, timeout)
    milliseconds = round((time.monotonic() - started) * 1000)

    with world.lock:
        note = f"{event.event} {event.id}" + (f" forged: {forge}" if forge else "")
        event.attempts.append(
            {
                "at": world.clock.now(),
                "status": status,
                "milliseconds": milliseconds,
                "forged": forge,
                "answer": text[:500],
            }
        )
        world.journal.add(
            at=world.clock.now(),
            direction="out",
            service="razorpay",
            method="POST",
            path=url,
            query="",
            body=body.decode(errors="replace"),
            status=status,
            response=text,
            milliseconds=milliseconds,
            note=note,
        )
        world.changed()
    return status is not None and 200 <= status < 300


def _post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> tuple[int | None, str]:
    """Post and return status and text; a receiver that cannot be reached or is too slow (seconds) has no status."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment must not see loopback traffic
        try:
            response = session.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
        except requests.RequestException as error:
            return None, f"{type(error).__name__}: {error}"
        return response.status_code, response.text


def _forged(event: Event, forge: str | None) -> tuple[bytes, str | None]:
    body, signature = event.body.encode(), event.signature
    if forge == "missing":
        return body, None
    if forge == "signature":
        return body, "0" * 64
    if forge == "secret":
        return body, sign_webhook(body, "a stranger's secret")
    if forge == "body":
        return _with_more_money(event.body), signature
    return body, signature


def _with_more_money(text: str) -> bytes:
    """Change what the signature protects: the paid amount where there is one, else a field of the envelope."""
    body = json.loads(text)
    payload = body.get("payload")
    entity = payload.get("payment", {}).get("entity", {}) if isinstance(payload, dict) else {}
    if "amount" in entity:
        entity["amount"] += 100
    else:
        body["forged"] = True
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
