"""A day of webhook retries in a moment, what happens when a webhook is given up, and what survives a restart."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import razorpay

from sandbox.server import Sandbox, running
from sandbox.settings import DEV_KEY_ID, DEV_KEY_SECRET
from sandbox.timers import Timers
from tests.support.sandbox import Receiver, pay

HOUR, DAY = 3600, 24 * 3600


def fail_payment(sandbox: Sandbox, order: dict[str, Any]) -> None:
    sandbox.control("POST", f"/orders/{order['id']}/checkout", {"outcome": "failure"})


def events(sandbox: Sandbox) -> list[dict[str, Any]]:
    answer = sandbox.control("GET", "/webhooks", wait=10)
    assert answer["settled"]
    rows: list[dict[str, Any]] = answer["items"]
    return rows


@pytest.fixture
def slow(sandbox: Sandbox, receiver: Receiver) -> Sandbox:
    sandbox.control("POST", "/webhooks/policy", {"schedule": "razorpay"})
    return sandbox


def test_timers_keep_order_and_know_what_is_set() -> None:
    timers = Timers()
    for due, name in ((5, "b"), (3, "a"), (5, "c"), (5, "b")):
        timers.set(due, "kind", name)

    again = Timers()
    again.load(json.loads(json.dumps(timers.dump())))
    assert again.pop_due(2) is None
    assert [again.pop_due(9) for _ in range(4)] == [("kind", "a"), ("kind", "b"), ("kind", "c"), None]
    assert again.next_due() is None


def test_retries_grow_apart_by_the_sandboxs_clock(slow: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    receiver.statuses[:] = [500] * 4
    fail_payment(slow, order)
    (event,) = events(slow)
    assert (event["status"], len(event["attempts"])) == ("pending", 1)

    slow.control("POST", "/clock", {"advance_seconds": HOUR})

    (event,) = events(slow)
    assert (event["status"], len(event["attempts"])) == ("delivered", 5)
    times = [attempt["at"] for attempt in event["attempts"]]
    gaps = [round((later - earlier) / 60) for earlier, later in pairwise(times)]
    assert gaps == [1, 2, 4, 8]


def test_webhook_is_disabled_after_a_day_of_failures_then_enabled_and_replayed(
    slow: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    receiver.statuses[:] = [500] * 100
    fail_payment(slow, order)
    slow.control("POST", "/clock", {"advance_seconds": DAY - 60})
    assert events(slow)[0]["status"] == "pending"

    slow.control("POST", "/clock", {"advance_seconds": 120})

    (event,) = events(slow)
    assert event["status"] == "failed"
    assert len(event["attempts"]) == 14
    assert event["attempts"][-1]["at"] == pytest.approx(event["created_at"] + DAY, abs=5)
    policy = slow.control("GET", "/knobs")["webhooks"]
    assert (policy["enabled"], policy["disabled_at"]) == (False, pytest.approx(event["created_at"] + DAY, abs=5))
    receiver.received.clear()
    receiver.statuses.clear()
    pay(slow, order["id"])
    assert [row["status"] for row in events(slow)[1:]] == ["disabled"] * 3
    assert receiver.received == []

    slow.control("POST", "/webhooks/enable")
    assert slow.control("POST", "/webhooks/replay") == {"replayed": 4, "refused": []}

    assert {row["status"] for row in events(slow)} == {"delivered"}
    assert [json.loads(body)["event"] for _, body in receiver.received] == [
        "payment.failed",
        "payment.authorized",
        "payment.captured",
        "order.paid",
    ]


def test_replay_keeps_to_five_a_day_and_seven_days(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    fail_payment(sandbox, order)
    (event,) = events(sandbox)
    replay = {"statuses": ["delivered"], "events": ["payment.failed"]}
    for _ in range(5):
        assert sandbox.control("POST", "/webhooks/replay", replay)["replayed"] == 1
        events(sandbox)
    refused = sandbox.control("POST", "/webhooks/replay", replay)["refused"]
    assert refused == [{"id": event["id"], "why": "replayed five times in 24 hours"}]

    sandbox.control("POST", "/clock", {"advance_seconds": DAY + 60})
    assert sandbox.control("POST", "/webhooks/replay", replay)["replayed"] == 1
    events(sandbox)
    sandbox.control("POST", "/clock", {"advance_seconds": 7 * DAY})

    refused = sandbox.control("POST", "/webhooks/replay", replay)["refused"]
    assert refused == [{"id": event["id"], "why": "older than seven days"}]
    assert sandbox.control("POST", "/webhooks/replay", {**replay, "events": ["order.paid"]})["replayed"] == 0


def test_webhook_can_be_disabled_manually(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    assert sandbox.control("POST", "/webhooks/disable")["enabled"] is False

    fail_payment(sandbox, order)

    assert [row["status"] for row in events(sandbox)] == ["disabled"]
    assert receiver.received == []


def test_held_webhooks_go_in_any_order_that_is_named(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "hold"})
    pay(sandbox, order["id"])
    first, second, third = (row["id"] for row in events(sandbox))

    assert sandbox.control("POST", "/webhooks/release", {"ids": [second, third, first]}) == {"released": 3}
    events(sandbox)

    assert [headers["x-razorpay-event-id"] for headers, _ in receiver.received] == [second, third, first]


def test_things_happen_at_their_own_time_however_far_the_clock_jumps(
    sdk: razorpay.Client, sandbox: Sandbox, upi_payment: str
) -> None:
    created = sdk.payment.fetch(upi_payment)["created_at"]

    sandbox.control("POST", "/clock", {"advance_seconds": 30 * DAY})

    (event,) = events(sandbox)
    assert json.loads(event["body"])["created_at"] == created + 600


def test_snapshot_carries_the_books_and_what_is_to_come(tmp_path: Path) -> None:
    snapshot = tmp_path / "sandbox.json"

    def client(sandbox: Sandbox) -> razorpay.Client:
        return razorpay.Client(auth=(DEV_KEY_ID, DEV_KEY_SECRET), base_url=sandbox.razorpay_url)

    headers = {"X-Refund-Idempotency": "refund-key-0001"}
    with running(snapshot=snapshot) as sandbox:
        sdk = client(sandbox)
        order = sdk.order.create({"amount": 100_000, "currency": "INR"})
        payment_id = pay(sandbox, order["id"])
        sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "processed", "refund_seconds": DAY})
        refund = sdk.payment.refund(payment_id, {"amount": 10_000}, headers=headers)
        sandbox.control("POST", "/settlements/run", {"errors": {"amount_mismatch": 1}})
        sandbox.control("POST", "/disputes", {"payment_id": payment_id})
        sdk.payment_link.create({"amount": 100, "currency": "INR"})
        sdk.qrcode.create({"type": "upi_qr", "usage": "multiple_use", "fixed_amount": False})
        before = sandbox.control("GET", "/truth")

    with running(snapshot=snapshot) as sandbox:
        assert sandbox.control("GET", "/truth") == before
        assert client(sandbox).payment.refund(payment_id, {"amount": 10_000}, headers=headers) == refund
        sandbox.control("POST", "/clock", {"advance_seconds": 8 * DAY})
        truth = sandbox.control("GET", "/truth")
        assert [row["status"] for row in truth["refunds"]] == ["processed"]
        assert [row["status"] for row in truth["disputes"]] == ["lost"]
