"""INVOICE_AT=dispatch: the invoice is issued in the transaction in which the first goods leave."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import HandlerRun, Outbox
from apps.fulfilment import services
from apps.invoicing.models import Invoice
from apps.invoicing.services import issue_credit_notes, issue_pending_credit_notes
from apps.invoicing.services.invoices import invoice_confirmed_order
from apps.payments.services.order_cancellation import cancel_order
from tests.factories.fulfilment import make_dispatched_shipment, make_packed_shipment, refund_units
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_refund, pay

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(shirt: Any, shoe: Any, owner: Any, settings: Any) -> Any:
    """A paid order of 3 shirts and 2 shoes, without an invoice."""
    settings.INVOICE_AT = "dispatch"
    order = make_order(owner, [(shirt, 3), (shoe, 2)])
    pay(order)
    return order


def test_confirmation_issues_nothing(paid: Any, violated: Callable[[], list[Any]]) -> None:
    assert invoice_confirmed_order(order_id=paid.pk, actor=SYSTEM, now=clock.now()) == []

    assert not Invoice.objects.exists()
    assert violated() == []


def test_first_dispatch_issues_the_invoice_of_the_order_once(paid: Any, violated: Callable[[], list[Any]]) -> None:
    make_dispatched_shipment(paid, {1: 1})
    invoice = Invoice.objects.get()
    make_dispatched_shipment(paid)

    assert Invoice.objects.get() == invoice
    assert (invoice.total_amount, invoice.type) == (paid.total_amount, "tax_invoice")
    assert violated() == []


def test_refund_before_dispatch_is_credited_after_it(paid: Any, violated: Callable[[], list[Any]]) -> None:
    refund = refund_units(paid, 1, 2, is_processed=True)
    make_dispatched_shipment(paid)

    [note] = issue_pending_credit_notes(order_id=paid.pk, actor=SYSTEM, now=clock.now())

    assert (note.refund_id, note.total_amount) == (refund.pk, refund.amount)
    assert violated() == []


def test_invoice_that_fails_keeps_the_goods(paid: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.fulfilment.services import dispatch

    packed = make_packed_shipment(paid)

    def fail(**_: Any) -> None:
        raise RuntimeError("no number")

    monkeypatch.setattr(dispatch, "issue_invoices", fail)
    with pytest.raises(RuntimeError):
        services.dispatch_shipment(shipment_id=packed.pk, actor=SYSTEM, now=clock.now())

    packed.refresh_from_db()
    assert packed.status == "packed"


def test_order_that_was_paid_under_the_other_setting_is_invoiced_at_dispatch(paid: Any, settings: Any) -> None:
    settings.INVOICE_AT = "payment"
    Outbox.objects.all().delete()
    HandlerRun.objects.all().delete()

    make_dispatched_shipment(paid)

    assert Invoice.objects.get().total_amount == paid.total_amount


@pytest.mark.parametrize("invoice_at", ["dispatch", "payment"])
def test_order_of_which_nothing_was_sent_is_cancelled_and_not_completed(
    paid: Any, settings: Any, invoice_at: str, violated: Callable[[], list[Any]]
) -> None:
    packed = make_packed_shipment(paid)
    services.cancel_shipment(shipment_id=packed.pk, actor=SYSTEM, now=clock.now())
    refund = apply_refund(make_refund(paid, is_approved=True))
    issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=clock.now())

    assert not services.complete_order_if_done(order_id=paid.pk, actor=SYSTEM, now=clock.now())
    assert violated() == []

    cancel_order(order_id=paid.pk, actor=SYSTEM, reason="nothing was sent", now=clock.now())
    issue_pending_credit_notes(order_id=paid.pk, actor=SYSTEM, now=clock.now())
    settings.INVOICE_AT = invoice_at
    paid.refresh_from_db()
    assert (paid.status, Invoice.objects.count()) == ("cancelled", 0)
    assert violated() == []
