"""Disputes: the evidence, what the bank gets of it, and who is notified. Through HTTP and the sandbox."""

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
from apps.backoffice import documents as evidence_documents
from apps.backoffice.handlers import render_evidence
from apps.backoffice.services import dispute_evidence as evidence_pdfs
from apps.backoffice.services import dispute_responses
from apps.core import clock, pdf
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.pdf import copies
from apps.fulfilment import services as fulfilment
from apps.invoicing.selectors import DocumentNotReady
from apps.invoicing.services import render_document
from apps.ledger import selectors as ledger
from apps.notifications import services
from apps.notifications.models import Notification
from apps.notifications.services import create_notifications
from apps.payments.gateways.razorpay import calls
from apps.payments.models import Dispute, DisputeEvidence, Payment
from apps.payments.services import gateway_orders
from apps.payments.services import polling as payment_polling
from apps.payments.services.disputes import evidence as dispute_evidence
from apps.payments.services.disputes import polling as dispute_polling
from apps.payments.services.disputes import reminders, responses
from config.subscriptions import HANDLERS
from tests.factories.catalog import make_registration
from tests.factories.fulfilment import deliver, make_packed_shipment
from tests.factories.invoicing import issue_invoice
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
    """A sale with all its evidence, disputed at the sandbox."""
    payment = make_payment(order, is_ready=False)
    Payment.objects.filter(pk=payment.pk).update(payer_ip="203.0.113.9", payer_user_agent="Firefox")
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    payment_polling.sync_payment(payment_id=payment.pk, now=clock.now())
    Session.objects.create(
        user=owner, transport=Transport.COOKIE, ip="203.0.113.9", user_agent="Firefox", last_used_at=clock.now()
    )
    confirmed = Event.objects.get(type="orders.order.confirmed")
    services.create_notifications(template="order_confirmed", event=confirmed, now=clock.now())
    invoice = issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    render_document(invoice_id=invoice.pk, now=clock.now())
    attempt = payment.attempts.get(status="captured")
    sandbox.control("POST", "/disputes", {"payment_id": attempt.gateway_payment_id})
    dispute_polling.poll_new_disputes(now=clock.now())
    return Dispute.objects.get()


def post(client: Any, url: str, body: Any = None, key: str = "key-of-the-test") -> Any:
    return client.post(url, body, format="json", headers={"Idempotency-Key": key})


def make_event(kind: str) -> Event:
    return Event.objects.filter(type=f"payments.dispute.{kind}").latest("created_at")


def requests_for_pdf() -> Any:
    return Event.objects.filter(type="backoffice.dispute_evidence.requested")


def notified(template: str) -> list[tuple[str, str]]:
    rows = Notification.objects.filter(template=template).order_by("recipient", "channel")
    return [(row.channel, row.recipient) for row in rows]


# The evidence ---------------------------------------------------------------------------------------------------------


def test_evidence_has_every_part(sold: Dispute, finance: Any, client_of: Any, order: Any) -> None:
    url = f"/api/v1/disputes/{sold.public_id}/evidence"
    added = post(client_of(finance), url, STATEMENT)

    evidence = client_of(finance).get(url).json()

    assert (added.status_code, added.json()["tracking_number"]) == (201, "EK1IN")
    assert (evidence["order_number"], evidence["dispute_id"]) == (order.number, sold.public_id)
    assert evidence["payment"]["amount"] == order.total_amount
    assert (evidence["payment"]["payer_ip"], evidence["payment"]["payer_user_agent"]) == ("203.0.113.9", "Firefox")
    assert (evidence["buyer"]["name"], evidence["buyer"]["phone"]) == ("Asha Owner", "+91******3210")
    assert [(one["ip"], one["user_agent"]) for one in evidence["buyer"]["log_ins"]] == [("203.0.113.9", "Firefox")]
    assert (evidence["delivery"]["shipments"], evidence["delivery"]["order_status"]) == ([], "confirmed")
    assert evidence["delivery"]["address"]["pin"] == "560001"
    assert [one["type"] for one in evidence["documents"]] == ["tax_invoice"]
    assert {(one["channel"], one["recipient"]) for one in evidence["messages"]} == {
        ("sms", "+91******3210"),
        ("in_app", ""),
    }
    assert "The order is paid and confirmed." in [one["text"] for one in evidence["timeline"]]
    assert [one["text"] for one in evidence["statements"]] == ["Handed over at the door."]


def test_evidence_has_the_parcels_that_left(order: Any, finance: Any, client_of: Any) -> None:
    attempt = pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    shipment = make_packed_shipment(order)
    fulfilment.dispatch_shipment(
        shipment_id=shipment.pk,
        carrier_name="Blue Dart",
        tracking_number="AWB 4711",
        actor=SYSTEM,
        now=clock.now(),
    )
    deliver(shipment)
    dispute = make_dispute(attempt)

    evidence = client_of(finance).get(f"/api/v1/disputes/{dispute.public_id}/evidence").json()

    (parcel,) = evidence["delivery"]["shipments"]
    line = order.lines.get()
    assert (parcel["status"], parcel["carrier_name"], parcel["tracking_number"]) == (
        "delivered",
        "Blue Dart",
        "AWB 4711",
    )
    assert parcel["dispatched_at"] <= parcel["delivered_at"]
    assert parcel["lines"] == [{"name": line.name, "sku": line.sku, "quantity": line.quantity}]
    pdf = evidence_documents.render_evidence_document(evidence_pdfs.get_evidence(dispute.pk))
    text = " ".join(" ".join(pages_of(pdf)).split())
    assert f"{parcel['number']}, Delivered" in text
    assert "Blue Dart AWB 4711" in text


def test_evidence_has_no_message_text_and_masks_contacts(sold: Dispute, finance: Any, client_of: Any) -> None:
    response = client_of(finance).get(f"/api/v1/disputes/{sold.public_id}/evidence")
    evidence = response.json()
    evidence["delivery"].pop("address")  # it is the order's own, with the phone for the courier

    assert "9876543210" not in str(evidence)
    assert all(message.body not in response.content.decode() for message in Notification.objects.exclude(body=""))


class TestEvidencePdf:
    def test_is_rendered_by_a_worker_and_then_the_same_every_time(
        self, sold: Dispute, finance: Any, client_of: Any
    ) -> None:
        dispute_evidence.add_dispute_evidence(dispute_id=sold.pk, **STATEMENT, actor=SYSTEM, now=clock.now())
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
        assert first == second == evidence_documents.render_evidence_document(evidence_pdfs.get_evidence(sold.pk))
        assert answers[0].headers["Content-Disposition"] == f'attachment; filename="evidence-{sold.order.number}.pdf"'
        [page, *_] = pages_of(first)
        for words in ("EVIDENCE", sold.gateway_dispute_id, "Asha Owner", "+91******3210", "Bengaluru", "Handed over at the door.",
                      "India Post EK1IN", "203.0.113.9", "No parcel has left."):  # fmt: skip
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
        written = [one["sql"] for one in queries if re.search(r"\b(INSERT|UPDATE|DELETE)\b", one["sql"])]
        assert written == []

    @pytest.mark.parametrize(
        "event_type", ["payments.dispute.opened", "payments.dispute.updated", "payments.dispute.evidence_added"]
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
            assert evidence_pdfs.request_evidence_pdf(dispute_id=sold.pk, actor=SYSTEM, now=at) is False

        assert requests_for_pdf().count() == 2

    def test_is_rendered_again_when_the_evidence_has_changed(self, sold: Dispute, tmp_path: Path) -> None:
        evidence_pdfs.render_evidence_pdf(dispute_id=sold.pk)
        _, before = evidence_pdfs.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())
        dispute_evidence.add_dispute_evidence(dispute_id=sold.pk, **STATEMENT, actor=SYSTEM, now=clock.now())

        with pytest.raises(DocumentNotReady):
            evidence_pdfs.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())
        evidence_pdfs.render_evidence_pdf(dispute_id=sold.pk)
        _, after = evidence_pdfs.get_evidence_pdf(dispute_id=sold.pk, now=clock.now())

        assert "Handed over at the door." not in " ".join(pages_of(before))
        assert "Handed over at the door." in " ".join(pages_of(after))
        assert len(list(tmp_path.glob("dispute-evidence/*/*"))) == 1

    def test_is_not_rendered_by_the_web(
        self, sold: Dispute, finance: Any, client_of: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pdf, "render", lambda *args, **kwargs: pytest.fail("rendered"))
        url = f"/api/v1/disputes/{sold.public_id}/evidence/pdf"

        statuses = (
            post(client_of(finance), url, key="request-of-a-pdf").status_code,
            client_of(finance).get(url).status_code,
        )

        assert statuses == (202, 409)

    def test_full_disk_leaves_no_partial_file(
        self, sold: Dispute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*args: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)

        with pytest.raises(copies.CopyNotStored, match="could not be stored: No space left on device"):
            evidence_pdfs.render_evidence_pdf(dispute_id=sold.pk)
        assert list(tmp_path.glob("dispute-evidence/*/*")) == []


def test_evidence_has_constant_query_count(sold: Dispute, owner: Any, count_queries: Any) -> None:
    with count_queries() as few:
        evidence_pdfs.get_evidence(sold.pk)
    for _ in range(30):
        Session.objects.create(user=owner, transport=Transport.BODY, last_used_at=clock.now())
        DisputeEvidence.objects.create(dispute=sold, kind="other", text="More.", added_by="system")

    with count_queries() as many:
        evidence = evidence_pdfs.get_evidence(sold.pk)

    assert len(many) == len(few) <= 12
    assert (len(evidence.log_ins), len(evidence.statements)) == (20, 30)


def test_evidence_is_taken_while_the_dispute_awaits_its_answer(dispute: Dispute, finance: Any, client_of: Any) -> None:
    url = f"/api/v1/disputes/{dispute.public_id}/evidence"
    wrong = post(
        client_of(finance), url, {"kind": "billing", "text": "Paid.", "tracking_number": "EK1IN"}, key="wrong-kind"
    )
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "tracking_requires_shipping_evidence")
    assert post(client_of(finance), url, {"kind": "song", "text": "La."}, key="unknown-kind").status_code == 400
    assert not DisputeEvidence.objects.exists()
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    late = post(client_of(finance), url, STATEMENT, key="after-the-answer")

    assert (late.status_code, late.json()["error"]["code"]) == (409, "dispute_not_awaiting_response")
    assert not DisputeEvidence.objects.exists()


def test_a_dispute_takes_no_more_than_twenty_statements(dispute: Dispute) -> None:
    for _ in range(20):
        dispute_evidence.add_dispute_evidence(
            dispute_id=dispute.pk, kind="other", text="So it was.", actor=SYSTEM, now=clock.now()
        )

    with pytest.raises(dispute_evidence.EvidenceLimitExceeded):
        dispute_evidence.add_dispute_evidence(
            dispute_id=dispute.pk, kind="other", text="So it was.", actor=SYSTEM, now=clock.now()
        )


@pytest.mark.parametrize("who", ["owner", "stranger", "support", "catalogue_manager"])
def test_evidence_requires_permission_to_answer(
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
    assert (dispute.response, dispute.version, DisputeEvidence.objects.count()) == ("", 1, 0)
    assert not requests_for_pdf().exists()


# The answer -----------------------------------------------------------------------------------------------------------


def test_contest_sends_all_evidence_to_the_gateway(
    sold: Dispute, finance: Any, client_of: Any, sandbox: Any, order: Any
) -> None:
    client, url = client_of(finance), f"/api/v1/disputes/{sold.public_id}"
    assert post(client, f"{url}/evidence", STATEMENT, key="key-of-evidence").status_code == 201
    assert post(client, f"{url}/contest", {"summary": "It was delivered."}).status_code == 202

    dispute_responses.submit_response_with_evidence(dispute_id=sold.pk, now=clock.now())

    (kept,) = sandbox.world.razorpay.disputes.values()
    documents_at_gateway = sandbox.world.razorpay.documents
    (pack,) = kept.evidence["explanation_letter"]
    (invoice,) = kept.evidence["billing_proof"]
    assert (kept.status, kept.evidence["summary"]) == ("under_review", "It was delivered.")
    assert [kept.evidence[name] for name in ("shipping_proof", "customer_communication", "access_activity_log")] == [
        [pack]
    ] * 3
    assert "refund_confirmation" not in kept.evidence
    assert documents_at_gateway[pack].name == f"evidence-{order.number}.pdf"
    assert documents_at_gateway[pack].size == len(
        evidence_documents.render_evidence_document(evidence_pdfs.get_evidence(sold.pk))
    )
    assert documents_at_gateway[invoice].name.startswith("INV")
    assert client.get(url).json()["status"] == "under_review"
    assert client.get(f"/api/v1/orders/{order.public_id}").json()["payment_status"] == "disputed"

    sandbox.control("POST", f"/disputes/{sold.gateway_dispute_id}/decide", {"outcome": "won"})
    dispute_polling.poll_open_disputes(now=clock.now() + timedelta(hours=1))

    assert client.get(url).json()["status"] == "won"
    assert client.get(f"/api/v1/orders/{order.public_id}").json()["payment_status"] == "paid"
    assert [ledger.balance_of(code) for code in ("disputes", "dispute_losses")] == [0, 0]


def test_accepted_dispute_is_lost_and_shown_on_the_order(
    sold: Dispute, finance: Any, client_of: Any, order: Any
) -> None:
    client, url = client_of(finance), f"/api/v1/disputes/{sold.public_id}"
    assert post(client, f"{url}/accept").status_code == 202

    dispute_responses.submit_response_with_evidence(dispute_id=sold.pk, now=clock.now())

    shown = client.get(f"/api/v1/orders/{order.public_id}").json()
    assert (client.get(url).json()["status"], shown["payment_status"]) == ("lost", "refunded")
    assert (shown["disputed_amount"], shown["lost_amount"], shown["refunded_amount"]) == (0, order.total_amount, 0)
    assert [ledger.balance_of(code) for code in ("disputes", "dispute_losses")] == [0, order.total_amount]


# Who is notified ----------------------------------------------------------------------------------------------------------


def test_buyer_is_notified_when_dispute_opens_and_resolves(owner: Any, order: Any) -> None:
    owner.email, owner.email_confirmed_at = "asha@example.com", clock.now()
    owner.save()
    attempt = pay(order)
    dispute = make_dispute(attempt)
    create_notifications(template="dispute_opened", event=make_event("opened"), now=clock.now())
    make_dispute(attempt, id=dispute.gateway_dispute_id, status="won")

    create_notifications(template="dispute_resolved", event=make_event("won"), now=clock.now())
    create_notifications(template="dispute_opened", event=make_event("opened"), now=clock.now())

    assert (
        notified("dispute_opened")
        == notified("dispute_resolved")
        == [("email", "asha@example.com"), ("in_app", owner.public_id)]
    )
    decided = Notification.objects.get(template="dispute_resolved", channel="email")
    assert decided.title == f"Your bank has decided the dispute about your payment for order {order.number}"
    assert f"for order {order.number} was valid." in decided.body


def test_resolved_dispute_is_not_notified_as_opened(order: Any) -> None:
    attempt = pay(order)
    dispute = make_dispute(attempt)
    make_dispute(attempt, id=dispute.gateway_dispute_id, status="lost", amount_deducted=attempt.amount)

    create_notifications(template="dispute_opened", event=make_event("opened"), now=clock.now())

    assert notified("dispute_opened") == []


def test_finance_is_mailed_of_a_dispute_and_the_buyer_does_not_see_it(
    dispute: Dispute, finance: Any, support: Any, owner: Any, client_of: Any
) -> None:
    create_notifications(template="dispute_needs_response", event=make_event("opened"), now=clock.now())
    create_notifications(template="dispute_needs_response", event=make_event("opened"), now=clock.now())

    assert notified("dispute_needs_response") == [("in_app", finance.public_id), ("email", finance.email)]
    message = Notification.objects.get(template="dispute_needs_response", channel="email")
    assert (message.root_id, message.title) == (None, f"Dispute {dispute.gateway_dispute_id} needs a response")
    with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"):
        services.send_notification(notification_id=message.pk, now=clock.now())
    assert f"/admin/payments/dispute/{dispute.pk}/change/" in mail.outbox[0].body
    timeline = client_of(owner).get(f"/api/v1/orders/{dispute.order.public_id}/timeline").content.decode()
    assert "needs a response" not in timeline
    assert "The payer's bank disputes the payment." in timeline


def test_without_finance_the_administrators_are_mailed(dispute: Dispute, administrator: Any) -> None:
    create_notifications(template="dispute_needs_response", event=make_event("opened"), now=clock.now())

    assert ("email", administrator.email) in notified("dispute_needs_response")


def test_reminder_says_how_many_hours_are_left(order: Any, finance: Any) -> None:
    dispute = make_dispute(pay(order), respond_by=clock.now() + timedelta(hours=20))
    assert reminders.send_dispute_reminders(now=clock.now()) == 1

    create_notifications(template="dispute_needs_response", event=make_event("deadline_approached"), now=clock.now())

    message = Notification.objects.get(template="dispute_needs_response", channel="email")
    assert message.title == f"Less than 24 hours are left to respond to dispute {dispute.gateway_dispute_id}"


def test_rejected_response_is_notified_with_its_reason(dispute: Dispute, finance: Any) -> None:
    responses.contest_dispute(dispute_id=dispute.pk, summary="Ours.", actor=SYSTEM, now=clock.now())
    Dispute.objects.filter(pk=dispute.pk).update(
        response="", gateway_call="rejected", error={"description": "No document."}
    )

    create_notifications(template="dispute_needs_response", event=make_event("response_requested"), now=clock.now())

    assert "rejected the last response: No document." in Notification.objects.get(channel="email").body


def test_answered_dispute_is_not_notified_again(dispute: Dispute, finance: Any) -> None:
    opened = make_event("opened")
    responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())

    create_notifications(template="dispute_needs_response", event=opened, now=clock.now())

    assert notified("dispute_needs_response") == []
