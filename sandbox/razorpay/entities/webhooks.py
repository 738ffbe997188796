"""Webhooks and how they are delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.json_types import JsonObject


@dataclass(kw_only=True)
class Event:
    """
    One webhook: the exact text that was signed, its signature, and every attempt to deliver it.

    `status` is pending, delivered, failed (given up), held (until released), dropped, unaddressed (no URL), or
    disabled (the webhook was switched off). `replays` are the times of its replays from the dashboard.
    """

    id: str
    event: str
    payment_id: str | None
    order_id: str | None
    body: str
    signature: str | None
    created_at: int
    status: str = "pending"
    attempts: list[JsonObject] = field(default_factory=list)
    held_by: str | None = None
    replays: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class WebhookPolicy:
    """
    How webhooks are delivered. All times are in milliseconds; an empty `events` means all of them.

    `forge` falsifies the next `forge_times` attempts: signature, body, missing (no signature) or secret (signed with
    another secret); attempts after that are genuine.

    `schedule` is fast (seconds apart in real time, `retry_limit` attempts) or razorpay (minutes and hours apart by the
    sandbox's clock, for 24 hours, after which the webhook is disabled until somebody enables it).
    """

    url: str | None
    secret: str
    mode: str = "normal"
    copies: int = 1
    delay_ms: int = 0
    events: list[str] = field(default_factory=list)
    forge: str | None = None
    forge_times: int = 0
    timeout_ms: int = 5_000
    retry_base_ms: int = 500
    retry_cap_ms: int = 8_000
    retry_limit: int = 12
    schedule: Literal["fast", "razorpay"] = "fast"
    enabled: bool = True
    disabled_at: int | None = None
