"""Webhooks: which events are sent, and how the account's settings deliver, hold or resend them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from sandbox.json_types import JsonObject
from sandbox.razorpay import webhook_delivery
from sandbox.razorpay.entities import Event, Payment, WebhookPolicy
from sandbox.razorpay.signatures import sign_webhook
from sandbox.state import World

MODES = ("normal", "duplicate", "reverse", "delay", "drop", "hold")
# Another event of the same payment usually follows soon after one of these.
_OPENING = {"payment.authorized", "refund.created", "refund.speed_changed"}
_REPLAY_DAYS, _MOST_REPLAYS, _DAY = 7, 5, 24 * 3600


@dataclass(frozen=True)
class PendingEvent:
    """An event that is yet to be written, with its entities as they are now, in the order of the payload."""

    event: str
    entities: dict[str, JsonObject]
    payment_id: str | None = None
    order_id: str | None = None


def payment_event(event: str, payment: Payment, **entities: JsonObject) -> PendingEvent:
    """Return the event of a payment; its entity comes before the others."""
    return PendingEvent(
        event, {"payment": payment.to_wire(), **entities}, payment_id=payment.id, order_id=payment.order_id
    )


def emit_events(world: World, pending_events: list[PendingEvent]) -> None:
    """Write the webhooks of one moment and send them on their way as the policy says."""
    events = [_write_pending_event(world, item) for item in pending_events]
    policy = world.razorpay.policy
    chosen = [event for event in events if not policy.events or event.event in policy.events]
    others = [event for event in events if event not in chosen]

    webhook_delivery.send_events(world, others)
    if policy.mode == "drop":
        webhook_delivery.mark_events(chosen, "dropped")
    elif policy.mode in {"hold", "reverse"}:
        webhook_delivery.mark_events(chosen, "held", held_by=policy.mode)
        if policy.mode == "reverse" and any(event.event not in _OPENING for event in chosen):
            webhook_delivery.send_events(world, _held_for(world, chosen[0].payment_id)[::-1], copies=policy.copies)
    else:
        delay = policy.delay_ms / 1000 if policy.mode == "delay" else 0.0
        webhook_delivery.send_events(world, chosen, copies=policy.copies, delay=delay)
    world.notify_change()


def _write_pending_event(world: World, pending_event: PendingEvent) -> Event:
    payload: JsonObject = {name: {"entity": entity} for name, entity in pending_event.entities.items()}
    return _write(
        world,
        event=pending_event.event,
        payload=payload,
        payment_id=pending_event.payment_id,
        order_id=pending_event.order_id,
    )


def _write(world: World, *, event: str, payload: JsonObject, payment_id: str | None, order_id: str | None) -> Event:
    now = world.clock.unix()
    envelope: JsonObject = {
        "entity": "event",
        "account_id": world.razorpay.account_id,
        "event": event,
        "contains": list(payload),
        "payload": payload,
        "created_at": now,
    }
    if event == "refund.speed_changed":  # as in Razorpay's own sample, where the time lies one level deeper
        envelope["payload"] = {**payload, "created_at": envelope.pop("created_at")}
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


def send_invented_event(world: World, *, event: str, payload: JsonObject, body: str | None, forge: str | None) -> Event:
    """Send a webhook that no payment caused; `body`, if given, is the exact text to sign and send."""
    if body is None:
        row = _write(world, event=event, payload=payload, payment_id=None, order_id=None)
    else:
        row = _record(world, event=event, body=body, payment_id=None, order_id=None)
    webhook_delivery.send_events(world, [row], forge=forge)
    world.notify_change()
    return row


def resend_event(world: World, event: Event, *, copies: int, forge: str | None) -> None:
    """Send an event again, signed with the present secret, as often as wanted and whatever its age."""
    event.signature = sign_webhook(event.body.encode(), world.razorpay.policy.secret)
    webhook_delivery.send_events(world, [event], copies=copies, forge=forge)
    world.notify_change()


def replay_events(world: World, *, statuses: list[str], names: list[str], since: float) -> JsonObject:
    """
    Replay events as the dashboard does: at most seven days old, each at most five times in 24 hours.

    Signed with the present secret; they leave in the order in which they were made.
    """
    now = world.clock.now()
    chosen: list[Event] = []
    refused: list[dict[str, str]] = []
    for event in world.razorpay.events.values():
        if event.status not in statuses or event.created_at < since or (names and event.event not in names):
            continue
        recent = [at for at in event.replays if at > now - _DAY]
        if event.created_at < now - _REPLAY_DAYS * _DAY:
            refused.append({"id": event.id, "why": "older than seven days"})
        elif len(recent) >= _MOST_REPLAYS:
            refused.append({"id": event.id, "why": "replayed five times in 24 hours"})
        else:
            event.replays.append(now)
            event.signature = sign_webhook(event.body.encode(), world.razorpay.policy.secret)
            chosen.append(event)
    webhook_delivery.send_events(world, chosen)
    world.notify_change()
    return {"replayed": len(chosen), "refused": refused}


def switch_webhook(world: World, *, on: bool) -> WebhookPolicy:
    """Enable or disable the webhook; events that occur while it is disabled are recorded and not delivered."""
    policy = world.razorpay.policy
    policy.enabled = on
    policy.disabled_at = None if on else world.clock.unix()
    world.notify_change()
    return policy


def release_events(world: World, *, order: str, copies: int, ids: list[str] | None = None) -> int:
    """
    Let held webhooks go one after another: forward, reverse or (by the seed) shuffled. Return how many.

    `ids` names which, and then gives their order.
    """
    held = [event for event in world.razorpay.events.values() if event.status == "held"]
    if ids is not None:
        by_id = {event.id: event for event in held}
        held = [by_id[event_id] for event_id in ids if event_id in by_id]
    elif order == "reverse":
        held.reverse()
    elif order == "shuffle":
        random.Random(world.settings.seed).shuffle(held)
    webhook_delivery.send_events(world, held, copies=copies)
    world.notify_change()
    return len(held)


def resume_deliveries(world: World) -> None:
    """Take up what a predecessor had not delivered."""
    webhook_delivery.send_events(
        world, [event for event in world.razorpay.events.values() if event.status == "pending"]
    )


def _held_for(world: World, payment_id: str | None) -> list[Event]:
    return [
        event
        for event in world.razorpay.events.values()
        if event.status == "held" and event.held_by == "reverse" and event.payment_id == payment_id
    ]
