"""Refunds: amounts, idempotency keys, speeds, outcomes, and what the gateway gives back by itself."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError

from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import pay, sent_webhooks

DAY = 24 * 3600
KEY = "refund-key-0001"


def refund(sdk: razorpay.Client, payment_id: str, key: str | None = None, **body: Any) -> dict[str, Any]:
    headers = {} if key is None else {"X-Refund-Idempotency": key}
    answer: dict[str, Any] = sdk.payment.refund(payment_id, body, headers=headers)
    return answer


def test_full_refund_is_processed_and_turns_the_payment_refunded(
    sdk: razorpay.Client, sandbox: Sandbox, paid: str, order: dict[str, Any]
) -> None:
    made = refund(sdk, paid, notes={"k": "v"}, receipt="CN-1")

    arn = made["acquirer_data"]["arn"]
    assert len(arn) == 23
    assert made == {
        "id": made["id"],
        "entity": "refund",
        "amount": 117_900,
        "currency": "INR",
        "payment_id": paid,
        "notes": {"k": "v"},
        "receipt": "CN-1",
        "acquirer_data": {"arn": arn},
        "created_at": made["created_at"],
        "batch_id": None,
        "status": "processed",
        "speed_requested": "normal",
        "speed_processed": "normal",
    }
    payment = sdk.payment.fetch(paid)
    assert [payment[name] for name in ("status", "amount_refunded", "refund_status", "captured")] == [
        "refunded",
        117_900,
        "full",
        True,
    ]
    assert sdk.order.fetch(order["id"])["status"] == "paid"
    assert sdk.refund.fetch(made["id"]) == made
    assert sdk.refund.all()["items"] == [made]
    assert sdk.payment.fetch_multiple_refund(paid)["items"] == [made]
    assert sdk.payment.fetch_refund_id(paid, made["id"]) == made


def test_partial_refunds_add_up_to_the_payment(sdk: razorpay.Client, paid: str) -> None:
    refund(sdk, paid, amount=50_000)
    payment = sdk.payment.fetch(paid)
    assert (payment["status"], payment["amount_refunded"], payment["refund_status"]) == ("captured", 50_000, "partial")
    with pytest.raises(BadRequestError, match="greater than amount captured"):
        refund(sdk, paid, amount=67_901)

    assert refund(sdk, paid)["amount"] == 67_900

    with pytest.raises(BadRequestError, match="fully refunded already"):
        refund(sdk, paid, amount=100)
    assert sdk.refund.all()["count"] == 2


def test_refund_by_the_other_path_and_its_notes(sdk: razorpay.Client, paid: str) -> None:
    made = sdk.refund.create({"payment_id": paid, "amount": 100})
    edited = sdk.refund.edit(made["id"], {"notes": {"k": "v"}})

    assert (made["notes"], edited["notes"]) == ([], {"k": "v"})
    with pytest.raises(BadRequestError, match="notes field is required"):
        sdk.refund.edit(made["id"], {})


def test_webhooks_of_a_refund_carry_refund_and_payment(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    made = refund(sdk, paid, amount=53_100)

    created, processed = sent_webhooks(sandbox, "refund.created", "refund.processed")
    assert created["contains"] == ["refund", "payment"]
    assert [envelope["payload"]["refund"]["entity"]["status"] for envelope in (created, processed)] == [
        "pending",
        "processed",
    ]
    assert processed["payload"]["refund"]["entity"] == made
    assert processed["payload"]["payment"]["entity"]["amount_refunded"] == 53_100


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"amount": 99}, "at least INR 1.00"),
        ({"amount": 100.5}, "must be an integer"),
        ({"amount": True}, "must be an integer"),
        ({"amount": 117_901}, "greater than amount captured"),
        ({"speed": "fast"}, "speed"),
        ({"receipt": "x" * 41}, "receipt"),
        ({"notes": "text"}, "notes"),
        ({"colour": "blue"}, "should not be sent"),
    ],
)
def test_malformed_refund_is_refused_and_gives_nothing_back(
    sdk: razorpay.Client, paid: str, body: dict[str, Any], message: str
) -> None:
    before = sdk.payment.fetch(paid)

    with pytest.raises(BadRequestError, match=message):
        refund(sdk, paid, KEY, **body)

    assert sdk.payment.fetch(paid) == before
    assert refund(sdk, paid, KEY)["amount"] == 117_900  # the key of a refused request is free


def test_what_is_not_captured_cannot_be_refunded(sdk: razorpay.Client, upi_payment: str) -> None:
    with pytest.raises(BadRequestError, match="should be captured"):
        refund(sdk, upi_payment)


def test_refund_of_an_old_payment_is_refused(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    sandbox.control("POST", "/clock", {"advance_seconds": 180 * DAY})
    refund(sdk, paid, amount=100)

    sandbox.control("POST", "/clock", {"advance_seconds": 5 * DAY})

    with pytest.raises(BadRequestError, match="six months"):
        refund(sdk, paid, amount=100)


def test_same_key_and_body_is_the_same_refund(
    sdk: razorpay.Client, http: requests.Session, sandbox: Sandbox, paid: str
) -> None:
    first = refund(sdk, paid, KEY, amount=10_000)

    assert refund(sdk, paid, KEY, amount=10_000) == first
    headers = {"X-Refund-Idempotency": KEY}
    assert sdk.refund.create({"payment_id": paid, "amount": 10_000}, headers=headers) == first
    other = http.post(
        f"{sandbox.razorpay_url}/v1/payments/{paid}/refund", json={"amount": 20_000}, headers=headers, timeout=10
    )
    assert other.status_code == 409
    assert other.json()["error"]["description"].startswith("Different request with the same idempotency key")
    assert sdk.payment.fetch(paid)["amount_refunded"] == 10_000


@pytest.mark.parametrize(("key", "message"), [("short-key", "at least 10 characters"), ("spaces in it!", "hyphens")])
def test_malformed_key_is_refused(sdk: razorpay.Client, paid: str, key: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        refund(sdk, paid, key)

    assert sdk.refund.all()["count"] == 0


def test_key_under_way_is_refused_and_makes_no_second_refund(
    sdk: razorpay.Client, http: requests.Session, sandbox: Sandbox, paid: str
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_busy_ms": 3000})
    made: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: made.append(refund(sdk, paid, KEY, amount=10_000)))
    thread.start()
    deadline = time.monotonic() + 60
    while not sandbox.world.razorpay.refund_keys and time.monotonic() < deadline:
        time.sleep(0.01)

    url, headers = f"{sandbox.razorpay_url}/v1/payments/{paid}/refund", {"X-Refund-Idempotency": KEY}
    answer = http.post(url, json={"amount": 10_000}, headers=headers, timeout=10)
    thread.join()

    assert answer.status_code == 409
    assert "still in progress" in answer.json()["error"]["description"]
    assert http.post(url, json={"amount": 10_000}, headers=headers, timeout=10).json() == made[0]
    assert sdk.refund.all()["count"] == 1


def test_instant_refund_falls_back_at_the_documented_amount(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    instant = refund(sdk, paid, amount=2_469, speed="optimum")
    normal = refund(sdk, paid, amount=2_468, speed="optimum")

    assert (instant["speed_requested"], instant["speed_processed"]) == ("optimum", "instant")
    assert (normal["speed_requested"], normal["speed_processed"]) == ("optimum", "normal")
    (changed,) = sent_webhooks(sandbox, "refund.speed_changed")
    assert changed["contains"] == ["refund", "payment"]
    assert changed["payload"]["refund"]["entity"]["id"] == normal["id"]
    assert changed["payload"]["refund"]["entity"]["speed_processed"] == "normal"
    assert "created_at" not in changed
    assert isinstance(changed["payload"]["created_at"], int)


@pytest.mark.parametrize("outcome", ["processed", "failed"])
def test_outcome_may_come_days_later(sdk: razorpay.Client, sandbox: Sandbox, paid: str, outcome: str) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": outcome, "refund_seconds": 5 * DAY})
    made = refund(sdk, paid, amount=10_000)
    assert (made["status"], made["acquirer_data"]) == ("pending", {"arn": None})
    sandbox.control("POST", "/clock", {"advance_seconds": 5 * DAY - 60})
    assert sdk.refund.fetch(made["id"])["status"] == "pending"

    sandbox.control("POST", "/clock", {"advance_seconds": 61})

    assert sdk.refund.fetch(made["id"])["status"] == outcome
    assert sdk.payment.fetch(paid)["amount_refunded"] == (10_000 if outcome == "processed" else 0)
    assert len(sent_webhooks(sandbox, f"refund.{outcome}")) == 1


def test_failed_full_refund_makes_the_payment_refundable_again(
    sdk: razorpay.Client, sandbox: Sandbox, paid: str
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    made = refund(sdk, paid, KEY)
    assert sdk.payment.fetch(paid)["status"] == "refunded"

    sandbox.control("POST", f"/refunds/{made['id']}/conclude", {"outcome": "failed"})

    payment = sdk.payment.fetch(paid)
    assert (payment["status"], payment["amount_refunded"], payment["refund_status"]) == ("captured", 0, None)
    assert refund(sdk, paid, KEY)["status"] == "failed"  # the key still means the refund that failed
    again = refund(sdk, paid, "refund-key-0002")
    sandbox.control("POST", f"/refunds/{again['id']}/conclude")
    assert sdk.payment.fetch(paid)["status"] == "refunded"
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/refunds/{again['id']}/conclude", {"outcome": "failed"})


def test_low_balance_refuses_a_refund(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_balance": 30_000})
    refund(sdk, paid, amount=20_000)
    with pytest.raises(BadRequestError, match="enough balance"):
        refund(sdk, paid, KEY, amount=10_001)

    sandbox.control("POST", "/knobs/razorpay", {"refund_balance": -1})

    assert refund(sdk, paid, KEY, amount=10_001)["status"] == "processed"


def test_uncaptured_payment_is_refunded_after_three_days(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    order = sdk.order.create({"amount": 117_900, "currency": "INR", "payment": {"capture": "manual"}})
    payment_id = pay(sandbox, order["id"])
    sandbox.control("POST", "/clock", {"advance_seconds": 3 * DAY - 60})
    assert sdk.payment.fetch(payment_id)["status"] == "authorized"

    sandbox.control("POST", "/clock", {"advance_seconds": 120})

    payment = sdk.payment.fetch(payment_id)
    assert [payment[name] for name in ("status", "captured", "refund_status", "amount_refunded", "fee")] == [
        "refunded",
        False,
        "full",
        117_900,
        None,
    ]
    created, processed = sent_webhooks(sandbox, "refund.created", "refund.processed")
    assert processed["payload"]["payment"]["entity"]["captured"] is False
    assert created["payload"]["refund"]["entity"]["payment_id"] == payment_id
    truth = sandbox.control("GET", "/truth")
    assert truth["refunds"][0]["automatic"] is True
    assert (truth["totals"]["balance"], truth["totals"]["auto_refunded_amount"]) == (0, 117_900)
    assert sdk.order.fetch(order["id"])["status"] == "attempted"


def test_captured_payment_is_not_refunded_automatically(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    order = sdk.order.create({"amount": 117_900, "currency": "INR", "payment": {"capture": "manual"}})
    payment_id = pay(sandbox, order["id"])
    sdk.payment.capture(payment_id, 117_900, {"currency": "INR"})
    sandbox.control("POST", "/knobs/razorpay", {"auto_settle": False})

    sandbox.control("POST", "/clock", {"advance_seconds": 4 * DAY})

    assert sdk.payment.fetch(payment_id)["status"] == "captured"
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/payments/{payment_id}/auto_refund")


def test_merchants_own_capture_window_and_the_short_cut(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    options = {"capture": "manual", "capture_options": {"manual_expiry_period": 20}}
    payment_ids = [
        pay(sandbox, sdk.order.create({"amount": 100, "currency": "INR", "payment": options})["id"]) for _ in range(2)
    ]
    sandbox.control("POST", f"/payments/{payment_ids[0]}/auto_refund")
    assert [sdk.payment.fetch(one)["status"] for one in payment_ids] == ["refunded", "authorized"]

    sandbox.control("POST", "/clock", {"advance_seconds": 21 * 60})

    assert sdk.payment.fetch(payment_ids[1])["status"] == "refunded"


def test_late_authorisation_comes_hours_after_the_failure(
    sdk: razorpay.Client, sandbox: Sandbox, upi_payment: str
) -> None:
    sandbox.control("POST", f"/payments/{upi_payment}/decline")
    sandbox.control("POST", f"/payments/{upi_payment}/approve", {"after_seconds": 5 * 3600})
    sandbox.control("POST", "/clock", {"advance_seconds": 4 * 3600})
    assert sdk.payment.fetch(upi_payment)["status"] == "failed"

    sandbox.control("POST", "/clock", {"advance_seconds": 3601})

    payment = sdk.payment.fetch(upi_payment)
    assert (payment["status"], payment["late_authorized"]) == ("captured", True)
    captured = sent_webhooks(sandbox, "payment.captured")[0]
    assert captured["payload"]["payment"]["entity"]["late_authorized"] is True


def test_faulty_gateway_captures_another_amount_or_currency(
    sdk: razorpay.Client, sandbox: Sandbox, order: dict[str, Any]
) -> None:
    payment_id = pay(sandbox, order["id"], amount=100, currency="USD")

    payment = sdk.payment.fetch(payment_id)
    assert (payment["amount"], payment["currency"], payment["status"]) == (100, "USD", "captured")
