from datetime import timedelta
from typing import Any

import pytest

from apps.invoicing import selectors
from apps.invoicing.selectors import InvoiceNotFound
from tests.factories.invoicing import NOON, make_invoice, make_paid_order, make_rendered_invoice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


def test_an_order_has_its_invoice_or_none() -> None:
    invoice = make_invoice()
    assert selectors.find_invoice_of_order(invoice.order_id) == invoice
    assert selectors.find_invoice_of_order(make_paid_order().pk) is None


def test_customers_see_their_own_newest_first(owner: Any, stranger: Any) -> None:
    mine = [make_invoice(owner), make_invoice(owner)]
    theirs = make_invoice(stranger)

    assert list(selectors.list_visible_invoices(user=owner)) == [mine[1], mine[0]]
    assert selectors.get_visible_invoice(user=owner, invoice_id=mine[0].pk) == mine[0]
    with pytest.raises(InvoiceNotFound):
        selectors.get_visible_invoice(user=owner, invoice_id=theirs.pk)


def test_staff_who_may_view_invoices_see_all(owner: Any, finance: Any) -> None:
    invoice = make_invoice(owner)
    assert list(selectors.list_visible_invoices(user=finance)) == [invoice]


def test_staff_of_another_role_see_none(owner: Any, catalogue_manager: Any) -> None:
    invoice = make_invoice(owner)
    with pytest.raises(InvoiceNotFound):
        selectors.get_visible_invoice(user=catalogue_manager, invoice_id=invoice.pk)


def test_what_has_no_pdf_yet_oldest_first() -> None:
    make_rendered_invoice()
    second, third = make_invoice(now=NOON + timedelta(seconds=30)), make_invoice(now=NOON + timedelta(seconds=60))
    later = NOON + timedelta(minutes=5)
    assert list(selectors.list_unrendered_invoices(issued_before=later)) == [second, third]
    assert list(selectors.list_unrendered_invoices(issued_before=NOON)) == []
