"""Disputes: raised, accepted, contested with documents, decided, and the money that moves with them."""

from __future__ import annotations

import io
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError

from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import sent_webhooks

DAY = 24 * 3600


def raise_dispute(sandbox: Sandbox, payment_id: str, **body: Any) -> dict[str, Any]:
    dispute: dict[str, Any] = sandbox.control("POST", "/disputes", {"payment_id": payment_id, **body})
    return dispute


def upload(sdk: razorpay.Client) -> str:
    document = sdk.document.create(
        {"file": ("proof.pdf", io.BytesIO(b"%PDF-1.7"), "application/pdf"), "purpose": "dispute_evidence"}
    )
    assert (document["entity"], document["name"], document["mime_type"], document["size"]) == (
        "document",
        "proof.pdf",
        "application/pdf",
        8,
    )
    assert sdk.document.fetch(document["id"]) == document
    return str(document["id"])


def adjustments(sandbox: Sandbox) -> list[tuple[int, str]]:
    return [(row["amount"], row["dispute_id"]) for row in sandbox.control("GET", "/truth")["adjustments"]]


def test_dispute_is_reported_listed_and_fetched(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    dispute = raise_dispute(sandbox, paid, amount=50_000, phase="retrieval", reason_code="fraud")

    assert [dispute[name] for name in ("entity", "status", "phase", "amount", "amount_deducted", "reason_code")] == [
        "dispute",
        "open",
        "retrieval",
        50_000,
        0,
        "fraud",
    ]
    assert dispute["respond_by"] == dispute["created_at"] + 7 * DAY
    assert sdk.dispute.fetch(dispute["id"]) == dispute
    assert sdk.dispute.all()["items"] == [dispute]
    (envelope,) = sent_webhooks(sandbox, "payment.dispute.created")
    assert envelope["contains"] == ["payment", "dispute"]
    assert envelope["payload"]["dispute"]["entity"] == dispute
    assert envelope["payload"]["payment"]["entity"]["id"] == paid


def test_accepted_dispute_takes_the_money(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    dispute = raise_dispute(sandbox, paid)

    accepted = sdk.dispute.accept(dispute["id"])

    assert (accepted["status"], accepted["amount_deducted"]) == ("lost", 117_900)
    assert adjustments(sandbox) == [(-117_900, dispute["id"])]
    assert len(sent_webhooks(sandbox, "payment.dispute.lost")) == 1
    for call in (lambda: sdk.dispute.accept(dispute["id"]), lambda: sdk.dispute.contest(dispute["id"], {})):
        with pytest.raises(BadRequestError, match="lost status"):
            call()
    assert adjustments(sandbox) == [(-117_900, dispute["id"])]


def test_contest_is_drafted_then_submitted_then_won(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    dispute = raise_dispute(sandbox, paid, deduct_at_onset=True)
    assert (dispute["amount_deducted"], adjustments(sandbox)) == (117_900, [(-117_900, dispute["id"])])
    document = upload(sdk)
    draft = sdk.dispute.contest(dispute["id"], {"summary": "It was delivered.", "action": "draft"})
    assert (draft["status"], draft["evidence"]["summary"], draft["evidence"]["submitted_at"]) == (
        "open",
        "It was delivered.",
        None,
    )

    evidence = {"shipping_proof": [document], "others": [{"type": "chat", "document_ids": [document]}]}
    submitted = sdk.dispute.contest(dispute["id"], {**evidence, "action": "submit"})

    assert (submitted["status"], submitted["evidence"]["shipping_proof"]) == ("under_review", [document])
    assert submitted["evidence"]["submitted_at"] >= dispute["created_at"]
    won = sandbox.control("POST", f"/disputes/{dispute['id']}/decide", {"outcome": "won"})
    assert (won["status"], won["amount_deducted"]) == ("won", 0)
    assert [amount for amount, _ in adjustments(sandbox)] == [-117_900, 117_900]
    names = [envelope["event"] for envelope in sent_webhooks(sandbox) if "dispute" in envelope["event"]]
    assert names == ["payment.dispute.created", "payment.dispute.under_review", "payment.dispute.won"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "submit"}, "summary field is required"),
        ({"action": "submit", "summary": "s"}, "At least one document"),
        ({"action": "send"}, "action must be"),
        ({"summary": "x" * 1_001}, "summary"),
        ({"amount": 117_901}, "amount"),
        ({"amount": True}, "amount"),
        ({"shipping_proof": "doc_x"}, "list of document ids"),
        ({"shipping_proof": ["doc_AAAAAAAAAAAAAA"]}, "does not exist"),
        ({"others": [{"document_ids": []}]}, "others"),
        ({"others": {}}, "others"),
        ({"colour": "blue"}, "should not be sent"),
    ],
)
def test_thin_or_malformed_contest_is_refused_and_changes_nothing(
    sdk: razorpay.Client, sandbox: Sandbox, paid: str, body: dict[str, Any], message: str
) -> None:
    dispute = raise_dispute(sandbox, paid)

    with pytest.raises(BadRequestError, match=message):
        sdk.dispute.contest(dispute["id"], body)

    assert sdk.dispute.fetch(dispute["id"]) == dispute


def test_dispute_that_nobody_answers_is_lost_at_its_deadline(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    silent = raise_dispute(sandbox, paid, amount=100, respond_in_seconds=DAY)["id"]
    reopened = raise_dispute(sandbox, paid, amount=200, respond_in_seconds=DAY)["id"]
    later = sandbox.control("GET", "/health")["now"] + 3 * DAY
    sandbox.control("POST", f"/disputes/{reopened}/decide", {"outcome": "action_required", "respond_by": int(later)})

    sandbox.control("POST", "/clock", {"advance_seconds": DAY + 60})

    assert [sdk.dispute.fetch(one)["status"] for one in (silent, reopened)] == ["lost", "open"]
    sandbox.control("POST", "/clock", {"advance_seconds": 2 * DAY})
    assert sdk.dispute.fetch(reopened)["status"] == "lost"


def test_lost_dispute_is_in_the_next_settlement(sandbox: Sandbox, paid: str) -> None:
    dispute = raise_dispute(sandbox, paid, amount=50_000)
    sandbox.control("POST", f"/disputes/{dispute['id']}/decide", {"outcome": "lost"})

    settlement = sandbox.control("POST", "/settlements/run")

    assert settlement["settlement"]["amount"] == 115_118 - 50_000
    with sandbox.world.lock:
        row = sandbox.world.razorpay.settlements[settlement["settlement"]["id"]].rows[1]
    assert [row[name] for name in ("type", "debit", "credit", "dispute_id", "payment_id")] == [
        "adjustment",
        50_000,
        0,
        dispute["id"],
        paid,
    ]


def test_decided_dispute_stays_decided(sandbox: Sandbox, paid: str) -> None:
    dispute = raise_dispute(sandbox, paid)
    sandbox.control("POST", f"/disputes/{dispute['id']}/decide", {"outcome": "closed"})

    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/disputes/{dispute['id']}/decide", {"outcome": "won"})

    assert adjustments(sandbox) == []


def test_only_captured_money_can_be_disputed(sandbox: Sandbox, upi_payment: str, paid: str) -> None:
    for body in ({"payment_id": upi_payment}, {"payment_id": paid, "amount": 117_901}):
        with pytest.raises(ControlRefused, match="409"):
            sandbox.control("POST", "/disputes", body)


@pytest.mark.parametrize(
    ("files", "data"),
    [
        (None, {"purpose": "dispute_evidence"}),
        ({"file": ("a.pdf", b"x", "application/pdf")}, {"purpose": "other"}),
        ({"file": ("a.exe", b"x", "application/x-msdownload")}, {"purpose": "dispute_evidence"}),
    ],
)
def test_malformed_document_is_refused(
    http: requests.Session, sandbox: Sandbox, files: Any, data: dict[str, str]
) -> None:
    answer = http.post(f"{sandbox.razorpay_url}/v1/documents", files=files, data=data, timeout=10)

    assert answer.status_code == 400
