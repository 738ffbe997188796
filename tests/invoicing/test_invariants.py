"""Each invariant of documents finds what is planted, and nothing where nothing is."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.db import connection, transaction
from django.db.models import F

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing import events, invariants
from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine, NumberSeries
from apps.invoicing.services import invoices, issue_pending_credit_notes, ledger_accounts
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerEntry, LedgerTransaction
from apps.orders.models import Order
from apps.orders.states import OrderStatus
from tests.factories.catalog import make_registration
from tests.factories.invoicing import (
    NOON,
    issue_invoice,
    make_credit_note,
    make_invoice,
    make_paid_order,
    make_refund,
    make_rendered_credit_note,
    make_rendered_invoice,
)
from tests.factories.orders import make_order_address
from tests.support.accepted_payments import report_refund, sell
from tests.support.events import record_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books", "recent_audits_find_the_same")]

LATER = NOON + timedelta(hours=1)
EVERY = [invariant.id for invariant in invariants.INVARIANTS]


def found(invariant: str, *, now: Any = LATER) -> list[dict[str, Any]]:
    [result] = audit.run(now=now, only=[invariant]).results
    assert not result.error
    return result.rows


@contextmanager
def drop_constraint(table: str, name: str) -> Iterator[None]:
    # Until the end of the test's transaction, which is rolled back.
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", [name])
        if cursor.fetchone():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        else:
            cursor.execute(f"DROP INDEX {name}")
    yield


@contextmanager
def disable_triggers() -> Iterator[None]:
    connection.check_constraints()  # what is well is checked now, and not again after the harm
    with pgtrigger.ignore(
        "invoicing.Invoice:issued_is_frozen", "invoicing.Invoice:not_deleted", "invoicing.InvoiceLine:frozen",
        "invoicing.InvoiceFile:frozen", "ledger.LedgerEntry:frozen", "ledger.LedgerEntry:transaction_sums_to_zero",
    ):  # fmt: skip
        yield


def change(invoice: Invoice, **values: Any) -> None:
    with disable_triggers():
        Invoice.objects.filter(pk=invoice.pk).update(**values)


def change_lines(invoice: Invoice, **values: Any) -> None:
    with disable_triggers():
        InvoiceLine.objects.filter(invoice=invoice).update(**values)


def test_valid_documents_violate_nothing() -> None:
    for state in ("29", "27"):
        make_rendered_invoice(state=state)
        make_rendered_credit_note()
    # The payments of these orders are told and not made; how money and documents fit is looked at with all of it.
    report = audit.run(now=LATER, only=set(EVERY) - {"INV-11", "INV-28d"})
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []
    assert len(report.results) == 24


class TestNumbers:
    def test_finds_gap(self) -> None:
        first, second = make_invoice(), make_invoice()
        with disable_triggers():
            InvoiceLine.objects.filter(invoice=first)._raw_delete("default")  # type: ignore[attr-defined]
            Invoice.objects.filter(pk=first.pk)._raw_delete("default")  # type: ignore[attr-defined]
        assert [(row["last_number"], row["documents"], row["lowest"]) for row in found("INV-30")] == [(2, 1, 2)]
        assert second.sequence == 2

    def test_finds_unused_number(self) -> None:
        invoice = make_invoice()
        NumberSeries.objects.update(last_number=2)
        assert [row["series"] for row in found("INV-30")] == [invoice.series_id]

    def test_database_refuses_duplicate_sequence(self) -> None:
        _, second = make_invoice(), make_invoice()
        with drop_constraint("invoicing_invoice", "one_document_per_series_and_sequence"):
            change(second, sequence=1)
        assert [row["documents"] for row in found("INV-30")] == [2]

    @pytest.mark.parametrize("number", ["INV260000009", "XYZ260000001", "inv260000001"])
    def test_finds_number_that_differs_from_its_sequence(self, number: str) -> None:
        invoice = make_invoice()
        with drop_constraint("invoicing_invoice", "invoice_number_format"):
            change(invoice, number=number)
        assert [row["number"] for row in found("INV-30b")] == [number]

    def test_finds_duplicate_number(self) -> None:
        first, second = make_invoice(), make_invoice()
        with drop_constraint("invoicing_invoice", "one_document_per_number_and_year"):
            change(second, number=first.number)
        assert sorted(row["prefix"] for row in found("INV-30b")) == ["2 documents", "INV"]


class TestYears:
    @pytest.mark.parametrize(
        "changed",
        [
            {"invoice_date": (NOON + timedelta(days=1)).date()},
            {"financial_year": "2025-26"},
            {"issued_at": NOON + timedelta(days=200)},
            {"type": "debit_note"},
        ],
    )
    def test_finds_document_in_wrong_year_or_series(self, changed: dict[str, Any]) -> None:
        invoice = make_invoice()
        change(invoice, **changed)
        assert [row["number"] for row in found("INV-31")] == [invoice.number]

    def test_finds_decreasing_issued_at(self) -> None:
        first, second = make_invoice(now=NOON), make_invoice(now=NOON + timedelta(minutes=1))
        change(second, issued_at=NOON - timedelta(minutes=1))
        assert [(row["number"], row["previous_number"]) for row in found("INV-31b")] == [(second.number, first.number)]


class TestOrders:
    def test_finds_paid_order_without_invoice_after_a_minute(self) -> None:
        order = make_paid_order()
        assert found("INV-32", now=NOON + timedelta(seconds=59)) == []
        assert [(row["number"], row["invoices"]) for row in found("INV-32")] == [(order.number, 0)]

    @pytest.mark.parametrize(
        "values", [{"status": OrderStatus.PENDING_PAYMENT, "confirmed_at": None}, {"paid_amount": 1}]
    )
    def test_unpaid_order_needs_no_invoice(self, values: dict[str, Any]) -> None:
        make_paid_order(**values)
        assert found("INV-32") == []

    @pytest.mark.parametrize(("status", "is_found"), [("in_fulfilment", False), ("completed", True), ("closed", True)])
    def test_finds_order_that_was_completed_without_invoice(self, settings: Any, status: str, is_found: bool) -> None:
        settings.INVOICE_AT = "dispatch"
        order = make_paid_order(status=OrderStatus(status))
        assert [row["number"] for row in found("INV-32")] == [order.number] * is_found

    def test_finds_second_invoice_of_an_order(self) -> None:
        first, second = make_invoice(), make_invoice()
        with drop_constraint("invoicing_invoice", "one_document_per_order_and_type"):
            change(second, order_id=first.order_id)
        assert (2, first.order_number) in [(row["invoices"], row["number"]) for row in found("INV-32")]

    def test_finds_invoice_of_unconfirmed_order(self) -> None:
        invoice = make_invoice()
        Order.objects.filter(pk=invoice.order_id).update(confirmed_at=None)
        assert [row["number"] for row in found("INV-32")] == [invoice.order_number]

    @pytest.mark.parametrize("values", [{"place_of_supply": "07"}, {"taxable_amount": 99_901, "round_off_amount": 17}])
    def test_finds_invoice_that_differs_from_its_order(self, values: dict[str, Any]) -> None:
        invoice = make_invoice()
        change(invoice, **values)
        assert [row["number"] for row in found("INV-33c")] == [invoice.number]


class TestTax:
    @pytest.mark.parametrize(
        "values",
        [
            {"igst_amount": 17_983, "total_amount": 117_883},
            {"total_amount": 1},
            {"discount_amount": 5},
            {"tax_rate": 500},
            {"igst_amount": 0, "cgst_amount": 8_991, "sgst_amount": 8_991},
        ],
    )
    def test_finds_line_with_wrong_tax(self, values: dict[str, Any]) -> None:
        invoice = make_invoice()
        change_lines(invoice, **values)
        assert [(row["number"], row["position"]) for row in found("INV-33")] == [(invoice.number, 1)]

    def test_finds_wrong_tax_heads(self) -> None:
        invoice = make_invoice(state="27")
        change(invoice, place_of_supply="29")
        assert [row["number"] for row in found("INV-33")] == [invoice.number]

    @pytest.mark.parametrize(
        "values",
        [
            {"igst_amount": 17_981, "round_off_amount": 19},
            {"taxable_amount": 99_901, "round_off_amount": 17},
            {"igst_amount": 0, "cgst_amount": 17_982},
        ],
    )
    def test_finds_totals_that_differ_from_lines(self, values: dict[str, Any]) -> None:
        invoice = make_invoice()
        change(invoice, **values)
        assert [row["number"] for row in found("INV-33b")] == [invoice.number]

    def test_finds_invoice_without_lines(self) -> None:
        invoice = make_invoice()
        with disable_triggers():
            InvoiceLine.objects.filter(invoice=invoice)._raw_delete("default")  # type: ignore[attr-defined]
        assert [(row["number"], row["lines"]) for row in found("INV-33b")] == [(invoice.number, 0)]


class TestDocuments:
    def test_finds_changed_file(self, documents: Path) -> None:
        invoice = make_rendered_invoice()
        with (documents / invoice.file.path).open("ab") as file:
            file.write(b" ")
        assert [row["path"] for row in found("INV-35")] == [invoice.file.path]

    def test_finds_missing_file(self, documents: Path) -> None:
        invoice = make_rendered_invoice()
        (documents / invoice.file.path).unlink()
        assert [(row["path"], row["found"]) for row in found("INV-35")] == [(invoice.file.path, "no file")]

    def test_finds_changed_hash(self) -> None:
        invoice = make_rendered_invoice()
        with disable_triggers():
            InvoiceFile.objects.filter(invoice=invoice).update(sha256="0" * 64)
        assert [row["sha256"] for row in found("INV-35")] == ["0" * 64]

    def test_checks_every_file_in_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(invariants.documents, "_MAX_FILES_PER_AUDIT", 2)
        issued = [make_rendered_invoice() for _ in range(8)]
        with disable_triggers():
            InvoiceFile.objects.update(sha256="0" * 64)

        seen: list[str] = []
        for minute in range(4):
            rows = found("INV-35", now=LATER + timedelta(minutes=minute))
            assert len(rows) < 8
            seen += [row["path"] for row in rows]

        assert sorted(seen) == sorted(invoice.file.path for invoice in issued)

    @pytest.mark.parametrize(
        ("model", "trigger"),
        [
            ("invoicing.Invoice", "issued_is_frozen"),
            ("invoicing.Invoice", "not_deleted"),
            ("invoicing.InvoiceLine", "frozen"),
            ("invoicing.InvoiceFile", "frozen"),
        ],
    )
    def test_finds_disabled_trigger(self, model: str, trigger: str) -> None:
        table = model.lower().replace(".", "_")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname LIKE %s",
                [table, f"pgtrigger_{trigger}%"],
            )
            [name] = cursor.fetchone()
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        assert [row["tablename"] for row in found("INV-35b")] == [table]

    @pytest.mark.parametrize(
        "values",
        [
            {"payment_reference": "UPI pay_another"},
            {"order_number": "ORD-2627-999999"},
            {"taxable_amount": 99_901, "round_off_amount": 17},
            {"buyer": {"name": "Somebody Else", "state": "29"}},
            {"shipping_address": {"name": "Somebody Else", "state": "29"}},
            {"seller": {"gstin": "27AAPFU0939F1ZV", "state": "27"}},
        ],
    )
    def test_finds_invoice_changed_since_issue(self, values: dict[str, Any]) -> None:
        invoice, _ = make_invoice(), make_invoice()
        change(invoice, **values)
        assert [row["number"] for row in found("INV-35c")] == [invoice.number]

    @pytest.mark.parametrize("name", ['Asha "Ash" O\'Brien \\ Sons', "अनीता जोशी 🙂", "tab\there\x01", "<b>&amp;</b>"])
    def test_fingerprint_of_persons_is_that_of_postgres(self, name: str) -> None:
        make_invoice(billing_address=make_order_address(name=name, company=name))

        assert found("INV-35c") == []

    def test_finds_invoice_without_event(self) -> None:
        invoice = make_invoice()
        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(subject_id=invoice.pk).update(type="invoicing.invoice.rendered")
        assert [row["number"] for row in found("INV-35c")] == [invoice.number]

    @pytest.mark.parametrize("party", ["seller", "buyer"])
    def test_finds_invalid_gstin(self, party: str) -> None:
        invoice = make_invoice()
        change(invoice, **{party: {**getattr(invoice, party), "gstin": "27AAPFU0939F1ZA"}})
        assert [(row["party"], row["gstin"], row["refusal"]) for row in found("INV-35d")] == [
            (party, "27AAPFU0939F1ZA", "wrong_check_character")
        ]


class TestCreditNotes:
    def test_finds_gap_in_credit_note_series(self) -> None:
        note = make_credit_note()
        NumberSeries.objects.filter(document_type="credit_note").update(last_number=2)
        assert [(row["series"], row["prefix"]) for row in found("INV-30")] == [(note.series_id, "CRN")]

    @pytest.mark.parametrize(
        "values", [{"igst_amount": 8_994, "total_amount": 58_944}, {"sgst_amount": 1, "total_amount": 58_942}, {"tax_rate": 500}]
    )  # fmt: skip
    def test_finds_line_with_wrong_rate(self, values: dict[str, Any]) -> None:
        note = make_credit_note()
        change_lines(note, **values)
        assert [row["number"] for row in found("INV-33")] == [note.number]

    def test_finds_credit_above_invoice(self) -> None:
        invoice = make_invoice()
        note = make_credit_note(invoice)
        change(note, taxable_amount=99_901, total_amount=108_892)
        assert [(row["number"], row["what"]) for row in found("INV-34")] == [(invoice.number, "the whole")]

    def test_finds_full_credit_with_wrong_heads(self) -> None:
        invoice = make_invoice()
        note = make_credit_note(invoice, amount=117_900)
        change(note, igst_amount=17_981, round_off_amount=19)
        assert [(row["number"], row["what"]) for row in found("INV-34")] == [(invoice.number, "the whole")]

    @pytest.mark.parametrize("values", [{"quantity_milli": 3_000}, {"igst_amount": 17_983}, {"total_amount": 117_883}])
    def test_finds_credit_above_line(self, values: dict[str, Any]) -> None:
        invoice = make_invoice()
        change_lines(make_credit_note(invoice), **values)
        assert [(row["number"], row["what"]) for row in found("INV-34")] == [(invoice.number, "line 1")]

    def test_finds_line_that_is_not_on_the_invoice(self) -> None:
        invoice = make_invoice()
        change_lines(make_credit_note(invoice), order_line_id=invoice.pk)
        assert [row["number"] for row in found("INV-34")] == [invoice.number]

    def test_finds_refund_without_credit_note_or_skip_reason(self) -> None:
        invoice = make_invoice()
        refund = make_refund(Order.objects.get(pk=invoice.order_id), amount=100)
        assert found("INV-34b", now=NOON + timedelta(seconds=59)) == []
        assert [row["number"] for row in found("INV-34b")] == [refund.number]

    def test_finds_refund_with_credit_note_and_skip_reason(self) -> None:
        note = make_credit_note()
        with pgtrigger.ignore("core.Event:frozen"):
            Event.objects.filter(subject_id=note.refund_id).update(type="invoicing.credit_note.skipped")
        assert [(row["notes"], row["reasons"]) for row in found("INV-34b")] == [(1, 1)]

    @pytest.mark.parametrize(
        "values",
        [
            {"total_amount": 58_942, "round_off_amount": 1},
            {"total_amount": 58_940, "round_off_amount": -1},
            {"place_of_supply": "27"},
            {"issued_at": NOON - timedelta(days=1)},
            {"refund_id": "00000000-0000-7000-8000-000000000000"},
            {"buyer": {"name": "Somebody Else", "state": "29"}},
        ],
    )
    def test_finds_credit_note_that_differs_from_refund_or_invoice(self, values: dict[str, Any]) -> None:
        note = make_credit_note()
        change(note, **values)
        assert [row["number"] for row in found("INV-34c")] == [note.number]

    def test_finds_invoice_that_refers_to_another(self) -> None:
        first, second = make_invoice(), make_invoice()
        change(second, refers_to=first)
        assert [row["number"] for row in found("INV-34c")] == [second.number]

    def test_finds_credit_note_changed_since_issue(self) -> None:
        note = make_credit_note()
        change(note, payment_reference="Refund of another")
        assert [row["number"] for row in found("INV-35c")] == [note.number]

    def test_finds_credit_note_with_wrong_postings(self) -> None:
        note = make_credit_note()
        with disable_triggers():
            LedgerEntry.objects.filter(transaction__source_id=note.pk, amount=8_991).update(amount=8_990)
        assert [(row["account"], row["invoiced"], row["booked"]) for row in found("INV-36")] == [
            ("output_igst", 8_991, 8_990)
        ]


class TestPostings:
    def test_finds_invoice_without_postings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(invoices, "_post_to_ledger", lambda *args, **kwargs: None)
        invoice = issue_invoice(order_id=make_paid_order().pk, actor=SYSTEM, now=NOON)
        assert {(row["invoice"], row["account"], row["booked"]) for row in found("INV-36")} == {
            (invoice.pk, account, None) for account in ("customer_advances", "sales", "output_igst", "round_off")
        }

    def test_finds_posting_with_wrong_amount(self) -> None:
        invoice = make_invoice()
        with disable_triggers():
            LedgerEntry.objects.filter(transaction__source_id=invoice.pk, amount=-17_982).update(amount=-17_981)
        assert [(row["account"], row["invoiced"], row["booked"]) for row in found("INV-36")] == [
            ("output_igst", -17_982, -17_981)
        ]

    def test_finds_posting_for_wrong_registration_or_order(self) -> None:
        invoice, other = make_invoice(), make_invoice()
        sold = make_registration(gstin="29AAPFU0939F1ZR", state="29", is_default=False)
        codes = ledger_accounts.account_codes_for(sold)
        with disable_triggers(), pgtrigger.ignore("ledger.LedgerTransaction:frozen"):
            LedgerEntry.objects.filter(transaction__source_id=invoice.pk, account__code__startswith="sales:").update(
                account_id=codes.sales
            )
            LedgerTransaction.objects.filter(source_id=other.pk).update(order_id=invoice.order_id)
        assert {(row["invoice"], row["account"]) for row in found("INV-36")} == {
            (invoice.pk, "sales"),
            (other.pk, "order"),
        }

    def test_finds_late_refund_with_wrong_or_no_postings(self) -> None:
        refund = make_refund(Order.objects.get(pk=make_invoice().order_id), amount=1_000)
        with transaction.atomic():
            record_event(events.CREDIT_NOTE_SKIPPED, subject=refund, actor=SYSTEM, changes={}, reason="deadline_passed")
        assert [(row["refund"], row["amount"], row["booked"]) for row in found("INV-36b")] == [(refund.pk, 1_000, None)]

    def test_finds_posting_under_wrong_head(self) -> None:
        invoice = make_invoice()
        with disable_triggers():
            LedgerEntry.objects.filter(transaction__source_id=invoice.pk, amount=-17_982).update(
                account_id="output_cgst:27AAPFU0939F1ZV"
            )
        assert {row["account"] for row in found("INV-36")} == {"output_igst", "output_cgst"}


class TestDifferences:
    @pytest.mark.usefixtures("reference_data")
    @pytest.mark.parametrize(("difference", "returned"), [(-9_000, 0), (-9_000, 9_000), (2_360, 2_360), (2_360, 0)])
    def test_finds_reversal_that_differs_from_refunds(self, owner: Any, difference: int, returned: int) -> None:
        order, attempt = sell(owner, difference=difference)
        goods = min(attempt.amount, order.total_amount)
        report_refund(attempt, goods - 1_000)
        last = report_refund(attempt, attempt.amount - goods + 1_000 if returned else 500)
        issue_pending_credit_notes(order_id=order.pk, actor=SYSTEM, now=clock.now())
        now = clock.now() + timedelta(minutes=5)
        assert found("INV-25g", now=now) == []

        with disable_triggers():
            entries = LedgerEntry.objects.filter(transaction__kind="difference_reversal")
            if not entries.update(amount=F("amount") * 2):
                ledger_services.post_to_ledger(
                    source_type="payments.refund", source_id=last.pk, kind="difference_reversal", order_id=order.pk,
                    entries={"customer_advances": 100, "payer_fees": -100}, description="planted", occurred_at=now,
                )  # fmt: skip

        assert [row["gateway_payment_id"] for row in found("INV-25g", now=now)] == [attempt.gateway_payment_id]


def test_ids_and_names_are_unique() -> None:
    assert len({invariant.name for invariant in invariants.INVARIANTS}) == len(set(EVERY)) == len(EVERY)
