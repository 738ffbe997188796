"""Credit notes: issued once for each refund, numbered and booked, skipped for a reason, drawn, and shown to whom they belong."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.core import audit, ids, relay
from apps.core.events import SYSTEM
from apps.core.models import Event, HandlerRun, Outbox
from apps.invoicing import events, handlers, selectors
from apps.invoicing.models import Invoice, InvoiceLine, NumberSeries
from apps.invoicing.services import RefundNotProcessed, credit_notes, issue_pending_credit_notes, render_document
from apps.ledger.models import LedgerEntry, LedgerTransaction
from apps.orders import events as order_events
from apps.orders.models import Order
from apps.orders.states import OrderStatus
from apps.payments.models import Refund
from tests.factories.catalog import make_registration
from tests.factories.invoicing import (
    NOON,
    Goods,
    issue_credit_note,
    issue_invoice,
    make_credit_note,
    make_invoice,
    make_paid_order,
    make_refund,
    make_rendered_credit_note,
)
from tests.support.events import record_event
from tests.support.handler_runs import run_handler
from tests.support.pdf_text import pages_of
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

URL = "/api/v1/credit-notes"
Clients = Callable[[Any], APIClient]
DEADLINE = datetime(2027, 11, 30, 18, 29, tzinfo=UTC)


def credit(refund: Refund, *, now: datetime = NOON) -> Invoice | None:
    return issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=now)


def order_of(invoice: Invoice) -> Order:
    return Order.objects.get(pk=invoice.order_id)


def booked(source_id: Any) -> dict[str, int]:
    return dict(LedgerEntry.objects.filter(transaction__source_id=source_id).values_list("account_id", "amount"))


def reasons() -> list[str]:
    return list(Event.objects.filter(type=events.CREDIT_NOTE_SKIPPED).values_list("reason", flat=True))


def violated() -> list[Any]:
    report = audit.run(
        now=NOON + timedelta(hours=1),
        only=["INV-30", "INV-30b", "INV-31", "INV-31b", "INV-33", "INV-33b", "INV-34", "INV-34b", "INV-34c", "INV-34e", "INV-34f",
              "INV-35c", "INV-36"],
    )  # fmt: skip
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


class TestIssueCreditNote:
    def test_says_what_it_takes_back_of_which_invoice_and_why(self) -> None:
        invoice = make_invoice()
        refund = make_refund(order_of(invoice), amount=58_941, lines=[(1, 1)])

        note = Invoice.objects.get(pk=credit(refund).pk)  # type: ignore[union-attr]

        assert (note.type, note.number, note.sequence, note.version) == ("credit_note", "CRN260000001", 1, 1)
        assert (note.refers_to_id, note.refund_id, note.reason) == (invoice.pk, refund.pk, "Goods were returned")
        assert (note.taxable_amount, note.igst_amount, note.round_off_amount, note.total_amount) == (
            49_950,
            8_991,
            0,
            58_941,
        )
        assert note.payment_reference == f"Refund {refund.gateway_refund_id}"
        assert (note.seller, note.buyer, note.place_of_supply) == (invoice.seller, invoice.buyer, "29")
        [line] = InvoiceLine.objects.filter(invoice=note)
        assert (line.quantity, line.taxable_amount, line.tax_rate, line.igst_amount) == (1, 49_950, 1_800, 8_991)
        [event] = Event.objects.filter(type=events.CREDIT_NOTE_ISSUED)
        assert (event.subject_id, event.root_id, event.changes["number"]) == (note.pk, invoice.order_id, note.number)
        assert violated() == []

    def test_is_booked_the_other_way_round(self) -> None:
        assert booked(make_credit_note().pk) == {
            "customer_advances": -58_941,
            "sales:27AAPFU0939F1ZV": 49_950,
            "output_igst:27AAPFU0939F1ZV": 8_991,
        }

    def test_two_halves_and_the_round_off_leave_no_paisa(self) -> None:
        invoice = make_invoice(state="27")
        first = make_credit_note(invoice, lines=[(1, 1)])
        last = make_credit_note(invoice, amount=58_959, lines=[(1, 1)])

        assert (first.number, last.number) == ("CRN260000001", "CRN260000002")
        assert last.round_off_amount == 18
        for name in ("taxable_amount", "cgst_amount", "sgst_amount", "round_off_amount", "total_amount"):
            assert getattr(first, name) + getattr(last, name) == getattr(invoice, name)
        sums = [
            sum(booked(document.pk).get(code, 0) for document in (invoice, first, last)) for code in booked(invoice.pk)
        ]
        assert sums == [0] * 5
        assert violated() == []

    def test_many_by_amount_and_the_rest_leave_no_paisa(self) -> None:
        invoice = make_invoice(state="27", goods=(Goods(3_333, 500, 3), Goods(12_345, 1800), Goods(777, 0, 2)))
        left = invoice.total_amount
        for amount in (1, 99, 1_234, 2, 5_001):
            assert make_credit_note(invoice, amount=amount).total_amount == amount
            left -= amount
        make_credit_note(invoice, amount=left)

        credited = selectors.sum_credited_amounts(invoice.pk)
        assert (credited.total, credited.round_off) == (invoice.total_amount, invoice.round_off_amount)
        assert credited.lines == {
            line.order_line_id: selectors.credit_of(line) for line in selectors.list_invoice_lines(invoice.pk)
        }
        assert violated() == []

    def test_is_issued_once(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=10_000)

        first, second = credit(refund), credit(refund, now=NOON + timedelta(days=1))

        assert first is not None
        assert second is not None
        assert first.pk == second.pk
        assert Invoice.objects.filter(type="credit_note").count() == 1
        assert LedgerTransaction.objects.filter(kind="credit_note").count() == 1
        assert NumberSeries.objects.get(document_type="credit_note").last_number == 1

    def test_has_a_series_of_its_own_for_each_registration_and_year(self) -> None:
        delhi = make_registration(gstin="07ABCPE1234F1ZD", state="07", is_default=False)
        invoice = make_invoice()
        notes = [
            make_credit_note(invoice, amount=100),
            make_credit_note(invoice, amount=100, now=NOON + timedelta(days=200)),
            make_credit_note(make_invoice(registration=delhi, state="07"), amount=100),
        ]
        assert [note.number for note in notes] == ["CRN260000001", "CRN270000001", "CRN260000001"]
        assert [note.financial_year for note in notes] == ["2026-27", "2027-28", "2026-27"]

    def test_refuses_a_refund_whose_money_is_still_here(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=100, status="pending")
        with pytest.raises(RefundNotProcessed, match="pending"):
            credit(refund)
        assert Invoice.objects.filter(type="credit_note").count() == 0

    def test_leaves_no_gap_when_it_fails_after_taking_the_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refund = make_refund(order_of(make_invoice()), amount=100)
        with monkeypatch.context() as patched, pytest.raises(RuntimeError), transaction.atomic():
            patched.setattr(
                credit_notes, "create_document", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("crash"))
            )
            credit(refund)
        assert not NumberSeries.objects.filter(document_type="credit_note").exists()
        assert credit(refund).number == "CRN260000001"  # type: ignore[union-attr]


class TestSkippedCreditNotes:
    @pytest.mark.parametrize(
        "said", [{"reason": "paid_twice"}, {"reason": "late_payment"}, {"review_reason": "amount_mismatch"}]
    )
    def test_surplus_money(self, said: dict[str, str]) -> None:
        refund = make_refund(order_of(make_invoice()), amount=117_900, **said)
        assert credit(refund) is None
        assert credit(refund) is None
        assert reasons() == ["surplus"]
        assert violated() == []

    def test_second_payment_with_any_refund_reason(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=117_900, review_reason="paid_twice")
        assert credit(refund) is None
        assert reasons() == ["surplus"]

    def test_refunded_before_sale(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=100, processed_at=NOON - timedelta(hours=1))
        assert credit(refund) is None
        assert reasons() == ["refunded_before_sale"]

    @pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.PENDING_PAYMENT])
    def test_never_invoiced(self, status: OrderStatus) -> None:
        refund = make_refund(make_paid_order(status=status), amount=100)
        assert credit(refund) is None
        assert reasons() == ["never_invoiced"]
        assert violated() == []

    def test_fully_credited(self) -> None:
        invoice = make_invoice()
        make_credit_note(invoice, amount=117_900)
        assert credit(make_refund(order_of(invoice), amount=100)) is None
        assert reasons() == ["fully_credited"]
        assert violated() == []

    def test_refund_above_remaining_amount_credits_the_rest(self) -> None:
        invoice = make_invoice()
        make_credit_note(invoice, amount=100_000)
        assert make_credit_note(invoice, amount=20_000).total_amount == 17_900
        assert violated() == []

    def test_after_the_time_limit_is_booked_as_less_sales_at_full_tax(self) -> None:
        invoice = make_invoice()
        in_time = make_refund(order_of(invoice), amount=100)
        deadline_passed = make_refund(order_of(invoice), amount=1_000)

        assert credit(in_time, now=DEADLINE) is not None
        assert credit(deadline_passed, now=DEADLINE + timedelta(minutes=1)) is None

        assert reasons() == ["deadline_passed"]
        assert booked(deadline_passed.pk) == {"sales:27AAPFU0939F1ZV": 1_000, "customer_advances": -1_000}
        assert [found for found in violated() if found[0] == "INV-34e"] == []

    def test_one_skipped_before_the_time_limit_is_found(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=1_000)
        credit(refund, now=DEADLINE + timedelta(minutes=1))

        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(type="invoicing.credit_note.skipped").update(created_at=DEADLINE)

        rows = {invariant: found for invariant, found, _ in violated()}["INV-34e"]
        assert [row["refund"] for row in rows] == [refund.pk]


class TestRefundBeforeInvoice:
    def test_invoice_event_issues_the_credit_note_once(self) -> None:
        order = make_paid_order()
        refund = make_refund(order, amount=10_000)
        assert credit(refund) is None
        assert reasons() == []
        assert violated() == []

        issue_invoice(order_id=order.pk, actor=SYSTEM, now=NOON)
        [note] = issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=NOON)

        assert note.total_amount == 10_000
        assert credit(refund) == note
        assert [one.pk for one in issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=NOON)] == [note.pk]
        assert violated() == []

    @pytest.mark.parametrize("is_refunded", [True, False])
    def test_invoice_is_followed_by_credit_notes_only_if_money_went_back_before(self, is_refunded: bool) -> None:
        order = make_paid_order()
        if is_refunded:
            make_refund(order, amount=10_000)
        Outbox.objects.all().delete()

        issue_invoice(order_id=order.pk, actor=SYSTEM, now=NOON)

        claimed = [handler_run.handler.rpartition(".")[2] for handler_run in relay.claim_outbox(now=NOON)]
        assert sorted(claimed) == ["issue_pending_credit_notes", "render_invoice"][not is_refunded :]

    def test_cancellation_before_invoice_skips_the_credit_note(self) -> None:
        order = make_paid_order()
        refund = make_refund(order, amount=10_000)
        assert credit(refund) is None
        Order.objects.filter(pk=order.pk).update(status=OrderStatus.CANCELLED)
        assert [result[0] for result in violated()] == ["INV-34b"]

        assert issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=NOON) == []

        assert reasons() == ["never_invoiced"]
        assert violated() == []

    def test_event_of_an_order_cancelled_meanwhile_issues_no_invoice(self) -> None:
        order = make_paid_order(status=OrderStatus.CANCELLED)
        event = record_event(
            order_events.ORDER_CONFIRMED, subject=order, root_id=order.pk, actor=SYSTEM, changes={}, now=NOON
        )
        handlers.issue_invoices_of_order(event=event, now=NOON)
        assert not Invoice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_refund_event_issues_credit_note_and_pdf() -> None:
    invoice = make_invoice()
    Outbox.objects.all().delete()
    refund = make_refund(order_of(invoice), amount=58_941)

    for _ in range(2):
        for handler_run in relay.claim_outbox(now=NOON):
            if handler_run.handler.startswith("apps.invoicing."):
                assert run_handler(handler_run.pk, now=NOON)
                assert not run_handler(handler_run.pk, now=NOON)

    note = Invoice.objects.select_related("file").get(refund_id=refund.pk)
    assert note.file.path == "credit-notes/2026-27/27AAPFU0939F1ZV/CRN260000001.pdf"
    assert Event.objects.filter(type=events.CREDIT_NOTE_RENDERED, subject_id=note.pk).count() == 1
    assert not Event.objects.filter(type=events.INVOICE_RENDERED).exists()
    assert HandlerRun.objects.filter(handler__startswith="apps.invoicing.", done_at__isnull=False).count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
class TestConcurrentCreditNotes:
    def test_refund_gets_one_credit_note(self) -> None:
        refund = make_refund(order_of(make_invoice()), amount=10_000)

        outcomes = run_together(*[lambda: credit(refund) for _ in range(8)])

        assert {outcome.pk for outcome in outcomes} == {Invoice.objects.get(type="credit_note").pk}
        assert LedgerTransaction.objects.filter(kind="credit_note").count() == 1
        assert violated() == []

    def test_control_without_the_locks_the_database_has_to_refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        refund = make_refund(order_of(make_invoice()), amount=10_000)
        both_have_looked, real = threading.Barrier(2), credit_notes.selectors.find_credit_note_of_refund

        def find_then_wait(refund_id: Any) -> Any:
            found = real(refund_id)
            both_have_looked.wait(timeout=60)
            return found

        monkeypatch.setattr(credit_notes.order_locks, "lock_order", lambda pk: Order.objects.get(pk=pk))
        monkeypatch.setattr(credit_notes.payment_locks, "lock_refund", lambda pk: Refund.objects.get(pk=pk))
        monkeypatch.setattr(credit_notes.selectors, "find_credit_note_of_refund", find_then_wait)
        outcomes = run_together(*[lambda: credit(refund) for _ in range(2)])

        assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
        assert Invoice.objects.filter(type="credit_note").count() == 1

    def test_refunds_of_one_invoice_take_no_more_than_it_has_and_leave_no_gap(self) -> None:
        invoice = make_invoice(goods=(Goods(3_333, 500, 3), Goods(777, 1800)))
        share, rest = divmod(invoice.total_amount, 8)
        refunds = [make_refund(order_of(invoice), amount=share + (rest if index == 0 else 0)) for index in range(8)]
        others = [make_refund(order_of(make_invoice()), amount=100) for _ in range(8)]

        outcomes = run_together(*[lambda refund=refund: credit(refund) for refund in refunds + others])

        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        assert selectors.sum_credited_amounts(invoice.pk).total == invoice.total_amount
        notes = Invoice.objects.filter(type="credit_note")
        assert sorted(notes.values_list("sequence", flat=True)) == list(range(1, 17))
        assert violated() == []

    def test_invoice_and_refund_events_issue_one_credit_note(self) -> None:
        order = make_paid_order()
        refund = make_refund(order, amount=10_000)
        issue_invoice(order_id=order.pk, actor=SYSTEM, now=NOON)

        run_together(*[
            lambda: credit(refund),
            lambda: issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=NOON),
        ])  # fmt: skip

        assert Invoice.objects.filter(type="credit_note", refund_id=refund.pk).count() == 1


class TestCreditNotePdf:
    def test_has_what_rule_53_requires(self) -> None:
        note = make_rendered_credit_note(lines=[(1, 1)])
        _, content = selectors.get_invoice_pdf(note.pk)
        [page] = pages_of(content)
        assert note.refers_to is not None
        for particular in (
            "CREDIT NOTE", note.number, "Original invoice", note.refers_to.number, "21 Nov 2026", "Goods were returned",
            note.order_number, "GSTIN: 27AAPFU0939F1ZV", "61091000", "499.50", "89.91", "18%", "₹589.41",
            "Rupees Five Hundred Eighty-Nine and Forty-One Paise Only", "no signature is needed (proviso to rule 53",
        ):  # fmt: skip
            assert particular in page, particular
        assert "TAX INVOICE" not in page

    def test_of_money_without_goods_shows_no_units(self) -> None:
        note = make_credit_note(amount=1_000)
        render_document(invoice_id=note.pk, now=NOON)
        _, content = selectors.get_invoice_pdf(note.pk)
        [page] = pages_of(content)
        assert "–" in page
        assert "0 PCS" not in page


class TestCreditNoteViews:
    def test_lists_my_credit_notes_newest_first_and_no_invoice(
        self, owner: Any, stranger: Any, client_of: Clients
    ) -> None:
        invoice = make_invoice(owner)
        first, second = make_credit_note(invoice, amount=100), make_credit_note(invoice, amount=200)
        make_credit_note(make_invoice(stranger))

        body = client_of(owner).get(URL).json()

        assert [item["id"] for item in body["data"]] == [second.public_id, first.public_id]
        item = body["data"][0]
        assert (item["object"], item["type"], item["number"]) == ("credit_note", "credit_note", "CRN260000002")
        assert item["refers_to"]["number"] == invoice.number
        assert item["refers_to"]["invoice_date"] == "2026-11-21"
        assert item["refund_id"] == ids.encode("rfnd", second.refund_id)  # type: ignore[arg-type]
        assert item["pdf_url"] is None
        assert [row["id"] for row in client_of(owner).get("/api/v1/invoices").json()["data"]] == [invoice.public_id]

    def test_finance_sees_all_credit_notes(self, owner: Any, stranger: Any, finance: Any, client_of: Clients) -> None:
        both = {make_credit_note(make_invoice(user)).public_id for user in (owner, stranger)}
        assert {item["id"] for item in client_of(finance).get(URL).json()["data"]} == both

    def test_shows_one_with_its_lines_and_its_pdf(self, owner: Any, client_of: Clients) -> None:
        note = make_rendered_credit_note(owner, lines=[(1, 1)])
        client = client_of(owner)

        body = client.get(f"{URL}/{note.public_id}").json()
        pdf = client.get(body["pdf_url"])

        assert body["reason"] == "Goods were returned"
        assert [(line["quantity"], line["total_amount"]) for line in body["lines"]] == [(1, 58_941)]
        assert body["total_in_words"] == "Rupees Five Hundred Eighty-Nine and Forty-One Paise Only"
        assert b"".join(pdf.streaming_content).startswith(b"%PDF-")
        assert pdf["Content-Disposition"] == 'attachment; filename="CRN260000001.pdf"'

    def test_is_not_there_for_a_stranger_nor_an_invoice_under_its_path(
        self, owner: Any, stranger: Any, client_of: Clients
    ) -> None:
        note = make_rendered_credit_note(owner)
        assert note.refers_to is not None
        for path in (f"{URL}/{note.public_id}", f"{URL}/{note.public_id}/pdf"):
            assert client_of(stranger).get(path).json()["error"]["code"] == "credit_note_not_found"
        for path in (f"{URL}/{note.refers_to.public_id}", f"/api/v1/invoices/{note.public_id}"):
            assert client_of(owner).get(path).status_code == 404

    def test_waits_for_its_pdf(self, owner: Any, client_of: Clients) -> None:
        note = make_credit_note(make_invoice(owner))
        answer = client_of(owner).get(f"{URL}/{note.public_id}/pdf")
        assert (answer.status_code, answer["Retry-After"]) == (409, "2")
        assert note.number in json.dumps(answer.json())

    def test_query_count_is_constant(self, owner: Any, client_of: Clients, count_queries: Any) -> None:
        invoice, client = make_invoice(owner), client_of(owner)
        make_credit_note(invoice, amount=100)
        client.get(URL)
        with count_queries() as one:
            client.get(URL, {"limit": 50})
        for _ in range(9):
            make_credit_note(invoice, amount=100)
        with count_queries() as many:
            assert len(client.get(URL, {"limit": 50}).json()["data"]) == 10
        assert len(many.captured_queries) == len(one.captured_queries)


def test_staff_see_it_with_its_order_its_invoice_and_its_refund(finance: Any) -> None:
    note = make_rendered_credit_note()
    client = Client()
    client.force_login(finance)
    assert note.refers_to is not None
    for page in (
        reverse("admin:invoicing_invoice_changelist"),
        reverse("admin:orders_order_change", args=[note.order_id]),
        reverse("admin:invoicing_invoice_change", args=[note.refers_to.pk]),
        reverse("admin:invoicing_invoice_change", args=[note.pk]),
    ):
        assert note.number in client.get(page).content.decode(), page
    assert connection.in_atomic_block
