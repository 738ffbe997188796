"""Webhooks: shape, signature, retries, and every way in which they go astray."""

from __future__ import annotations

import json
from typing import Any

import pytest
import razorpay
from razorpay.errors import SignatureVerificationError

from sandbox.razorpay.signatures import sign_webhook
from sandbox.server import ControlRefused, Sandbox
from sandbox.settings import DEV_WEBHOOK_SECRET
from tests.support.sandbox import Receiver

WORKED_EXAMPLE = (
    '{"entity":"event","account_id":"acc_NQxjAAAAAAAAAA","event":"payment.captured","contains":["payment"],'
    '"payload":{"payment":{"entity":{"id":"pay_NQxlPq2WmR8sTz","entity":"payment","amount":117900,"currency":"INR",'
    '"status":"captured","order_id":"order_NQxk3a7bGfD1Ye","method":"upi","captured":true,"vpa":"success@razorpay",'
    '"notes":[],"created_at":1763700000}}},"created_at":1763700005}'
)
ALL = ["payment.authorized", "payment.captured", "order.paid"]


def pay(sandbox: Sandbox, order: dict[str, Any], outcome: str = "success") -> None:
    sandbox.control("POST", f"/orders/{order['id']}/checkout", {"outcome": outcome})


def settle(sandbox: Sandbox) -> list[dict[str, Any]]:
    answer = sandbox.control("GET", "/webhooks", wait=10)
    assert answer["settled"]
    return answer["items"]


def names(receiver: Receiver) -> list[str]:
    return [json.loads(body)["event"] for _, body in receiver.received]


def event_ids(receiver: Receiver) -> list[str]:
    return [headers["x-razorpay-event-id"] for headers, _ in receiver.received]


def is_genuine(received: tuple[dict[str, str], bytes]) -> bool:
    headers, body = received
    return headers.get("X-Razorpay-Signature") == sign_webhook(body, DEV_WEBHOOK_SECRET)


def test_signature_matches_the_worked_example() -> None:
    body = WORKED_EXAMPLE.encode()
    assert len(body) == 384
    signature = "4b76ddc49fc65d37ef2259ea8c9c8f3a7caff1fecaf078d728ffdff4d90e07e7"

    assert sign_webhook(body, "whsec_test_456") == signature
    assert sign_webhook(json.dumps(json.loads(body)).encode(), "whsec_test_456") == (
        "28abf3a2a655eeee19b0679b768997126d35e2135d0f899a64ae899f9f10bd16"
    )


def test_paid_order_sends_three_signed_webhooks_in_order(
    sdk: razorpay.Client, sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    pay(sandbox, order)
    events = settle(sandbox)

    assert names(receiver) == ALL
    assert len(set(event_ids(receiver))) == 3
    assert [(row["status"], len(row["attempts"])) for row in events] == [("delivered", 1)] * 3
    for headers, body in receiver.received:
        assert headers["Content-Type"] == "application/json"
        assert sdk.utility.verify_webhook_signature(body.decode(), headers["X-Razorpay-Signature"], DEV_WEBHOOK_SECRET)
    headers, body = receiver.received[0]
    with pytest.raises(SignatureVerificationError):
        sdk.utility.verify_webhook_signature(body.decode() + " ", headers["X-Razorpay-Signature"], DEV_WEBHOOK_SECRET)


def test_payload_is_how_things_were_at_that_moment(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    pay(sandbox, order)
    settle(sandbox)

    authorized, captured, paid = (json.loads(body) for _, body in receiver.received)
    assert list(authorized) == ["entity", "account_id", "event", "contains", "payload", "created_at"]
    assert (authorized["entity"], authorized["contains"]) == ("event", ["payment"])
    before = authorized["payload"]["payment"]["entity"]
    after = captured["payload"]["payment"]["entity"]
    assert (before["status"], before["captured"], before["fee"]) == ("authorized", False, None)
    assert (after["status"], after["captured"], after["fee"]) == ("captured", True, 2_782)
    assert paid["contains"] == ["payment", "order"]
    assert paid["payload"]["order"]["entity"]["status"] == "paid"
    assert paid["payload"]["order"]["entity"]["id"] == order["id"]


def test_failed_payment_sends_one_webhook(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    pay(sandbox, order, "failure")
    settle(sandbox)

    assert names(receiver) == ["payment.failed"]
    assert json.loads(receiver.received[0][1])["payload"]["payment"]["entity"]["error_reason"] == "payment_declined"


def test_refused_webhook_is_tried_again_under_the_same_id(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    receiver.statuses[:] = [500, 404]
    pay(sandbox, order, "failure")
    events = settle(sandbox)

    assert [attempt["status"] for attempt in events[0]["attempts"]] == [500, 404, 200]
    assert events[0]["status"] == "delivered"
    assert len(receiver.received) == 3
    assert set(event_ids(receiver)) == {events[0]["id"]}
    assert len({body for _, body in receiver.received}) == 1


def test_webhook_is_given_up_in_the_end_and_can_be_sent_again(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"retry_limit": 3})
    receiver.statuses[:] = [500] * 3
    pay(sandbox, order, "failure")
    (event,) = settle(sandbox)
    assert (event["status"], len(event["attempts"])) == ("failed", 3)

    sandbox.control("POST", f"/webhooks/{event['id']}/resend")

    assert settle(sandbox)[0]["status"] == "delivered"


def test_slow_receiver_counts_as_none(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    sandbox.control("POST", "/webhooks/policy", {"timeout_ms": 50, "retry_limit": 1})
    receiver.delay = 0.5
    pay(sandbox, order, "failure")

    (event,) = settle(sandbox)
    assert (event["status"], event["attempts"][0]["status"]) == ("failed", None)
    assert "Timeout" in event["attempts"][0]["answer"]


def test_deliveries_are_journaled(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    pay(sandbox, order, "failure")
    (event,) = settle(sandbox)

    (entry,) = sandbox.control("GET", "/journal", direction="out")["items"]
    assert (entry["path"], entry["status"], entry["body"]) == (receiver.url, 200, event["body"])
    assert event["id"] in entry["note"]


def test_duplicates_share_an_id(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "duplicate"})
    pay(sandbox, order)
    settle(sandbox)

    assert names(receiver) == [name for name in ALL for _ in range(2)]
    assert len(set(event_ids(receiver))) == 3


def test_reversed_webhooks_wait_for_the_last_and_come_backwards(
    sdk: razorpay.Client, sandbox: Sandbox, receiver: Receiver
) -> None:
    order = sdk.order.create({"amount": 100, "currency": "INR", "payment": {"capture": "manual"}})
    sandbox.control("POST", "/webhooks/policy", {"mode": "reverse", "copies": 2})
    answer = sandbox.control("POST", f"/orders/{order['id']}/checkout")
    assert [row["status"] for row in settle(sandbox)] == ["held"]
    assert receiver.received == []

    sdk.payment.capture(answer["razorpay_payment_id"], 100, {"currency": "INR"})
    settle(sandbox)

    assert names(receiver) == [name for name in reversed(ALL) for _ in range(2)]


def test_delayed_webhooks_come_later(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "delay", "delay_ms": 300})
    pay(sandbox, order)

    assert not sandbox.control("GET", "/webhooks")["settled"]
    assert receiver.received == []
    settle(sandbox)
    assert names(receiver) == ALL


def test_dropped_webhooks_never_come(sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "drop", "events": ["payment.captured"]})
    pay(sandbox, order)

    assert [row["status"] for row in settle(sandbox)] == ["delivered", "dropped", "delivered"]
    assert names(receiver) == ["payment.authorized", "order.paid"]


@pytest.mark.parametrize(("order_of_release", "expected"), [("forward", ALL), ("reverse", ALL[::-1])])
def test_held_webhooks_wait_for_release(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any], order_of_release: str, expected: list[str]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "hold"})
    pay(sandbox, order)
    settle(sandbox)
    assert receiver.received == []

    assert sandbox.control("POST", "/webhooks/release", {"order": order_of_release}) == {"released": 3}
    settle(sandbox)

    assert names(receiver) == expected


def test_shuffled_release_is_the_same_for_the_same_seed(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "hold"})
    pay(sandbox, order)
    orders = []
    for _ in range(2):
        receiver.received.clear()
        with sandbox.world.lock:
            for event in sandbox.world.razorpay.events.values():
                event.status = "held"
        sandbox.control("POST", "/webhooks/release", {"order": "shuffle"})
        settle(sandbox)
        orders.append(names(receiver))

    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(ALL)


@pytest.mark.parametrize("forge", ["signature", "body", "missing", "secret"])
def test_forged_attempt_fails_the_check_and_the_retry_passes_it(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any], forge: str
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"forge": forge})
    receiver.statuses[:] = [400]
    pay(sandbox, order, "failure")
    (event,) = settle(sandbox)

    assert [attempt["forged"] for attempt in event["attempts"]] == [forge, None]
    assert [is_genuine(received) for received in receiver.received] == [False, True]
    amounts = [json.loads(body)["payload"]["payment"]["entity"]["amount"] for _, body in receiver.received]
    assert amounts == ([118_000, 117_900] if forge == "body" else [117_900, 117_900])


def test_one_webhook_can_be_sent_again_often_and_forged(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    pay(sandbox, order, "failure")
    (event,) = settle(sandbox)

    sandbox.control("POST", f"/webhooks/{event['id']}/resend", {"copies": 3})
    sandbox.control("POST", f"/webhooks/{event['id']}/resend", {"forge": "signature"})
    settle(sandbox)

    assert set(event_ids(receiver)) == {event["id"]}
    assert sorted(map(is_genuine, receiver.received)) == [False, True, True, True, True]


def test_replay_is_signed_with_the_present_secret_and_retries_with_the_old(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "hold"})
    pay(sandbox, order, "failure")
    sandbox.control("POST", "/webhooks/policy", {"secret": "new secret"})
    sandbox.control("POST", "/webhooks/release")
    (event,) = settle(sandbox)
    sandbox.control("POST", f"/webhooks/{event['id']}/resend")
    settle(sandbox)

    first, second = receiver.received
    assert is_genuine(first)
    assert second[0]["X-Razorpay-Signature"] == sign_webhook(second[1], "new secret")


def test_invented_webhooks_are_sent_as_given(sandbox: Sandbox, receiver: Receiver) -> None:
    sandbox.control("POST", "/webhooks/send", {"event": "settlement.processed", "payload": {"settlement": {}}})
    settle(sandbox)
    sandbox.control("POST", "/webhooks/send", {"event": "x", "body": "no json at all"})
    settle(sandbox)

    assert json.loads(receiver.received[0][1])["contains"] == ["settlement"]
    assert receiver.received[1][1] == b"no json at all"
    assert all(map(is_genuine, receiver.received))


def test_policy_outlives_the_moment_but_not_a_reset(
    sandbox: Sandbox, receiver: Receiver, order: dict[str, Any]
) -> None:
    sandbox.control("POST", "/webhooks/policy", {"mode": "duplicate", "copies": 5, "retry_limit": 2})
    policy = sandbox.control("POST", "/webhooks/policy", {})
    assert (policy["mode"], policy["copies"], policy["retry_limit"]) == ("normal", 1, 2)

    sandbox.control("POST", "/reset")

    policy = sandbox.control("GET", "/knobs")["webhooks"]
    assert (policy["url"], policy["retry_limit"]) == (receiver.url, 12)


@pytest.mark.parametrize(
    "policy",
    [
        {"mode": "sideways"},
        {"url": "http://example.com/hook"},
        {"url": "ftp://127.0.0.1/"},
        {"copies": 0},
        {"copies": 101},
        {"copies": True},
        {"forge": "everything"},
        {"events": "payment.captured"},
        {"events": [1]},
        {"colour": "blue"},
    ],
)
def test_senseless_policy_is_refused_and_changes_nothing(sandbox: Sandbox, policy: dict[str, Any]) -> None:
    before = sandbox.control("GET", "/knobs")

    with pytest.raises(ControlRefused, match="400"):
        sandbox.control("POST", "/webhooks/policy", policy)

    assert sandbox.control("GET", "/knobs") == before


def test_unknown_webhook_cannot_be_sent_again(sandbox: Sandbox) -> None:
    with pytest.raises(ControlRefused, match="404"):
        sandbox.control("POST", "/webhooks/nothing/resend")
