"""Payment links: made, changed, paid in one or several parts, cancelled, expired."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import razorpay
from razorpay.errors import BadRequestError

from sandbox.razorpay.signatures import sign_payment_link
from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import Receiver, sent_webhooks


def make_link(sdk: razorpay.Client, **changes: Any) -> dict[str, Any]:
    link: dict[str, Any] = sdk.payment_link.create({"amount": 117_900, "currency": "INR", **changes})
    return link


def now(sandbox: Sandbox) -> int:
    return int(sandbox.control("GET", "/health")["now"])


def test_signature_matches_the_worked_example() -> None:
    assert (
        sign_payment_link(
            link_id="plink_NQxm5Tz9KcV2Lh",
            reference_id="INV-2026-000123",
            status="paid",
            payment_id="pay_NQxlPq2WmR8sTz",
            key_secret="test_key_secret_123",
        )
        == "beb8e157e3df27ed1eda05f93ec85e8fc6d67d9058b427f076a98b1e6f62d0b8"
    )


def test_link_is_made_without_an_order_and_found_by_its_reference(sdk: razorpay.Client) -> None:
    link = make_link(sdk, reference_id="INV-1", notify={"sms": True, "email": False}, customer={"name": "Asha"})

    assert "entity" not in link
    assert [link[name] for name in ("status", "amount_paid", "payments", "order_id", "expire_by", "notes")] == [
        "created",
        0,
        None,
        None,
        0,
        None,
    ]
    assert sdk.payment_link.fetch(link["id"]) == link
    assert sdk.payment_link.all({"reference_id": "INV-1"}) == {"payment_links": [link]}
    assert sdk.payment_link.all({"reference_id": "INV-2"}) == {"payment_links": []}
    with pytest.raises(BadRequestError, match="reference ID already attempted"):
        make_link(sdk, reference_id="INV-1")


def test_paid_link_calls_back_with_a_signature_and_the_bare_order_id(
    sdk: razorpay.Client, sandbox: Sandbox, receiver: Receiver
) -> None:
    callback = {"callback_url": "http://127.0.0.1:8000/paid?x=1", "callback_method": "get"}
    link = make_link(sdk, reference_id="INV-1", **callback)

    answer = sandbox.control("POST", f"/payment_links/{link['id']}/pay", {"method": "card"})

    query = {name: values[0] for name, values in parse_qs(urlsplit(answer["callback"]).query).items()}
    assert query.pop("x") == "1"
    assert query == {name: value for name, value in answer.items() if name != "callback"}
    fields = {name.removeprefix("razorpay_"): value for name, value in query.items()}
    assert sdk.utility.verify_payment_link_signature(
        {
            **fields,
            "razorpay_payment_id": query["razorpay_payment_id"],
            "razorpay_signature": query["razorpay_signature"],
        }
    )
    paid = sdk.payment_link.fetch(link["id"])
    assert (paid["status"], paid["amount_paid"]) == ("paid", 117_900)
    assert [(row["payment_id"], row["amount"]) for row in paid["payments"]] == [(fields["payment_id"], 117_900)]
    assert sdk.order.fetch(paid["order_id"])["status"] == "paid"
    (envelope,) = sent_webhooks(sandbox, "payment_link.paid")
    assert envelope["contains"] == ["payment_link", "order", "payment"]
    payload = envelope["payload"]
    assert payload["payment"]["entity"]["order_id"] == f"order_{payload['order']['entity']['id']}" == paid["order_id"]
    assert [json.loads(body)["event"] for _, body in receiver.received] == [
        "payment.authorized",
        "payment.captured",
        "order.paid",
        "payment_link.paid",
    ]
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/payment_links/{link['id']}/pay")


def test_failed_try_leaves_the_link_open(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    link = make_link(sdk)

    answer = sandbox.control("POST", f"/payment_links/{link['id']}/pay", {"outcome": "failure"})

    assert answer["error"]["reason"] == "payment_declined"
    assert sdk.payment_link.fetch(link["id"])["status"] == "created"


def test_link_in_parts_is_partially_paid_then_paid(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    link = make_link(sdk, accept_partial=True, first_min_partial_amount=50_000)
    path = f"/payment_links/{link['id']}/pay"
    for amount in (49_999, 117_901):
        with pytest.raises(ControlRefused, match="409"):
            sandbox.control("POST", path, {"amount": amount})

    first = sandbox.control("POST", path, {"amount": 50_000})
    last = sandbox.control("POST", path)

    statuses = [answer["razorpay_payment_link_status"] for answer in (first, last)]
    assert statuses == ["partially_paid", "paid"]
    assert last["callback"] is None
    paid = sdk.payment_link.fetch(link["id"])
    assert [row["amount"] for row in paid["payments"]] == [50_000, 67_900]
    assert [envelope["event"] for envelope in sent_webhooks(sandbox) if "link" in envelope["event"]] == [
        "payment_link.partially_paid",
        "payment_link.paid",
    ]


def test_cancelled_link_takes_no_money(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    link = make_link(sdk)

    cancelled = sdk.payment_link.cancel(link["id"])

    assert (cancelled["status"], cancelled["cancelled_at"] > 0) == ("cancelled", True)
    (envelope,) = sent_webhooks(sandbox, "payment_link.cancelled")
    assert envelope["contains"] == ["payment_link"]
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/payment_links/{link['id']}/pay")
    for call in (
        lambda: sdk.payment_link.cancel(link["id"]),
        lambda: sdk.payment_link.edit(link["id"], {"notes": {}}),
        lambda: sdk.payment_link.notifyBy(link["id"], "sms"),
    ):
        with pytest.raises(BadRequestError, match="cancelled"):
            call()


def test_link_expires_by_the_clock_unless_it_is_given_more_time(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    start = now(sandbox)
    short, longer = (make_link(sdk, expire_by=start + 1_000)["id"] for _ in range(2))
    sdk.payment_link.edit(longer, {"expire_by": start + 5_000, "notes": {"k": "v"}, "reference_id": "R"})

    sandbox.control("POST", "/clock", {"advance_seconds": 1_001})

    assert [sdk.payment_link.fetch(one)["status"] for one in (short, longer)] == ["expired", "created"]
    assert sdk.payment_link.fetch(longer)["notes"] == {"k": "v"}
    assert len(sent_webhooks(sandbox, "payment_link.expired")) == 1
    sandbox.control("POST", "/clock", {"advance_seconds": 4_000})
    assert sdk.payment_link.fetch(longer)["status"] == "expired"


def test_notifications_are_counted(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    link = make_link(sdk, notify={"sms": True})

    assert sdk.payment_link.notifyBy(link["id"], "email") == {"success": True}

    assert sandbox.control("GET", "/truth")["payment_links"][0]["notified"] == ["sms", "email"]
    with pytest.raises(BadRequestError, match="medium"):
        sdk.payment_link.notifyBy(link["id"], "pigeon")


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 99},
        {"amount": None},
        {"currency": "USD"},
        {"upi_link": True},
        {"expire_by": 1},
        {"expire_by": 4_000_000_000},
        {"reference_id": "x" * 41},
        {"customer": "Asha"},
        {"accept_partial": True, "first_min_partial_amount": 1},
        {"callback_url": "http://127.0.0.1/", "callback_method": "post"},
        {"colour": "blue"},
    ],
)
def test_malformed_link_is_refused(sdk: razorpay.Client, change: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        make_link(sdk, **change)

    assert sdk.payment_link.all() == {"payment_links": []}
