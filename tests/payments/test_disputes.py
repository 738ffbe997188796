"""Disputes: what is taken and given back is in the books; answers reach the gateway once; what is decided stays so."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.invoicing.services import issue_invoice, render_document
from apps.notifications.services import send_dispute_answer as send_with_documents
from apps.payments import selectors, services
from apps.payments.gateways import Proof, razorpay_calls
from apps.payments.models import Dispute, LedgerEntry, PaymentAttempt
from apps.payments.states import Source
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_dispute_facts, make_facts, make_payment, pay, take_in
from tests.payments.test_webhooks import receive

pytestmark = pytest.mark.django_db

PDF = Proof(kind="billing", name="INV.pdf", content=b"%PDF-1.7")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(razorpay_calls, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    return pay(order)


@pytest.fixture
def disputed(order: Any, sandbox: Any) -> Any:
    """A payment that was made at the sandbox, and a function that has its bank dispute it."""
    payment = make_payment(order, is_ready=False)
    services.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    services.sync_payment(payment_id=payment.pk, now=clock.now())
    gateway_payment_id = payment.attempts.get(status="captured").gateway_payment_id

    def dispute(**body: Any) -> Dispute:
        made = sandbox.control("POST", "/disputes", {"payment_id": gateway_payment_id, **body})
        services.find_new_disputes(now=clock.now())
        return Dispute.objects.get(gateway_dispute_id=made["id"])

    return dispute


def apply(attempt: PaymentAttempt, source: Source = Source.POLL, **fields: Any) -> Dispute:
    facts = make_dispute_facts(attempt, **fields)
    return services.apply_gateway_dispute(facts=facts, source=source, actor=SYSTEM, now=clock.now())


def books() -> dict[str, int]:
    codes = ("disputes", "dispute_losses", "gateway_receivable:razorpay")
    return {code: selectors.balance_of(code) for code in codes}


def test_money_that_is_taken_and_given_back_is_in_the_books(attempt: PaymentAttempt) -> None:
    total = attempt.amount
    apply(attempt, id="disp_1", amount_deducted=total)
    assert books() == {"disputes": total, "dispute_losses": 0, "gateway_receivable:razorpay": 0}

    won = apply(attempt, id="disp_1", status="won", amount_deducted=total)

    assert books() == {"disputes": 0, "dispute_losses": 0, "gateway_receivable:razorpay": total}
    assert (won.amount_deducted, won.next_check_at, won.decided_at is not None) == (0, None, True)


@pytest.mark.parametrize("taken_first", [True, False])
def test_a_lost_dispute_is_a_loss_whenever_the_money_was_taken(attempt: PaymentAttempt, taken_first: bool) -> None:
    total = attempt.amount
    apply(attempt, id="disp_1", amount_deducted=total if taken_first else 0)

    apply(attempt, id="disp_1", status="lost", amount_deducted=total)

    assert books() == {"disputes": 0, "dispute_losses": total, "gateway_receivable:razorpay": 0}


def test_what_is_said_again_changes_nothing(attempt: PaymentAttempt) -> None:
    facts = make_dispute_facts(attempt, amount_deducted=attempt.amount)
    rows = [
        services.apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now()) for _ in range(3)
    ]

    assert {row.version for row in rows} == {1}
    assert LedgerEntry.objects.filter(account_id="disputes").count() == 1


@pytest.mark.parametrize("sequence", itertools.permutations(["open", "under_review", "lost"]))
def test_webhooks_in_any_order_end_in_what_was_decided(attempt: PaymentAttempt, sequence: tuple[str, ...]) -> None:
    for status in sequence:
        taken = attempt.amount if status == "lost" else 0
        apply(attempt, Source.WEBHOOK, id="disp_1", status=status, amount_deducted=taken)

    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.amount_deducted) == ("lost", attempt.amount)
    assert books()["dispute_losses"] == attempt.amount
    assert services.replay_order(order_id=dispute.order_id).differences == [] or all(
        one.subject != "payments.dispute" for one in services.replay_order(order_id=dispute.order_id).differences
    )


def test_a_webhook_that_may_be_old_makes_us_ask(attempt: PaymentAttempt) -> None:
    dispute = apply(attempt, id="disp_1", status="under_review")

    apply(attempt, Source.WEBHOOK, id="disp_1", status="open")

    dispute.refresh_from_db()
    assert dispute.status == "under_review"
    assert dispute.next_check_at <= clock.now()


def test_a_dispute_over_nothing_of_ours_is_refused(attempt: PaymentAttempt, owner: Any) -> None:
    failed = take_in(make_facts(make_payment(make_order(owner)), status="failed"))

    with pytest.raises(services.NotOurDispute):
        apply(failed)
    with pytest.raises(services.NotOurDispute):
        apply(attempt, gateway_payment_id="pay_of_another")
    assert not Dispute.objects.exists()


def test_a_webhook_tells_a_dispute_with_its_payment(order: Any) -> None:
    payment = make_payment(order)
    entity = {
        "id": "pay_NQxlPq2WmR8sTz", "amount": payment.amount, "currency": "INR", "status": "captured",
        "order_id": payment.gateway_order_id, "method": "card", "fee": 1, "tax": 0, "notes": [],
    }  # fmt: skip
    dispute = {
        "id": "disp_1", "payment_id": entity["id"], "amount": payment.amount, "amount_deducted": 0, "currency": "INR",
        "status": "open", "phase": "chargeback", "reason_code": "fraud", "respond_by": 1_800_000_000,
    }  # fmt: skip
    payload = {"payment": {"entity": entity}, "dispute": {"entity": dispute}}
    webhook = receive(json.dumps({"event": "payment.dispute.created", "payload": payload}).encode())

    services.process_webhook(webhook_id=webhook.pk, now=clock.now())

    webhook.refresh_from_db()
    assert (webhook.outcome, webhook.metadata) == ("processed", {"gateway_dispute_id": "disp_1"})
    assert Dispute.objects.get().order_id == order.pk


def test_an_accepted_dispute_is_lost_at_the_gateway_and_in_the_books(disputed: Any) -> None:
    dispute = disputed()
    services.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    send_with_documents(dispute_id=dispute.pk, now=clock.now())
    send_with_documents(dispute_id=dispute.pk, now=clock.now())

    dispute.refresh_from_db()
    assert (dispute.status, dispute.answer, dispute.answer_call) == ("lost", "accepted", "done")
    assert books()["dispute_losses"] == dispute.amount


def test_a_contested_dispute_goes_with_the_invoice_and_may_be_won(
    disputed: Any, sandbox: Any, tmp_path: Any, settings: Any
) -> None:
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    dispute = disputed(deduct_at_onset=True)
    invoice = issue_invoice(order_id=dispute.order_id, actor=SYSTEM, now=clock.now())
    render_document(invoice_id=invoice.pk, now=clock.now())
    services.contest_dispute(dispute_id=dispute.pk, summary="It was delivered.", actor=SYSTEM, now=clock.now())

    send_with_documents(dispute_id=dispute.pk, now=clock.now())

    dispute.refresh_from_db()
    assert dispute.status == "under_review"
    (kept,) = sandbox.world.razorpay.disputes.values()
    assert (kept.evidence["summary"], len(kept.evidence["billing_proof"])) == ("It was delivered.", 1)
    assert len(kept.evidence["explanation_letter"]) == 1
    sandbox.control("POST", f"/disputes/{dispute.gateway_dispute_id}/decide", {"outcome": "won"})
    services.ask_about_open_disputes(now=clock.now() + timedelta(hours=1))
    dispute.refresh_from_db()
    assert (dispute.status, books()["disputes"]) == ("won", 0)


def test_an_answer_that_was_lost_is_said_again(disputed: Any, sandbox: Any) -> None:
    dispute = disputed()
    services.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())
    sandbox.control(
        "POST", "/faults", {"path": "/v1/disputes/*", "kind": "drop_before_commit", "times": 1, "method": "POST"}
    )
    services.send_dispute_answer(dispute_id=dispute.pk, proofs=[], now=clock.now())
    dispute.refresh_from_db()
    assert (dispute.status, dispute.answer_call) == ("open", "unknown")

    services.ask_about_open_disputes(now=clock.now() + timedelta(minutes=5))
    services.send_dispute_answer(dispute_id=dispute.pk, proofs=[], now=clock.now() + timedelta(minutes=5))

    dispute.refresh_from_db()
    assert dispute.status == "lost"


def test_an_answer_that_the_gateway_refuses_can_be_given_anew(disputed: Any) -> None:
    dispute = disputed()
    services.contest_dispute(dispute_id=dispute.pk, summary="No proof.", actor=SYSTEM, now=clock.now())

    services.send_dispute_answer(dispute_id=dispute.pk, proofs=[], now=clock.now())

    dispute.refresh_from_db()
    assert (dispute.status, dispute.answer, dispute.answer_call) == ("open", "", "refused")
    assert "document" in dispute.error["description"]
    services.contest_dispute(dispute_id=dispute.pk, summary="With proof.", actor=SYSTEM, now=clock.now())
    services.send_dispute_answer(dispute_id=dispute.pk, proofs=[PDF], now=clock.now())
    dispute.refresh_from_db()
    assert dispute.status == "under_review"


def test_a_dispute_is_answered_once_and_only_while_open(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt)
    services.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    with pytest.raises(services.DisputeNotAnswerable):
        services.contest_dispute(dispute_id=dispute.pk, summary="No!", actor=SYSTEM, now=clock.now())


def test_staff_read_and_answer_disputes(attempt: PaymentAttempt, finance: Any, client_of: Any) -> None:
    dispute = make_dispute(attempt)
    client, url = client_of(finance), f"/api/v1/disputes/{dispute.public_id}"

    assert [one["id"] for one in client.get("/api/v1/disputes", {"status": "open"}).json()["data"]] == [
        dispute.public_id
    ]
    assert client.get("/api/v1/disputes", {"status": "won"}).json()["data"] == []
    assert client.get("/api/v1/disputes", {"status": "nonsense"}).status_code == 400
    assert client.get(url).json()["status"] == "open"
    response = client.post(f"{url}/accept", headers={"Idempotency-Key": "key-of-this-answer"})
    assert response.status_code == 202, response.content
    assert (response.status_code, response.json()["answer"]) == (202, "accepted")
    again = client.post(f"{url}/accept", headers={"Idempotency-Key": "key-of-another-answer"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "dispute_not_answerable")


def test_the_back_office_shows_what_must_be_answered_first(owner: Any, administrator: Any, client: Any) -> None:
    soon, late, lost = (
        make_dispute(pay(make_order(owner)), respond_by=clock.now() + timedelta(days=days), status=status)
        for days, status in ((1, "open"), (5, "open"), (0, "lost"))
    )
    client.force_login(administrator)

    page = client.get("/admin/payments/dispute/").content.decode()

    positions = [page.index(one.gateway_dispute_id) for one in (soon, late, lost)]
    assert positions == sorted(positions)
