import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing import events, rules
from apps.invoicing.models import Invoice, InvoiceFile, NumberSeries
from apps.invoicing.services import invoices, pdf, render_document
from apps.ledger.models import LedgerTransaction
from tests.factories.invoicing import NOON, issue_invoice, make_invoice, make_paid_order
from tests.support.lock_controls import without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("books"), pytest.mark.race]

ISSUERS = 50
FORCED = 10


class ForcedFailure(RuntimeError):
    """What a crash after the number was taken looks like to the transaction."""


@pytest.fixture
def fail_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[Any]], None]:
    """Make the issuing of some orders fail once, after number and row are there."""

    def arrange(orders: set[Any]) -> None:
        left, real, guard = set(orders), invoices.create_document, threading.Lock()

        def create_document(document: Any, *args: Any, **kwargs: Any) -> None:
            real(document, *args, **kwargs)
            with guard:
                if document.order_id in left:
                    left.remove(document.order_id)
                    raise ForcedFailure

        monkeypatch.setattr(invoices, "create_document", create_document)

    return arrange


def issuer(order_id: Any) -> Callable[[], Any]:
    return lambda: issue_invoice(order_id=order_id, actor=SYSTEM, now=NOON)


class TestNumberSeries:
    def test_is_gapless_under_fifty_issuers_of_whom_a_fifth_fails(self, fail_once: Callable[[set[Any]], None]) -> None:
        orders = [make_paid_order().pk for _ in range(ISSUERS)]
        fail_once(set(orders[:FORCED]))

        outcomes = run_together(*[issuer(order) for order in orders])

        failed = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        issued = ISSUERS - len(failed)
        # A crowded machine may run into the lock's time-out as well; that too must leave no gap.
        assert all(isinstance(error, ForcedFailure | OperationalError) for error in failed)
        assert sum(isinstance(error, ForcedFailure) for error in failed) == FORCED
        assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, issued + 1))

        for order, outcome in zip(orders, outcomes, strict=True):
            if isinstance(outcome, Exception):
                issuer(order)()

        assert sorted(Invoice.objects.values_list("sequence", flat=True)) == list(range(1, ISSUERS + 1))
        assert NumberSeries.objects.get().last_number == ISSUERS
        moments = list(Invoice.objects.order_by("sequence").values_list("issued_at", flat=True))
        assert moments == sorted(moments)
        report = audit.run(now=clock.now(), only=["INV-30", "INV-30b", "INV-31", "INV-31b", "INV-36"])
        assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []

    def test_control_a_sequence_leaves_gaps(
        self, fail_once: Callable[[set[Any]], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_invoice()
        with connection.cursor() as cursor:
            cursor.execute("CREATE SEQUENCE control_numbers START 2")
        orders = [make_paid_order().pk for _ in range(10)]
        fail_once(set(orders[:2]))
        monkeypatch.setattr(invoices, "assign_number", number_from(next_of_sequence))
        try:
            outcomes = run_together(*[issuer(order) for order in orders])
            for order in orders[:2]:
                issuer(order)()
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP SEQUENCE control_numbers")

        assert sum(isinstance(outcome, ForcedFailure) for outcome in outcomes) == 2
        numbers = sorted(Invoice.objects.values_list("sequence", flat=True))
        assert len(numbers) == 11
        assert numbers[-1] == 13
        assert len(set(range(1, 14)) - set(numbers)) == 2

    def test_control_without_the_lock_two_take_the_same_number(self) -> None:
        make_invoice()
        orders = [make_paid_order().pk for _ in range(2)]

        with without_lock("apps.invoicing.locks.lock_series", meet=2):
            outcomes = run_together(*[issuer(order) for order in orders])

        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert len(refused) == 1
        assert isinstance(refused[0], IntegrityError)

    def test_new_year_opens_one_series(self) -> None:
        orders = [make_paid_order().pk for _ in range(8)]

        outcomes = run_together(*[issuer(order) for order in orders])

        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        assert sorted(outcome.number for outcome in outcomes) == [f"INV26{number:07d}" for number in range(1, 9)]
        assert NumberSeries.objects.count() == 1


class TestConcurrentInvoices:
    def test_gets_one_invoice(self) -> None:
        order = make_paid_order()

        outcomes = run_together(*[issuer(order.pk) for _ in range(8)])

        assert {outcome.pk for outcome in outcomes} == {Invoice.objects.get().pk}
        assert LedgerTransaction.objects.filter(kind="invoice").count() == 1
        assert NumberSeries.objects.get().last_number == 1

    def test_control_without_the_orders_lock_the_database_has_to_refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        order = make_paid_order()
        both_have_looked = threading.Barrier(2)
        real = invoices.selectors.find_invoice_of_order

        def find_then_wait(order_id: Any) -> Any:
            found = real(order_id)
            both_have_looked.wait(timeout=60)
            return found

        monkeypatch.setattr(invoices.selectors, "find_invoice_of_order", find_then_wait)
        with without_lock("apps.orders.locks.lock_order"):
            outcomes = run_together(*[issuer(order.pk) for _ in range(2)])

        assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
        assert Invoice.objects.count() == 1


class TestConcurrentRendering:
    def test_two_renderings_store_one_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        invoice = make_invoice()
        both_have_drawn, real = threading.Barrier(2), pdf.pdf_files.write_temporary

        def write_then_wait(*args: Any) -> Any:
            temporary = real(*args)
            both_have_drawn.wait(timeout=60)
            return temporary

        monkeypatch.setattr(pdf.pdf_files, "write_temporary", write_then_wait)
        outcomes = run_together(*[lambda: render_document(invoice_id=invoice.pk, now=NOON) for _ in range(2)])

        assert {outcome.pk for outcome in outcomes} == {InvoiceFile.objects.get().pk}
        assert Event.objects.filter(type=events.INVOICE_RENDERED).count() == 1

    def test_control_without_the_invoices_lock_one_of_them_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        invoice = make_invoice()
        both_have_looked, real = threading.Barrier(2), pdf.selectors.find_file
        looks = threading.local()

        def find_then_wait(invoice_id: Any) -> Any:
            found = real(invoice_id)
            looks.count = getattr(looks, "count", 0) + 1
            if looks.count == 2:
                both_have_looked.wait(timeout=60)
            return found

        monkeypatch.setattr(pdf.selectors, "find_file", find_then_wait)
        with without_lock("apps.invoicing.locks.lock_invoice"):
            outcomes = run_together(*[lambda: render_document(invoice_id=invoice.pk, now=NOON) for _ in range(2)])

        assert sum(isinstance(outcome, IntegrityError) for outcome in outcomes) == 1
        assert InvoiceFile.objects.count() == 1


def number_from(source: Callable[[], int]) -> Callable[..., None]:
    """Return a way of numbering that takes its number from somewhere else and locks nothing."""

    def take(invoice: Invoice, **_: Any) -> None:
        series = NumberSeries.objects.get()
        invoice.series = series
        invoice.sequence = source()
        invoice.number = rules.document_number(prefix="INV", financial_year="2026-27", sequence=invoice.sequence)
        invoice.financial_year = series.financial_year
        invoice.issued_at = NOON
        invoice.invoice_date = rules.invoice_date_at(NOON)

    return take


def next_of_sequence() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('control_numbers')")
        [number] = cursor.fetchone()
    return int(number)
