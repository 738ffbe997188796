"""QR codes: of one use and of many, paid, closed, run out."""

from __future__ import annotations

from typing import Any

import pytest
import razorpay
from razorpay.errors import BadRequestError

from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import sent_webhooks


def make_qr(sdk: razorpay.Client, **changes: Any) -> dict[str, Any]:
    body = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 117_900, **changes}
    qr: dict[str, Any] = sdk.qrcode.create(body)
    return qr


def names(sandbox: Sandbox) -> list[str]:
    return [envelope["event"] for envelope in sent_webhooks(sandbox)]


def test_single_use_code_is_paid_once_and_closes(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    qr = make_qr(sdk, name="Counter 1", notes={"k": "v"})
    assert (qr["entity"], qr["status"], qr["close_by"]) == ("qr_code", "active", qr["created_at"] + 7_200)
    assert sdk.qrcode.fetch(qr["id"]) == qr

    payment = sandbox.control("POST", f"/qr_codes/{qr['id']}/pay")

    assert [payment[name] for name in ("order_id", "description", "method", "status", "amount", "notes")] == [
        None,
        "QRv2 Payment",
        "upi",
        "captured",
        117_900,
        {"k": "v"},
    ]
    closed = sdk.qrcode.fetch(qr["id"])
    assert [
        closed[name] for name in ("status", "close_reason", "payments_amount_received", "payments_count_received")
    ] == [
        "closed",
        "paid",
        117_900,
        1,
    ]
    assert [row["id"] for row in sdk.qrcode.fetch_all_payments(qr["id"])["items"]] == [payment["id"]]
    assert sdk.qrcode.all({"payment_id": payment["id"]})["items"] == [closed]
    assert sdk.qrcode.all({"customer_id": "cust_x"})["items"] == []
    assert names(sandbox) == [
        "qr_code.created",
        "payment.authorized",
        "payment.captured",
        "qr_code.credited",
        "qr_code.closed",
    ]
    (credited,) = sent_webhooks(sandbox, "qr_code.credited")
    assert credited["contains"] == ["payment", "qr_code"]
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/qr_codes/{qr['id']}/pay")


def test_open_code_takes_any_amount_many_times(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    qr = make_qr(sdk, usage="multiple_use", fixed_amount=False, payment_amount=None)
    assert qr["close_by"] is None
    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/qr_codes/{qr['id']}/pay")

    for amount in (10_000, 20_000):
        sandbox.control("POST", f"/qr_codes/{qr['id']}/pay", {"amount": amount})
    sandbox.control("POST", f"/qr_codes/{qr['id']}/pay", {"amount": 30_000, "outcome": "failure"})

    assert sdk.qrcode.fetch(qr["id"])["payments_amount_received"] == 30_000
    assert sdk.qrcode.fetch_all_payments(qr["id"])["count"] == 2
    closed = sdk.qrcode.close(qr["id"])
    assert (closed["status"], closed["close_reason"]) == ("closed", "on_demand")
    with pytest.raises(BadRequestError, match="closed already"):
        sdk.qrcode.close(qr["id"])


def test_qr_money_can_be_refunded_and_settled(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    qr = make_qr(sdk)
    payment = sandbox.control("POST", f"/qr_codes/{qr['id']}/pay")
    sdk.payment.refund(payment["id"], {"amount": 17_900})

    settlement = sandbox.control("POST", "/settlements/run")

    assert settlement["lines"] == 2
    with sandbox.world.lock:
        rows = sandbox.world.razorpay.settlements[settlement["settlement"]["id"]].rows
    assert [(row["order_id"], row["order_receipt"], row["description"]) for row in rows] == [
        (None, None, "QRv2 Payment"),
        (None, None, None),
    ]


def test_code_closes_by_the_clock(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    qr = make_qr(sdk, close_by=int(sandbox.control("GET", "/health")["now"]) + 600)

    sandbox.control("POST", "/clock", {"advance_seconds": 601})

    closed = sdk.qrcode.fetch(qr["id"])
    assert (closed["status"], closed["close_reason"], closed["closed_at"]) == ("closed", None, qr["close_by"])


@pytest.mark.parametrize(
    "change",
    [
        {"type": "round"},
        {"usage": "twice"},
        {"fixed_amount": False},
        {"payment_amount": 99},
        {"payment_amount": None},
        {"close_by": 1},
        {"usage": "multiple_use", "close_by": 4_000_000_000},
        {"tax_invoice": "x"},
        {"colour": "blue"},
    ],
)
def test_malformed_code_is_refused(sdk: razorpay.Client, change: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        make_qr(sdk, **change)

    assert sdk.qrcode.all()["items"] == []
