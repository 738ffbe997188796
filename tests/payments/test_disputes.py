"""Disputes: what is taken and given back is in the books; answers reach the gateway once; what is decided stays so."""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest

from apps.backoffice.services import event_replay
from apps.backoffice.services.dispute_responses import submit_response_with_evidence
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.money import rupees
from apps.invoicing.services import render_document
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerEntry
from apps.orders.selectors import derive_order_payment_status, get_order
from apps.payments.admin.disputes import _deadline
from apps.payments.facts import GatewayError
from apps.payments.gateways.interface import EvidenceFile, GatewayOutcomeUnknown
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.services import order_cancellation, webhooks
from apps.payments.services.disputes import gateway_updates, polling, reminders, responses
from apps.payments.services.refunds import amounts, approvals, requests
from apps.payments.states import Source
from tests.factories.invoicing import issue_invoice
from tests.factories.orders import make_order
from tests.factories.payments import (
    apply_payment,
    make_dispute,
    make_gateway_dispute,
    make_gateway_payment,
    make_payment,
    pay,
)
from tests.support.colleagues import BALA, DEEPA
from tests.support.gateway_payments import pay_at_gateway
from tests.support.refunds import request_refunds
from tests.support.webhooks import receive

pytestmark = pytest.mark.django_db

PDF = EvidenceFile(kind="billing", name="INV.pdf", content=b"%PDF-1.7")


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    return pay(order)


@pytest.fixture
def disputed(order: Any, sandbox: Any) -> Any:
    """A payment that was made at the sandbox, and a function that has its bank dispute it."""
    payment = pay_at_gateway(order, sandbox)
    gateway_payment_id = payment.attempts.get(status="captured").gateway_payment_id

    def dispute(**body: Any) -> Dispute:
        made = sandbox.control("POST", "/disputes", {"payment_id": gateway_payment_id, **body})
        polling.poll_new_disputes(now=clock.now())
        return Dispute.objects.get(gateway_dispute_id=made["id"])

    return dispute


def apply(attempt: PaymentAttempt, source: Source = Source.POLL, **fields: Any) -> Dispute:
    facts = make_gateway_dispute(attempt, **fields)
    return gateway_updates.apply_gateway_dispute(facts=facts, source=source, actor=SYSTEM, now=clock.now())


def books() -> dict[str, int]:
    codes = ("disputes", "dispute_losses", "gateway_receivable:razorpay")
    return {code: ledger.balance_of(code) for code in codes}


def test_deduction_and_its_return_are_posted(attempt: PaymentAttempt) -> None:
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
    facts = make_gateway_dispute(attempt, amount_deducted=attempt.amount)
    rows = [
        gateway_updates.apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now())
        for _ in range(3)
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
    assert event_replay.replay_order(order_id=dispute.order_id).differences == [] or all(
        one.subject != "payments.dispute" for one in event_replay.replay_order(order_id=dispute.order_id).differences
    )


def test_a_webhook_that_may_be_old_makes_us_ask(attempt: PaymentAttempt) -> None:
    dispute = apply(attempt, id="disp_1", status="under_review")

    apply(attempt, Source.WEBHOOK, id="disp_1", status="open")

    dispute.refresh_from_db()
    assert dispute.status == "under_review"
    assert dispute.next_check_at <= clock.now()


def test_a_dispute_over_nothing_of_ours_is_refused(attempt: PaymentAttempt, owner: Any) -> None:
    failed = apply_payment(make_gateway_payment(make_payment(make_order(owner)), status="failed"))

    with pytest.raises(gateway_updates.UnknownGatewayDispute):
        apply(failed)
    with pytest.raises(gateway_updates.UnknownGatewayDispute):
        apply(attempt, gateway_payment_id="pay_of_another")
    assert not Dispute.objects.exists()


def test_webhook_applies_dispute_and_payment(order: Any) -> None:
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

    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

    webhook.refresh_from_db()
    assert (webhook.outcome, webhook.metadata) == ("processed", {"gateway_dispute_id": "disp_1"})
    assert Dispute.objects.get().order_id == order.pk


def test_an_accepted_dispute_is_lost_at_the_gateway_and_in_the_books(disputed: Any) -> None:
    dispute = disputed()
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    submit_response_with_evidence(dispute_id=dispute.pk, now=clock.now())
    submit_response_with_evidence(dispute_id=dispute.pk, now=clock.now())

    dispute.refresh_from_db()
    assert (dispute.status, dispute.response, dispute.gateway_call) == ("lost", "accepted", "succeeded")
    assert books()["dispute_losses"] == dispute.amount


def test_a_contested_dispute_goes_with_the_invoice_and_may_be_won(
    disputed: Any, sandbox: Any, tmp_path: Any, settings: Any
) -> None:
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    dispute = disputed(deduct_at_onset=True)
    invoice = issue_invoice(order_id=dispute.order_id, actor=SYSTEM, now=clock.now())
    render_document(invoice_id=invoice.pk, now=clock.now())
    responses.contest_dispute(dispute_id=dispute.pk, summary="It was delivered.", actor=SYSTEM, now=clock.now())

    submit_response_with_evidence(dispute_id=dispute.pk, now=clock.now())

    dispute.refresh_from_db()
    assert dispute.status == "under_review"
    (kept,) = sandbox.world.razorpay.disputes.values()
    assert (kept.evidence["summary"], len(kept.evidence["billing_proof"])) == ("It was delivered.", 1)
    assert len(kept.evidence["explanation_letter"]) == 1
    sandbox.control("POST", f"/disputes/{dispute.gateway_dispute_id}/decide", {"outcome": "won"})
    polling.poll_open_disputes(now=clock.now() + timedelta(hours=1))
    dispute.refresh_from_db()
    assert (dispute.status, books()["disputes"]) == ("won", 0)


def test_response_that_was_lost_is_resubmitted(disputed: Any, sandbox: Any) -> None:
    dispute = disputed()
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())
    sandbox.control(
        "POST", "/faults", {"path": "/v1/disputes/*", "kind": "drop_before_commit", "times": 1, "method": "POST"}
    )
    responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[], now=clock.now())
    dispute.refresh_from_db()
    assert (dispute.status, dispute.gateway_call) == ("open", "unknown")

    polling.poll_open_disputes(now=clock.now() + timedelta(minutes=5))
    asked = Event.objects.filter(subject_id=dispute.pk).latest("version")
    assert (asked.type, asked.reason) == (
        "payments.dispute.response_requested", "the gateway does not have our response yet",
    )  # fmt: skip
    responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[], now=clock.now() + timedelta(minutes=5))

    dispute.refresh_from_db()
    assert dispute.status == "lost"


@pytest.mark.parametrize(("kind", "minutes"), [("silent", 2), ("contradicts", 30)])
def test_a_poll_that_gives_nothing_is_repeated_later(
    attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch, kind: str, minutes: int
) -> None:
    dispute = make_dispute(attempt)
    facts = make_gateway_dispute(attempt, id=dispute.gateway_dispute_id, amount=-1)

    def get_dispute(*_: Any, **__: Any) -> Any:
        if kind == "silent":
            raise GatewayOutcomeUnknown(GatewayError())
        return facts

    monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.Razorpay.get_dispute", get_dispute)
    now = clock.now() + timedelta(hours=1)

    polling.poll_open_disputes(now=now)

    dispute.refresh_from_db()
    assert (dispute.status, dispute.next_check_at) == ("open", now + timedelta(minutes=minutes))


def test_response_that_the_gateway_rejects_can_be_replaced(disputed: Any) -> None:
    dispute = disputed()
    responses.contest_dispute(dispute_id=dispute.pk, summary="No proof.", actor=SYSTEM, now=clock.now())

    responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[], now=clock.now())

    dispute.refresh_from_db()
    assert (dispute.status, dispute.response, dispute.gateway_call) == ("open", "", "rejected")
    assert "document" in dispute.error["description"]
    responses.contest_dispute(dispute_id=dispute.pk, summary="With proof.", actor=SYSTEM, now=clock.now())
    responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[PDF], now=clock.now())
    dispute.refresh_from_db()
    assert dispute.status == "under_review"


def test_dispute_is_responded_to_once_and_only_while_open(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt)
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    with pytest.raises(responses.DisputeNotAwaitingResponse):
        responses.contest_dispute(dispute_id=dispute.pk, summary="No!", actor=SYSTEM, now=clock.now())


def test_staff_read_and_respond_to_disputes(attempt: PaymentAttempt, finance: Any, client_of: Any) -> None:
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
    assert (response.status_code, response.json()["response"]) == (202, "accepted")
    again = client.post(f"{url}/accept", headers={"Idempotency-Key": "key-of-another-answer"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "dispute_not_awaiting_response")


def test_admin_lists_disputes_awaiting_response_first(owner: Any, administrator: Any, client: Any) -> None:
    soon, late, lost = (
        make_dispute(pay(make_order(owner)), respond_by=clock.now() + timedelta(days=days), status=status)
        for days, status in ((1, "open"), (5, "open"), (0, "lost"))
    )
    client.force_login(administrator)

    page = client.get("/admin/payments/dispute/").content.decode()

    positions = [page.index(one.gateway_dispute_id) for one in (soon, late, lost)]
    assert positions == sorted(positions)


def untold(dispute: Dispute) -> list[Any]:
    """Return what of the order and the dispute its events do not tell; the factory's payment has an id that none tells."""
    differences = event_replay.replay_order(order_id=dispute.order_id).differences
    return [one for one in differences if one.subject != "payments.payment"]


# Deadlines ------------------------------------------------------------------------------------------------------------


def warnings() -> list[tuple[int, int]]:
    found = Event.objects.filter(type="payments.dispute.deadline_approached").order_by("version")
    return [(event.version, event.changes["last_reminder_hours"]) for event in found]


def test_reminder_is_sent_once_at_each_threshold(attempt: PaymentAttempt) -> None:
    now = clock.now()
    dispute = make_dispute(attempt, respond_by=now + timedelta(hours=100))
    times = [now + timedelta(hours=hours) for hours in (0, 27, 29, 50, 77, 79, 101)]

    assert [reminders.send_dispute_reminders(now=at) for at in times] == [0, 0, 1, 0, 1, 0, 0]

    assert warnings() == [(2, 72), (3, 24)]
    dispute.refresh_from_db()
    assert dispute.last_reminder_hours == 24
    assert untold(dispute) == []


def test_dispute_opened_late_gets_one_reminder(attempt: PaymentAttempt) -> None:
    make_dispute(attempt, respond_by=clock.now() + timedelta(hours=5))

    assert [reminders.send_dispute_reminders(now=clock.now()) for _ in range(2)] == [1, 0]
    assert warnings() == [(2, 24)]


def test_response_not_submitted_within_an_hour_gets_a_reminder(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt, respond_by=clock.now() + timedelta(hours=20))
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    assert reminders.send_dispute_reminders(now=clock.now()) == 0
    assert reminders.send_dispute_reminders(now=clock.now() + timedelta(hours=2)) == 1


def test_new_deadline_gets_new_reminders(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt, respond_by=clock.now() + timedelta(hours=20))
    reminders.send_dispute_reminders(now=clock.now())
    make_dispute(attempt, id=dispute.gateway_dispute_id, respond_by=clock.now() + timedelta(hours=60))

    assert reminders.send_dispute_reminders(now=clock.now()) == 1
    assert [hours for _, hours in warnings()] == [24, 72]


def test_response_after_the_deadline_is_refused(attempt: PaymentAttempt, finance: Any, client_of: Any) -> None:
    dispute = make_dispute(attempt, respond_by=clock.now() - timedelta(seconds=1))
    url = f"/api/v1/disputes/{dispute.public_id}"
    answers = [
        client_of(finance).post(f"{url}/{action}", body, format="json", headers={"Idempotency-Key": f"key-of-{action}"})
        for action, body in (
            ("accept", None),
            ("contest", {"summary": "Ours."}),
            ("evidence", {"kind": "other", "text": "x"}),
        )
    ]

    assert [(one.status_code, one.json()["error"]["code"]) for one in answers] == [(409, "dispute_deadline_passed")] * 3
    dispute.refresh_from_db()
    assert (dispute.response, dispute.version) == ("", 1)


# The order and its refunds --------------------------------------------------------------------------------------------


def status_of(attempt: PaymentAttempt) -> tuple[str, int, int]:
    order = get_order(attempt.payment.order_id)
    return str(derive_order_payment_status(order)), order.disputed_amount, order.lost_amount


@pytest.mark.parametrize(
    ("end", "taken", "after"), [("won", 0, "paid"), ("closed", 0, "paid"), ("lost", 1, "refunded")]
)
def test_an_order_is_disputed_until_the_bank_decides(attempt: PaymentAttempt, end: str, taken: int, after: str) -> None:
    total = attempt.amount
    dispute = make_dispute(attempt)
    assert status_of(attempt) == ("disputed", total, 0)

    make_dispute(attempt, id=dispute.gateway_dispute_id, status=end, amount_deducted=taken * total)

    assert status_of(attempt) == (after, 0, taken * total)
    assert audit.run(now=clock.now(), only=["INV-20f", "INV-14d", "INV-25d"]).failing == []
    assert untold(dispute) == []


def test_a_part_that_was_lost_leaves_the_order_partially_refunded(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt, amount=5_000)
    make_dispute(attempt, id=dispute.gateway_dispute_id, amount=5_000, status="lost", amount_deducted=5_000)

    assert status_of(attempt) == ("partially_refunded", 0, 5_000)


def request_refund(attempt: PaymentAttempt, amount: int | None = None) -> Any:
    return request_refunds(
        order_id=attempt.payment.order_id, amount=amount, reason="other", actor=SYSTEM, now=clock.now()
    )


@pytest.mark.parametrize("status", ["open", "under_review"])
def test_disputed_money_is_not_refunded_as_well(attempt: PaymentAttempt, status: str) -> None:
    dispute = make_dispute(attempt, amount=5_000, status=status)

    with pytest.raises(amounts.PaymentDisputed):
        request_refund(attempt, attempt.amount)
    (rest,) = request_refund(attempt, attempt.amount - 5_000)
    with pytest.raises(amounts.PaymentDisputed):
        request_refund(attempt, 100)
    assert Refund.objects.get() == rest
    make_dispute(attempt, id=dispute.gateway_dispute_id, amount=5_000, status="won")
    assert request_refund(attempt)[0].amount == 5_000


def test_money_that_was_lost_is_not_refunded_after(attempt: PaymentAttempt) -> None:
    make_dispute(attempt, status="lost", amount_deducted=attempt.amount)

    with pytest.raises(amounts.NothingToRefund):
        request_refund(attempt)
    assert not Refund.objects.exists()


@pytest.mark.usefixtures("colleagues")
def test_a_refund_that_waits_is_not_approved_over_a_dispute(attempt: PaymentAttempt) -> None:
    (refund,) = requests.request_full_refund(
        order_id=attempt.payment.order_id, reason="other", actor=DEEPA, now=clock.now()
    )
    make_dispute(attempt)

    with pytest.raises(amounts.PaymentDisputed):
        approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())
    refund.refresh_from_db()
    assert refund.status == "requires_approval"


def test_a_disputed_order_is_not_cancelled(attempt: PaymentAttempt) -> None:
    make_dispute(attempt)

    with pytest.raises(amounts.PaymentDisputed):
        order_cancellation.cancel_order(order_id=attempt.payment.order_id, actor=SYSTEM, reason="No.", now=clock.now())
    assert get_order(attempt.payment.order_id).status == "confirmed"


# Lists and pages ------------------------------------------------------------------------------------------------------


def test_the_list_takes_as_many_queries_for_fifty_as_for_one(
    attempt: PaymentAttempt, finance: Any, client_of: Any, count_queries: Any
) -> None:
    make_dispute(attempt, amount=1)
    client = client_of(finance)
    client.get("/api/v1/disputes")
    with count_queries() as one:
        assert len(client.get("/api/v1/disputes", {"limit": 50}).json()["data"]) == 1
    for _ in range(49):
        make_dispute(attempt, amount=1)

    with count_queries() as fifty:
        assert len(client.get("/api/v1/disputes", {"limit": 50}).json()["data"]) == 50
    assert len(fifty) == len(one)


def test_the_page_of_disputes_takes_as_many_queries_for_fifty_as_for_one(
    attempt: PaymentAttempt, administrator: Any, client: Any, count_queries: Any
) -> None:
    make_dispute(attempt, amount=1)
    client.force_login(administrator)
    client.get("/admin/payments/dispute/")
    with count_queries() as one:
        assert client.get("/admin/payments/dispute/").status_code == 200
    for _ in range(49):
        make_dispute(attempt, amount=1)

    with count_queries() as fifty:
        assert client.get("/admin/payments/dispute/").status_code == 200
    assert len(fifty) == len(one)


def do(client: Any, dispute: Dispute, action: str, **form: str) -> Any:
    return client.post(f"/admin/payments/dispute/{dispute.pk}/actions/{action}/", form)


def test_staff_answer_in_the_back_office(attempt: PaymentAttempt, finance: Any, client: Any) -> None:
    dispute = make_dispute(attempt)
    client.force_login(finance)
    page = client.get(f"/admin/payments/dispute/{dispute.pk}/change/").content.decode()
    assert all(f"/actions/{action}/" in page for action in ("contest", "accept", "add-evidence"))
    assert all(words in page for words in ("Open: respond to it", "days left", rupees(attempt.amount)))
    assert "(&#x27;" not in page

    assert do(client, dispute, "add-evidence", kind="shipping", text="Handed over.", carrier="Post").status_code == 302
    assert (
        "1 statement of staff" in client.get(f"/admin/payments/dispute/{dispute.pk}/actions/contest/").content.decode()
    )
    assert do(client, dispute, "contest", summary="").status_code == 200
    assert do(client, dispute, "contest", summary="It was delivered.").status_code == 302

    dispute.refresh_from_db()
    assert (dispute.response, dispute.summary, dispute.responded_by) == (
        "contested", "It was delivered.", f"user:{finance.public_id}",
    )  # fmt: skip
    assert do(client, dispute, "accept").status_code == 302
    dispute.refresh_from_db()
    assert dispute.response == "contested"


def test_who_may_only_look_cannot_answer_in_the_back_office(attempt: PaymentAttempt, support: Any, client: Any) -> None:
    dispute = make_dispute(attempt)
    client.force_login(support)

    page = client.get(f"/admin/payments/dispute/{dispute.pk}/change/")
    refused = [
        do(client, dispute, action, summary="Ours.").status_code for action in ("accept", "contest", "add-evidence")
    ]

    assert (page.status_code, refused) == (200, [403] * 3)
    assert "/actions/" not in page.content.decode()
    dispute.refresh_from_db()
    assert (dispute.response, dispute.version) == ("", 1)


@pytest.mark.parametrize(
    ("hours", "fields", "shown"),
    [
        (-1, {}, ("past", "Past")),
        (20.5, {}, ("near", "20 hours left")),
        (60.5, {}, ("soon", "60 hours left")),
        (100, {}, ("far", "4 days left")),
        (20, {"response": "accepted"}, ("far", "Response being sent")),
        (20, {"status": "won"}, ("done", "No response needed")),
    ],
)
def test_the_deadline_is_shown_as_urgent_as_it_is(hours: float, fields: dict[str, str], shown: tuple[str, str]) -> None:
    now = clock.now()
    dispute = Dispute(**{"status": "open", **fields}, respond_by=now + timedelta(hours=hours))

    assert _deadline(dispute, now=now) == shown
