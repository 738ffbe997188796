"""Unreliable delivery of webhooks: attempts, retries, forgeries, and the disabling of an address that fails."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

import requests

from sandbox.http_log import HttpExchange
from sandbox.razorpay.entities import Event
from sandbox.razorpay.signatures import sign_webhook
from sandbox.state import World

FORGERIES = ("signature", "body", "missing", "secret")
# Razorpay does not publish its intervals, only that they grow and that it goes on for a day.
_FIRST_RETRY, _LONGEST_RETRY, _GIVE_UP_AFTER = 60, 4 * 3600, 24 * 3600


def mark_events(events: list[Event], status: str, held_by: str | None = None) -> None:
    for event in events:
        event.status = status
        event.held_by = held_by


def send_events(
    world: World, events: list[Event], *, copies: int = 1, delay: float = 0.0, forge: str | None = None
) -> None:
    """Hand a row of events to the background; they leave in this order, each when the one before is answered."""
    if not events:
        return
    if world.razorpay.policy.url is None:
        mark_events(events, "unaddressed")
        return
    if not world.razorpay.policy.enabled:
        mark_events(events, "disabled")
        return
    mark_events(events, "pending")
    row = [event for event in events for _ in range(copies)]
    world.scheduler.after(delay, lambda: _deliver_row(world, row, forge))


def retry_event(world: World, event_id: str) -> None:
    """Try an event again whose time has come by the sandbox's clock."""
    event = world.razorpay.events[event_id]
    if event.status == "pending":
        send_events(world, [event])


def _deliver_row(world: World, row: list[Event], forge: str | None) -> None:
    delivered: set[str] = set()
    for event in row:
        if _is_known(world, event) and _deliver(world, event, forge):
            delivered.add(event.id)

    with world.lock:
        for event in {event.id: event for event in row}.values():
            if not _is_known(world, event):
                continue
            if event.id in delivered:
                event.status = "delivered"
            elif world.razorpay.policy.schedule == "fast":
                _retry_soon(world, event)
            else:
                _retry_on_schedule(world, event)
        world.notify_change()


def _is_known(world: World, event: Event) -> bool:
    """Return whether the world still has this event; after a reset, another event may have the same id."""
    with world.lock:
        return world.razorpay.events.get(event.id) is event


def _retry_soon(world: World, event: Event) -> None:
    policy = world.razorpay.policy
    tries = len(event.attempts)
    if tries >= policy.retry_limit:
        event.status = "failed"
        return
    wait = min(policy.retry_base_ms * 2 ** (tries - 1), policy.retry_cap_ms)
    world.scheduler.after(wait / 1000, lambda: _deliver_row(world, [event], None))


def _retry_on_schedule(world: World, event: Event) -> None:
    """Retry for 24 hours from the event; then mark it as failed and disable the webhook, unless this was a replay."""
    now, deadline = world.clock.now(), event.created_at + _GIVE_UP_AFTER
    if now < deadline:
        wait = min(_FIRST_RETRY * 2 ** min(len(event.attempts) - 1, 20), _LONGEST_RETRY)
        world.razorpay.timers.set(min(now + wait, deadline), "webhook", event.id)
        return
    event.status = "failed"
    if not event.replays and world.razorpay.policy.enabled:
        world.razorpay.policy.enabled = False
        world.razorpay.policy.disabled_at = world.clock.unix()


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
        if not _is_known(world, event):
            return False
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
        world.http_log.add(
            HttpExchange(
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
        )
        world.notify_change()
    return status is not None and HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


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
        return body, sign_webhook(body, "a wrong secret")
    if forge == "body":
        return _with_raised_amount(event.body), signature
    return body, signature


def _with_raised_amount(text: str) -> bytes:
    """Change what the signature protects: the paid amount where there is one, else a field of the envelope."""
    body = json.loads(text)
    payload = body.get("payload")
    entity = payload.get("payment", {}).get("entity", {}) if isinstance(payload, dict) else {}
    if "amount" in entity:
        entity["amount"] += 100
    else:
        body["forged"] = True
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
