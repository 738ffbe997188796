"""Disputes: the proof of a sale, what a bank gets of it, and who is told. Through HTTP and the sandbox."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Session
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing.selectors import DocumentNotReady
from apps.invoicing.services import issue_invoice, render_document
from apps.notifications import documents, selectors, services
from apps.notifications.gateways import evidence_files
from apps.notifications.handlers import (
    render_evidence,
    tell_dispute_decided,
    tell_dispute_opened,
    tell_staff_of_dispute,
)
from apps.notifications.models import Notification
from apps.payments import selectors as money
from apps.payments import services as payments
from apps.payments.gateways.razorpay import calls
from apps.payments.models import Dispute, DisputeEvidence, Payment
from config.subscriptions import HANDLERS
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_payment, pay
from tests.support.pdf_text import pages_of

pytestmark = pytest.mark.django_db

STATEMENT = {
    "kind": "shipping",
    "text": "Handed over at the door.",
    "carrier": "India Post",
    "tracking_number": "EK1IN",
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BACKOFF_SECONDS", 0.001)


@pytest.fixture(autouse=True)
def _files(tmp_path: Any, settings: Any) -> None:
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": storage}


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


@pytest.fixture
def dispute(order: Any) -> Dispute:
    return make_dispute(pay(order))


@pytest.fixture
def sold(order: Any, owner: Any, sandbox: Any) -> Any:
    """A sale with all its proof, disputed at the sandbox."""
    payment = make_payment(order, is_ready=False)
    Payment.objects.filter(pk=payment.pk).update(payer_ip="203.0.113.9", payer_user_agent="Firefox")
    payments.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    payments.sync_payment(payment_id=payment.pk, now=clock.now())
    Session.objects.create(
        user=owner, transport=Transport.COOKIE, ip="203.0.113.9", user_agent="Firefox", last_used_at=clock.now()
    )
    confirmed = Event.objects.get(type="orders.order.confirmed")
    services.tell(message="order_confirmed", event=confirmed, now=clock.now())
    invoice = issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    render_document(invoice_id=invoice.pk, now=clock.now())
    attempt = payment.attempts.get(status="captured")
    sandbox.control("POST", "/disputes", {"payment_id": attempt.gateway_payment_id})
    payments.find_new_disputes(now=clock.now())
    return Dispute.objects.get()


def post(client: Any, url: str, body: Any = None, key: str = "key-of-the-test") -> Any:
    return client.post(url, body, format="json", headers={"Idempotency-Key": key})


def news(kind: str) -> Event:
    return Event.objects.filter(type=f"payments.dispute.{kind}").latest("created_at")


def requests_for_pdf() -> Any:
    return Event.objects.filter(type="notifications.dispute_evidence.requested")


def told(template: str) -> list[tuple[str, str]]:
    rows = Notification.objects.filter(template=template).order_by("recipient", "channel")
    return [(row.channel, row.recipient) for row in rows]


# The proof ------------------------------------------------------------------------------------------------------------


def test_the_proof_of_a_sale_has_every_part(sold: Dispute, finance: Any, client_of: Any, order: Any) -> None:
    url = f"/api/v1/disputes/{sold.public_id}/evidence"
    added = post(client_of(finance), url, STATEMENT)

    proof = client_of(finance).get(url).json()

    assert (added.status_code, added.json()["tracking_number"]) == (201, "EK1IN")
    assert (proof["order_number"], proof["dispute_id"]) == (order.number, sold.public_id)
    assert proof["payment"]["amount"] == order.total_amount
    assert (proof["payment"]["payer_ip"], proof["payment"]["payer_user_agent"]) == ("203.0.113.9", "Firefox")
    assert (proof["buyer"]["name"], proof["buyer"]["phone"]) == ("Asha Owner", "+91******3210")
    assert [(one["ip"], one["user_agent"]) for one in proof["buyer"]["log_ins"]] == [("203.0.113.9", "Firefox")]
    assert (proof["delivery"]["shipments"], proof["delivery"]["order_status"]) == ([], "confirmed")
    assert proof["delivery"]["address"]["pin"] == "560001"
    assert [one["type"] for one in proof["documents"]] == ["tax_invoice"]
    assert {(one["channel"], one["recipient"]) for one in proof["messages"]} == {
        ("sms", "+91******3210"),
        ("in_app", ""),
    }
    assert "The order is paid and confirmed." in [one["text"] for one in proof["timeline"]]
    assert [one["text"] for one in proof["statements"]] == ["Handed over at the door."]


def test_no_text_of_a_message_and_no_whole_number_is_in_the_proof(sold: Dispute, finance: Any, client_of: Any) -> None:
    response = client_of(finance).get(f"/api/v1/disputes/{sold.public_id}/evidence")
    proof = response.json()
    proof["delivery"].pop("address")  # it is the order's own, with the phone for the courier

    assert "9876543210" not in str(proof)
    assert all(message.body not in response.content.decode() for message in Notification.objects.exclude(body=""))


class TestEvidencePdf:
    def test_is_rendered_by_a_worker_and_then_the_same_every_time(
        self, sold: Dispute, finance: Any, client_of: Any
    ) -> None:
        payments.add_dispute_evidence(dispute_id=sold.pk, **STATEMENT, actor=SYSTEM, now=clock.now())
        url = f"/api/v1/disputes/{sold.public_id}/evidence/pdf"

        requested = post(client_of(finance), url, key="request-of-a-pdf")
        waiting = client_of(finance).get(url)
        render_evidence(event=requests_for_pdf().get(), now=clock.now())
        answers = [client_of(finance).get(url) for _ in range(2)]
        again = post(client_of(finance), url, key="another-request")

        assert (requested.status_code, requested.headers["Location"], requested.headers["Retry-After"]) == (
            202,
            url,
            "2",
        )
        assert requested.json() == {
            "object": "dispute_evidence_pdf", "dispute_id": sold.public_id, "status": "pending",
        }  # fmt: skip
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (409, "2")
        assert waiting.json()["error"]["code"] == "document_not_ready"
        assert "is being prepared" in waiting.json()["error"]["message"]
        assert (again.status_code, again.json()["status"], requests_for_pdf().count()) == (200, "ready", 1)
        first, second = (b"".join(answer.streaming_content) for answer in answers)
        assert first == second == documents.draw_evidence(selectors.get_evidence(sold.pk))
        assert answers[0].headers["Content-Disposition"] == f'attachment; filename="evidence-{sold.order.number}.pdf"'
        [page, *_] = pages_of(first)
        for words in ("EVIDENCE", sold.gateway_dispute_id, "Asha Owner", "+91******3210", "Bengaluru", "Handed over at the door.",
                      "India Post EK1IN", "203.0.113.9", "No shipment is recorded with the order."):  # fmt: skip
            assert words in page, words
        assert "9876543210" not in " ".join(pages_of(first))

    def test_is_not_requested_and_nothing_is_written_by_reading_it(
        self, sold: Dispute, finance: Any, client_of: Any, tmp_path: Path
    ) -> None:
        client, url = client_of(finance), f"/api/v1/disputes/{sold.public_id}/evidence/pdf"
        before = Event.objects.count()

        with CaptureQueriesContext(connection) as queries:
            answers = [client.get(url) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [409] * 3
        error = answers[0].json()["error"]
        assert error["code"] == "document_not_ready"
        assert error["message"] == (
            f"There is no PDF of the evidence for dispute {sold.gateway_dispute_id} as it stands now. Request it with POST {url}, and"
            " repeat this request in a moment."
        )
        assert (Event.objects.count(), list(tmp_path.glob("dispute-evidence/*/*"))) == (before, [])
        written = [
            one["sql"] for one in queries if re.match(r"(INSERT|UPDATE|DELETE)|.*FOR (NO KEY )?UPDATE", one["sql"])
        ]
        assert written == []

    @pytest.mark.parametrize(
        "event_type", ["payments.dispute.opened", "payments.dispute.changed", "payments.dispute.evidence_added"]
    )
    def test_is_rendered_when_the_dispute_or_its_evidence_changes(self, event_type: str) -> None:
        assert render_evidence in HANDLERS[event_type]

    def test_is_requested_once_however_often_it_is_asked_for(self, sold: Dispute, finance: Any, client_of: Any) -> None:
        url = f"/api/v1/disputes/{sold.public_id}/evidence/pdf"

        statuses = [post(client_of(finance), url, key=f"request-number-{n}").status_code for n in range(3)]

        assert statuses == [202] * 3
        event = requests_for_pdf().get()
        assert (event.subject_id, event.root_id, event.actor) == (sold.pk, sold.order_id, f"user:{finance.public_id}")

    def test_is_requested_again_when_no_worker_came(self, sold: Dispute) -> None:
        start = clock.now()

        for seconds in (0, 59, 61):
            at = start + timedelta(seconds=seconds)
            assert services.request_evidence_pdf(dispute_id=sold.pk, actor=SYSTEM, now=at) is False

        assert requests_for_pdf().count() == 2

    def test_is_rendered_again_when_the_evidence_has_changed(self, sold: Dispute, tmp_path: Path) -> None:
        services.render_evidence_pdf(dispute_id=sold.pk)
        _, before = services.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())
        payments.add_dispute_evidence(dispute_id=sold.pk, **STATEMENT, actor=SYSTEM, now=clock.now())

        with pytest.raises(DocumentNotReady):
            services.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())
        services.render_evidence_pdf(dispute_id=sold.pk)
        _, after = services.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())

        assert "Handed over at the door." not in " ".join(pages_of(before))
        assert "Handed over at the door." in " ".join(pages_of(after))
        assert len(list(tmp_path.glob("dispute-evidence/*/*"))) == 1

    def test_is_not_rendered_by_the_web(
        self, sold: Dispute, finance: Any, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(documents.dispute_evidence.pdf, "render", lambda *args, **kwargs: pytest.fail("rendered"))
        url = f"/api/v1/disputes/{sold.public_id}/evidence/pdf"

        statuses = (
            post(client_of(finance), url, key="request-of-a-pdf").status_code,
            client_of(finance).get(url).status_code,
        )

        assert statuses == (202, 409)

    def test_a_full_disk_leaves_nothing_behind(
        self, sold: Dispute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(evidence_files.os, "replace", full)

        with pytest.raises(evidence_files.EvidenceNotStored, match="could not be stored: No space left on device"):
            services.render_evidence_pdf(dispute_id=sold.pk)
        assert list(tmp_path.glob("dispute-evidence/*/*")) == []


def test_a_long_story_takes_as_many_queries_as_a_short_one(sold: Dispute, owner: Any, count_queries: Any) -> None:
    with count_queries() as few:
        selectors.get_evidence(sold.pk)
    for _ in range(30):
        Session.objects.create(user=owner, transport=Transport.BODY, last_used_at=clock.now())
        DisputeEvidence.objects.create(dispute=sold, kind="other", text="More.", added_by="system")

    with count_queries() as many:
        evidence = selectors.get_evidence(sold.pk)

    assert len(many) == len(few) <= 12
    assert (len(evidence.log_ins), len(evidence.statements)) == (20, 30)


def test_evidence_is_taken_while_the_dispute_awaits_its_answer(dispute: Dispute, finance: Any, client_of: Any) -> None:
    url = f"/api/v1/disputes/{dispute.public_id}/evidence"
    wrong = post(
        client_of(finance), url, {"kind": "billing", "text": "Paid.", "tracking_number": "EK1IN"}, key="wrong-kind"
    )
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "tracking_is_of_shipping")
    assert post(client_of(finance), url, {"kind": "song", "text": "La."}, key="unknown-kind").status_code == 400
    assert not DisputeEvidence.objects.exists()
    payments.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    late = post(client_of(finance), url, STATEMENT, key="after-the-answer")

    assert (late.status_code, late.json()["error"]["code"]) == (409, "dispute_not_answerable")
    assert not DisputeEvidence.objects.exists()


def test_a_dispute_takes_no_more_than_twenty_statements(dispute: Dispute) -> None:
    for _ in range(20):
        payments.add_dispute_evidence(
            dispute_id=dispute.pk, kind="other", text="So it was.", actor=SYSTEM, now=clock.now()
        )

    with pytest.raises(payments.TooMuchEvidence):
        payments.add_dispute_evidence(
            dispute_id=dispute.pk, kind="other", text="So it was.", actor=SYSTEM, now=clock.now()
        )


@pytest.mark.parametrize("who", ["owner", "stranger", "support", "catalogue_manager"])
def test_only_who_may_answer_sees_or_adds_proof(
    who: str, dispute: Dispute, client_of: Any, request: pytest.FixtureRequest
) -> None:
    client, url = client_of(request.getfixturevalue(who)), f"/api/v1/disputes/{dispute.public_id}"

    answers = [
        client.get(f"{url}/evidence").status_code,
        client.get(f"{url}/evidence/pdf").status_code,
        post(client, f"{url}/evidence/pdf", key="key-of-the-pdf").status_code,
        post(client, f"{url}/evidence", STATEMENT, key="key-of-evidence").status_code,
        post(client, f"{url}/accept", key="key-of-accept").status_code,
        post(client, f"{url}/contest", {"summary": "Ours."}, key="key-of-contest").status_code,
    ]

    assert answers == [403] * 6
    dispute.refresh_from_db()
    assert (dispute.answer, dispute.version, DisputeEvidence.objects.count()) == ("", 1, 0)
    assert not requests_for_pdf().exists()


# The answer -----------------------------------------------------------------------------------------------------------


def test_a_contest_takes_the_whole_proof_to_the_bank(
    sold: Dispute, finance: Any, client_of: Any, sandbox: Any, order: Any
) -> None:
    client, url = client_of(finance), f"/api/v1/disputes/{sold.public_id}"
    assert post(client, f"{url}/evidence", STATEMENT, key="key-of-evidence").status_code == 201
    assert post(client, f"{url}/contest", {"summary": "It was delivered."}).status_code == 202

    services.send_dispute_answer(dispute_id=sold.pk, now=clock.now())

    (kept,) = sandbox.world.razorpay.disputes.values()
    papers = sandbox.world.razorpay.documents
    (pack,) = kept.evidence["explanation_letter"]
    (invoice,) = kept.evidence["billing_proof"]
    assert (kept.status, kept.evidence["summary"]) == ("under_review", "It was delivered.")
    assert [kept.evidence[name] for name in ("shipping_proof", "customer_communication", "access_activity_log")] == [
        [pack]
    ] * 3
    assert "refund_confirmation" not in kept.evidence
    assert papers[pack].name == f"evidence-{order.number}.pdf"
    assert papers[pack].size == len(documents.draw_evidence(selectors.get_evidence(sold.pk)))
    assert papers[invoice].name.startswith("INV")
    assert client.get(url).json()["status"] == "under_review"
    assert client.get(f"/api/v1/orders/{order.public_id}").json()["payment_status"] == "disputed"

    sandbox.control("POST", f"/disputes/{sold.gateway_dispute_id}/decide", {"outcome": "won"})
    payments.ask_about_open_disputes(now=clock.now() + timedelta(hours=1))

    assert client.get(url).json()["status"] == "won"
    assert client.get(f"/api/v1/orders/{order.public_id}").json()["payment_status"] == "paid"
    assert [money.balance_of(code) for code in ("disputes", "dispute_losses")] == [0, 0]


def test_what_is_accepted_is_lost_and_the_order_says_that_the_payer_has_it(
    sold: Dispute, finance: Any, client_of: Any, order: Any
) -> None:
    client, url = client_of(finance), f"/api/v1/disputes/{sold.public_id}"
    assert post(client, f"{url}/accept").status_code == 202

    services.send_dispute_answer(dispute_id=sold.pk, now=clock.now())

    shown = client.get(f"/api/v1/orders/{order.public_id}").json()
    assert (client.get(url).json()["status"], shown["payment_status"]) == ("lost", "refunded")
    assert (shown["disputed_amount"], shown["lost_amount"], shown["refunded_amount"]) == (0, order.total_amount, 0)
    assert [money.balance_of(code) for code in ("disputes", "dispute_losses")] == [0, order.total_amount]


# Who is told ----------------------------------------------------------------------------------------------------------


def test_the_buyer_hears_when_the_bank_asks_and_when_it_decides(owner: Any, order: Any) -> None:
    owner.email, owner.email_confirmed_at = "asha@example.com", clock.now()
    owner.save()
    attempt = pay(order)
    dispute = make_dispute(attempt)
    tell_dispute_opened(event=news("opened"), now=clock.now())
    make_dispute(attempt, id=dispute.gateway_dispute_id, status="won")

    tell_dispute_decided(event=news("won"), now=clock.now())
    tell_dispute_opened(event=news("opened"), now=clock.now())

    assert (
        told("dispute_opened")
        == told("dispute_decided")
        == [("email", "asha@example.com"), ("in_app", owner.public_id)]
    )
    decided = Notification.objects.get(template="dispute_decided", channel="email")
    assert decided.title == f"Your bank has decided about your payment for order {order.number}"
    assert f"for order {order.number} stands." in decided.body


def test_what_is_decided_already_is_not_told_as_opened(order: Any) -> None:
    attempt = pay(order)
    dispute = make_dispute(attempt)
    make_dispute(attempt, id=dispute.gateway_dispute_id, status="lost", amount_deducted=attempt.amount)

    tell_dispute_opened(event=news("opened"), now=clock.now())

    assert told("dispute_opened") == []


def test_finance_is_mailed_of_a_dispute_and_the_buyer_does_not_see_it(
    dispute: Dispute, finance: Any, support: Any, owner: Any, client_of: Any
) -> None:
    tell_staff_of_dispute(event=news("opened"), now=clock.now())
    tell_staff_of_dispute(event=news("opened"), now=clock.now())

    assert told("dispute_to_answer") == [("in_app", finance.public_id), ("email", finance.email)]
    letter = Notification.objects.get(template="dispute_to_answer", channel="email")
    assert (letter.root_id, letter.title) == (None, f"Dispute {dispute.gateway_dispute_id} needs an answer")
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"):
        services.send(notification_id=letter.pk, now=clock.now())
    assert f"/admin/payments/dispute/{dispute.pk}/change/" in mail.outbox[0].body
    story = client_of(owner).get(f"/api/v1/orders/{dispute.order.public_id}/timeline").content.decode()
    assert "needs an answer" not in story
    assert "The payer's bank disputes the payment." in story


def test_without_finance_the_administrators_are_mailed(dispute: Dispute, administrator: Any) -> None:
    tell_staff_of_dispute(event=news("opened"), now=clock.now())

    assert ("email", administrator.email) in told("dispute_to_answer")


def test_the_warning_says_how_many_hours_are_left(order: Any, finance: Any) -> None:
    dispute = make_dispute(pay(order), respond_by=clock.now() + timedelta(hours=20))
    assert payments.warn_of_dispute_deadlines(now=clock.now()) == 1

    tell_staff_of_dispute(event=news("due_soon"), now=clock.now())

    letter = Notification.objects.get(template="dispute_to_answer", channel="email")
    assert letter.title == f"Fewer than 24 hours are left to answer dispute {dispute.gateway_dispute_id}"


def test_a_refused_answer_is_told_with_the_reason(dispute: Dispute, finance: Any) -> None:
    payments.contest_dispute(dispute_id=dispute.pk, summary="Ours.", actor=SYSTEM, now=clock.now())
    Dispute.objects.filter(pk=dispute.pk).update(
        answer="", answer_call="refused", error={"description": "No document."}
    )

    tell_staff_of_dispute(event=news("answered"), now=clock.now())

    assert "did not take the last answer: No document." in Notification.objects.get(channel="email").body


def test_what_staff_have_answered_they_are_not_asked_again(dispute: Dispute, finance: Any) -> None:
    opened = news("opened")
    payments.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    tell_staff_of_dispute(event=opened, now=clock.now())

    assert told("dispute_to_answer") == []
