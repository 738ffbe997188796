import errno
import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction

from apps.core import relay
from apps.core.events import SYSTEM
from apps.core.models import Event, HandlerRun, Outbox
from apps.invoicing import events, handlers, selectors, tasks
from apps.invoicing.gateways import pdf_files
from apps.invoicing.gateways.pdf_files import DocumentStorageFailed
from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine, NumberSeries
from apps.invoicing.selectors import DocumentCorrupted, DocumentNotReady, InvoiceNotFound
from apps.invoicing.services import (
    NumberSeriesUnavailable,
    OrderNotInvoiceable,
    OrderTotalsMismatch,
    invoices,
    number_series,
    pdf,
    render_document,
    render_missing_documents,
)
from apps.ledger.models import LedgerEntry, LedgerTransaction
from apps.orders import events as order_events
from apps.orders.models import Order, OrderLine
from apps.orders.states import OrderStatus
from tests.factories.catalog import make_registration
from tests.factories.invoicing import NOON, Goods, issue_invoice, make_invoice, make_paid_order, make_rendered_invoice
from tests.factories.orders import make_order_address
from tests.support.events import record_event
from tests.support.handler_runs import run_handler

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

LAST_SECOND = datetime(2027, 3, 31, 18, 29, 59, tzinfo=UTC)


def issue(order: Order, *, now: datetime = NOON) -> Invoice:
    return issue_invoice(order_id=order.pk, actor=SYSTEM, now=now)


def booked(invoice: Invoice) -> dict[str, int]:
    return dict(LedgerEntry.objects.filter(transaction__source_id=invoice.pk).values_list("account_id", "amount"))


class TestIssueInvoice:
    def test_says_what_was_ordered_and_by_whom(self) -> None:
        order = make_paid_order()

        invoice = Invoice.objects.get(pk=issue(order).pk)

        assert (invoice.number, invoice.sequence, invoice.financial_year) == ("INV260000001", 1, "2026-27")
        assert (invoice.type, invoice.status, invoice.version) == ("tax_invoice", "issued", 1)
        assert invoice.invoice_date.isoformat() == "2026-11-21"
        assert timedelta() <= invoice.issued_at - NOON < timedelta(seconds=10)
        assert (invoice.order_id, invoice.customer_id, invoice.order_number) == (
            order.pk,
            order.customer_id,
            order.number,
        )
        assert (invoice.taxable_amount, invoice.igst_amount, invoice.cgst_amount) == (99_900, 17_982, 0)
        assert (invoice.round_off_amount, invoice.total_amount) == (18, 117_900)
        assert (invoice.place_of_supply, invoice.is_reverse_charge) == ("29", False)
        assert (invoice.seller["gstin"], invoice.seller["state_name"]) == ("27AAPFU0939F1ZV", "Maharashtra")
        assert (invoice.buyer["name"], invoice.buyer["gstin"]) == ("Asha Owner", "")
        assert invoice.shipping_address == order.shipping_address.snapshot

    def test_has_the_lines_of_the_order(self) -> None:
        order = make_paid_order(goods=(Goods(10_000, 500, 3), Goods(4_500, 0)), discount=1_000, shipping=500)

        lines = list(selectors.list_invoice_lines(issue(order).pk))

        facts = (
            "position", "sku", "name", "hsn", "uqc", "quantity_milli", "unit_price", "price_includes_tax", "gross_amount",
            "discount_amount", "shipping_amount", "taxable_amount", "tax_rate", "cgst_amount", "sgst_amount", "utgst_amount",
            "igst_amount", "total_amount",
        )  # fmt: skip
        ordered = list(OrderLine.objects.filter(order=order).order_by("position"))
        assert [line.order_line_id for line in lines] == [line.pk for line in ordered]
        for line, source in zip(lines, ordered, strict=True):
            assert {name: getattr(line, name) for name in facts} == {name: getattr(source, name) for name in facts}

    def test_numbers_follow_one_another(self) -> None:
        assert [make_invoice().number for _ in range(3)] == ["INV260000001", "INV260000002", "INV260000003"]
        series = NumberSeries.objects.get()
        assert (series.last_number, series.prefix, series.financial_year) == (3, "INV", "2026-27")

    def test_is_issued_once(self) -> None:
        order = make_paid_order()

        first, second = issue(order), issue(order, now=NOON + timedelta(days=1))

        assert first.pk == second.pk
        assert Invoice.objects.count() == 1
        assert LedgerTransaction.objects.filter(kind="invoice").count() == 1
        assert Event.objects.filter(type=events.INVOICE_ISSUED).count() == 1
        assert NumberSeries.objects.get().last_number == 1

    def test_is_booked_as_sales_and_output_tax_between_states(self) -> None:
        assert booked(make_invoice()) == {
            "customer_advances": 117_900,
            "sales:27AAPFU0939F1ZV": -99_900,
            "output_igst:27AAPFU0939F1ZV": -17_982,
            "round_off": -18,
        }

    def test_is_booked_by_head_within_a_state(self) -> None:
        assert booked(make_invoice(state="27")) == {
            "customer_advances": 117_900,
            "sales:27AAPFU0939F1ZV": -99_900,
            "output_cgst:27AAPFU0939F1ZV": -8_991,
            "output_sgst:27AAPFU0939F1ZV": -8_991,
            "round_off": -18,
        }

    def test_is_booked_under_utgst_within_a_union_territory(self) -> None:
        chandigarh = make_registration(gstin="04ABCPE1234F1ZJ", state="04", is_default=False)

        invoice = make_invoice(registration=chandigarh, state="04", goods=(Goods(250_000, 1800),))

        assert (invoice.cgst_amount, invoice.utgst_amount, invoice.sgst_amount) == (22_500, 22_500, 0)
        assert booked(invoice)["output_utgst:04ABCPE1234F1ZJ"] == -22_500

    def test_a_round_off_downwards_is_booked_as_a_debit(self) -> None:
        invoice = make_invoice(goods=(Goods(10_040, 0),))
        assert (invoice.round_off_amount, invoice.total_amount) == (-40, 10_000)
        assert booked(invoice)["round_off"] == 40

    def test_free_order_has_no_postings(self) -> None:
        invoice = make_invoice(goods=(Goods(10_000, 1800),), discount=10_000)
        assert invoice.total_amount == 0
        assert booked(invoice) == {}

    def test_event_has_every_field(self) -> None:
        order = make_paid_order()
        invoice = issue(order)

        event = Event.objects.get(type=events.INVOICE_ISSUED)

        assert (event.subject_id, event.root_id, event.version, event.actor) == (invoice.pk, order.pk, 1, "system")
        assert event.changes["number"] == "INV260000001"
        assert event.changes["total_amount"] == 117_900
        assert event.changes["seller"] == invoice.seller

    def test_has_the_gstin_of_a_registered_buyer(self) -> None:
        order = make_paid_order(
            buyer_gstin="29ABCPE1234F1Z7", billing_address=make_order_address(company="Acme Retail")
        )
        assert issue(order).buyer["gstin"] == "29ABCPE1234F1Z7"

    def test_names_the_payment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        attempt = SimpleNamespace(method="upi", gateway_payment_id="pay_QxT7bZ1mN4kP2s")
        monkeypatch.setattr(invoices.payments, "find_captured_attempt", lambda order_id: attempt)
        assert make_invoice().payment_reference == "UPI pay_QxT7bZ1mN4kP2s"

    def test_later_changes_do_not_alter_it(self) -> None:
        order = make_paid_order()
        invoice = issue(order)
        make_registration().__class__.objects.update(legal_name="Another Name LLP")
        OrderLine.objects.filter(order=order).update(name="Another name")

        again = Invoice.objects.get(pk=invoice.pk)

        assert again.seller["legal_name"] == "Bahi Demo Traders LLP"
        assert [line.name for line in selectors.list_invoice_lines(again.pk)] == ["Handloom cotton kurta"]

    @pytest.mark.parametrize("status", [OrderStatus.ON_HOLD, OrderStatus.IN_FULFILMENT, OrderStatus.COMPLETED])
    def test_order_in_a_later_state_is_invoiced(self, status: OrderStatus) -> None:
        assert make_invoice(status=status).number == "INV260000001"


class TestIssueInvoiceRefuses:
    def assert_nothing_happened(self) -> None:
        assert not Invoice.objects.exists()
        assert not InvoiceLine.objects.exists()
        assert not LedgerTransaction.objects.exists()
        assert not Event.objects.filter(type=events.INVOICE_ISSUED).exists()
        assert not NumberSeries.objects.filter(last_number__gt=0).exists()

    @pytest.mark.parametrize(
        "status", [OrderStatus.PENDING_PAYMENT, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.CLOSED]
    )
    def test_unconfirmed_or_cancelled_order(self, status: OrderStatus) -> None:
        order = make_paid_order(status=status)
        with pytest.raises(OrderNotInvoiceable, match=rf"{order.number} cannot be invoiced: it is {status.value}"):
            issue(order)
        self.assert_nothing_happened()

    def test_an_order_that_is_not_wholly_paid(self) -> None:
        order = make_paid_order(paid_amount=117_899)
        with pytest.raises(OrderNotInvoiceable, match=r"₹1,178.99 of ₹1,179.00 is paid"):
            issue(order)
        self.assert_nothing_happened()

    def test_an_order_whose_tax_is_not_that_of_its_rate(self) -> None:
        order = make_paid_order()
        OrderLine.objects.filter(order=order).update(tax_rate=500)
        with pytest.raises(OrderTotalsMismatch, match="tax does not follow the rate"):
            issue(order)
        self.assert_nothing_happened()

    def test_an_order_without_lines(self) -> None:
        order = make_paid_order()
        other = make_paid_order()
        OrderLine.objects.filter(order=order).update(order=other, position=9)
        with pytest.raises(OrderTotalsMismatch, match="no lines"):
            issue(order)
        self.assert_nothing_happened()

    def test_a_number_beyond_seven_digits(self) -> None:
        make_invoice()
        NumberSeries.objects.update(last_number=9_999_999)
        with pytest.raises(NumberSeriesUnavailable, match="used up"):
            make_invoice()
        assert Invoice.objects.count() == 1

    def test_a_prefix_that_another_series_of_the_year_has(self) -> None:
        order = make_paid_order()
        NumberSeries.objects.create(
            registration=order.registration, document_type="credit_note", financial_year="2026-27", prefix="INV"
        )
        with pytest.raises(NumberSeriesUnavailable, match="another series already has this prefix"):
            issue(order)
        assert not Invoice.objects.exists()

    def test_leaves_no_gap_when_it_fails_after_taking_the_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        order = make_paid_order()
        with monkeypatch.context() as patch:
            patch.setattr(invoices, "create_document", lambda *args, **kwargs: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                issue(order)
        self.assert_nothing_happened()

        assert issue(order).number == "INV260000001"


class TestFinancialYear:
    def test_each_financial_year_and_registration_has_a_series_of_its_own(self) -> None:
        other = make_registration(gstin="29ABCPE1234F1Z7", state="29", is_default=False)
        issued = [
            make_invoice(now=LAST_SECOND - timedelta(hours=1)),
            make_invoice(now=LAST_SECOND + timedelta(seconds=1)),
            make_invoice(registration=other, now=LAST_SECOND + timedelta(seconds=1)),
        ]
        assert [(invoice.number, invoice.financial_year) for invoice in issued] == [
            ("INV260000001", "2026-27"),
            ("INV270000001", "2027-28"),
            ("INV270000001", "2027-28"),
        ]
        assert [invoice.invoice_date.isoformat() for invoice in issued] == ["2027-03-31", "2027-04-01", "2027-04-01"]

    def test_issued_at_never_decreases(self) -> None:
        first = make_invoice(now=NOON)
        second = make_invoice(now=NOON - timedelta(minutes=5))
        assert second.number == "INV260000002"
        assert second.issued_at == first.issued_at

    def test_is_chosen_again_if_the_wait_for_the_lock_goes_past_midnight(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_invoice(now=LAST_SECOND - timedelta(days=1))
        order = make_paid_order()
        real, waited = number_series.locks.lock_series, []

        def slow_lock(**wanted: Any) -> NumberSeries | None:
            if not waited:
                moment = time.monotonic()
                monkeypatch.setattr(number_series, "time", SimpleNamespace(monotonic=lambda: moment + 3))
                waited.append(True)
            return real(**wanted)

        monkeypatch.setattr(number_series.locks, "lock_series", slow_lock)
        invoice = issue(order, now=LAST_SECOND)

        assert (invoice.number, invoice.financial_year) == ("INV270000001", "2027-28")
        assert invoice.invoice_date.isoformat() == "2027-04-01"
        assert dict(NumberSeries.objects.values_list("financial_year", "last_number")) == {"2026-27": 1, "2027-28": 1}


class TestRenderDocument:
    def test_stores_the_pdf_with_its_hash(self, documents: Path) -> None:
        invoice = make_invoice()

        file = render_document(invoice_id=invoice.pk, now=NOON)

        stored = documents / "invoices" / "2026-27" / "27AAPFU0939F1ZV" / "INV260000001.pdf"
        content = stored.read_bytes()
        assert file.path == "invoices/2026-27/27AAPFU0939F1ZV/INV260000001.pdf"
        assert (file.sha256, file.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert file.rendered_at == NOON
        assert content.startswith(b"%PDF-")
        assert selectors.get_invoice_pdf(invoice.pk) == (file, content)

    def test_rendered_event_follows_issued_event(self) -> None:
        invoice = make_rendered_invoice()
        event = Event.objects.get(type=events.INVOICE_RENDERED)
        assert (event.subject_id, event.root_id, event.version, event.changes) == (invoice.pk, invoice.order_id, 2, {})
        assert invoice.version == 2

    def test_is_stored_once(self, documents: Path) -> None:
        invoice = make_rendered_invoice()
        before = invoice.file.sha256

        again = render_document(invoice_id=invoice.pk, now=NOON + timedelta(days=400))

        assert (again.pk, again.sha256, again.rendered_at) == (invoice.file.pk, before, NOON)
        assert Event.objects.filter(type=events.INVOICE_RENDERED).count() == 1
        assert len([path for path in documents.rglob("*") if path.is_file()]) == 1

    def test_second_rendering_is_discarded(self, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        invoice = make_invoice()
        real = pdf.documents.render_invoice_pdf

        def draw_while_another_finishes(*args: Any) -> bytes:
            monkeypatch.setattr(pdf.documents, "render_invoice_pdf", real)
            render_document(invoice_id=invoice.pk, now=NOON)
            return b"%PDF- of a newer release"

        monkeypatch.setattr(pdf.documents, "render_invoice_pdf", draw_while_another_finishes)
        file = render_document(invoice_id=invoice.pk, now=NOON)

        [stored] = [path for path in documents.rglob("*") if path.is_file()]
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == file.sha256
        assert InvoiceFile.objects.count() == 1

    def test_starts_over_after_a_crash_between_file_and_row(
        self, documents: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        invoice = make_invoice()
        with monkeypatch.context() as patch:
            patch.setattr(pdf, "change", lambda *args, **kwargs: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                render_document(invoice_id=invoice.pk, now=NOON)
        assert not InvoiceFile.objects.exists()

        render_document(invoice_id=invoice.pk, now=NOON)

        assert len([path for path in documents.rglob("*") if path.is_file()]) == 1
        assert selectors.get_invoice_pdf(invoice.pk)[1].startswith(b"%PDF-")

    def test_full_disk_leaves_no_row_and_no_file(self, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        invoice = make_invoice()

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(pdf_files.os, "fsync", full)
            with pytest.raises(
                DocumentStorageFailed, match=r"INV260000001.pdf could not be stored: No space left on device"
            ):
                render_document(invoice_id=invoice.pk, now=NOON)

        assert not InvoiceFile.objects.exists()
        assert not Event.objects.filter(type=events.INVOICE_RENDERED).exists()
        assert [path for path in documents.rglob("*") if path.is_file()] == []
        assert render_document(invoice_id=invoice.pk, now=NOON).size > 10_000

    def test_failed_rename_leaves_no_row_and_no_file(self, documents: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        invoice = make_invoice()

        def refuse(self: Path, target: Path) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(DocumentStorageFailed, match="Read-only file system"):
            render_document(invoice_id=invoice.pk, now=NOON)

        assert not InvoiceFile.objects.exists()
        assert [path for path in documents.rglob("*") if path.is_file()] == []

    def test_unknown_invoice_is_not_found(self) -> None:
        with pytest.raises(InvoiceNotFound):
            render_document(invoice_id=make_paid_order().pk, now=NOON)


class TestRenderMissingDocuments:
    def test_renders_overdue_documents_only(self) -> None:
        overdue = make_invoice(now=NOON)
        fresh = make_invoice(now=NOON + timedelta(seconds=1))

        assert render_missing_documents(now=overdue.issued_at + timedelta(seconds=60)) == 1

        assert selectors.find_file(overdue.pk) is not None
        assert selectors.find_file(fresh.pk) is None

    def test_failure_does_not_stop_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bad, good = make_invoice(), make_invoice()
        real = pdf.documents.render_invoice_pdf

        def draw(invoice: Invoice, lines: Any) -> bytes:
            if invoice.pk == bad.pk:
                raise ValueError("unprintable")
            return real(invoice, lines)

        monkeypatch.setattr(pdf.documents, "render_invoice_pdf", draw)

        assert render_missing_documents(now=NOON + timedelta(hours=1)) == 1
        assert selectors.find_file(good.pk) is not None
        assert selectors.find_file(bad.pk) is None

    def test_is_what_the_task_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[datetime] = []
        monkeypatch.setattr(pdf, "render_missing_documents", lambda *, now: calls.append(now))
        tasks.render_missing_documents()
        assert [moment.tzinfo for moment in calls] == [UTC]


class TestHandlers:
    def test_a_confirmed_order_gets_its_invoice_and_its_pdf(self) -> None:
        order = make_paid_order()

        handlers.issue_invoices_of_order(event=Event(subject_id=order.pk, root_id=order.pk), now=NOON)
        invoice = selectors.find_invoice_of_order(order.pk)
        assert invoice is not None
        handlers.render_invoice(event=Event(subject_id=invoice.pk, root_id=order.pk), now=NOON)

        assert selectors.get_invoice_pdf(invoice.pk)[0].size > 10_000
        assert handlers.render_invoice.calls_external  # type: ignore[attr-defined]


class TestGetDocument:
    def test_document_not_ready(self) -> None:
        invoice = make_invoice()
        with pytest.raises(DocumentNotReady, match=r"INV260000001 is being prepared") as refusal:
            selectors.get_invoice_pdf(invoice.pk)
        assert refusal.value.retry_after == 2

    def test_corrupted_file_is_not_returned(self, documents: Path) -> None:
        invoice = make_rendered_invoice()
        (documents / invoice.file.path).write_bytes(b"%PDF- forged")
        with pytest.raises(DocumentCorrupted):
            selectors.get_invoice_pdf(invoice.pk)

    def test_missing_file_is_reported(self, documents: Path) -> None:
        invoice = make_rendered_invoice()
        (documents / invoice.file.path).unlink()
        with pytest.raises(DocumentCorrupted):
            selectors.get_invoice_pdf(invoice.pk)

    def test_unknown_document_is_not_found(self) -> None:
        with pytest.raises(InvoiceNotFound):
            selectors.get_invoice_pdf(make_paid_order().pk)


def test_issuing_locks_the_series_last(count_queries: Any) -> None:
    make_invoice()
    order = make_paid_order()
    with count_queries() as queries:
        issue(order)
    statements = [query["sql"] for query in queries.captured_queries]
    lock = next(index for index, sql in enumerate(statements) if "FOR NO KEY UPDATE" in sql and "numberseries" in sql)
    raised, inserted = statements[lock + 1 : lock + 3]
    assert raised.startswith('UPDATE "invoicing_numberseries"')
    assert 'INSERT INTO "invoicing_invoice"' in inserted
    assert len(statements) - lock <= 4
    assert connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_confirmed_order_event_issues_invoice_and_pdf() -> None:
    order = make_paid_order()
    Outbox.objects.all().delete()
    with transaction.atomic():
        record_event(order_events.ORDER_CONFIRMED, subject=order, root_id=order.pk, actor=SYSTEM, changes={}, now=NOON)

    for _ in range(2):
        for handler_run in relay.claim_outbox(now=NOON):
            if handler_run.handler.startswith("apps.invoicing."):
                assert run_handler(handler_run.pk, now=NOON)
                assert not run_handler(handler_run.pk, now=NOON)

    invoice = Invoice.objects.select_related("file").get(order_id=order.pk)
    assert selectors.get_invoice_pdf(invoice.pk)[0] == invoice.file
    assert list(Event.objects.filter(root_id=order.pk).order_by("created_at", "id").values_list("type", flat=True))[
        -2:
    ] == [
        events.INVOICE_ISSUED,
        events.INVOICE_RENDERED,
    ]
    assert HandlerRun.objects.filter(handler__startswith="apps.invoicing.", done_at__isnull=False).count() == 2
