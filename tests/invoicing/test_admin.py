from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.invoicing.models import Invoice
from tests.factories.invoicing import Goods, make_invoice, make_rendered_invoice
from tests.support.admin_clients import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


@pytest.mark.parametrize("role", ["support", "finance", "administrator"])
def test_staff_find_an_invoice_and_read_it(request: pytest.FixtureRequest, role: str) -> None:
    client = signed_in(request.getfixturevalue(role))
    invoice = make_rendered_invoice()

    listed = client.get(reverse("admin:invoicing_invoice_changelist"), {"q": invoice.number})
    page = client.get(reverse("admin:invoicing_invoice_change", args=[invoice.pk]))

    assert invoice.number in listed.content.decode()
    assert "₹1,179.00" in listed.content.decode()
    text = page.content.decode()
    assert "Handloom cotton kurta" in text
    assert reverse("admin:invoicing_invoice_pdf", args=[invoice.pk]) in text


def test_lines_say_why_they_bear_no_tax(finance: Any) -> None:
    goods = tuple(
        Goods(price=10_000, rate=0, name=f"Goods {kind}", taxability=kind) for kind in ("nil", "exempt", "non_gst")
    )
    bill = make_invoice(goods=goods)

    page = signed_in(finance).get(reverse("admin:invoicing_invoice_change", args=[bill.pk])).content.decode()

    assert "Bill of supply" in page
    for label in ("nil", "exempt", "non-GST"):
        assert f">{label}<" in page.replace("\n", "").replace("  ", ""), label


def test_shows_parties_as_on_the_invoice(finance: Any) -> None:
    invoice = make_invoice()

    page = signed_in(finance).get(reverse("admin:invoicing_invoice_change", args=[invoice.pk])).content.decode()

    seller = invoice.seller
    assert f"{seller['legal_name']}, {seller['line1']}" in page
    assert "&quot;legal_name&quot;" not in page


def test_nobody_adds_changes_or_deletes_one(administrator: Any) -> None:
    client = signed_in(administrator)
    invoice = make_invoice()

    assert client.get(reverse("admin:invoicing_invoice_add")).status_code == 403
    assert client.post(reverse("admin:invoicing_invoice_delete", args=[invoice.pk]), {"post": "yes"}).status_code == 403
    assert (
        client.post(reverse("admin:invoicing_invoice_change", args=[invoice.pk]), {"status": "cancelled"}).status_code
        == 403
    )
    assert Invoice.objects.get(pk=invoice.pk).status == "issued"


def test_the_pdf_is_there_for_who_may_view_invoices(finance: Any, catalogue_manager: Any) -> None:
    invoice = make_rendered_invoice()
    url = reverse("admin:invoicing_invoice_pdf", args=[invoice.pk])

    answer = signed_in(finance).get(url)

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content).startswith(b"%PDF-")  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == 'attachment; filename="INV260000001.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert signed_in(catalogue_manager).get(url).status_code == 403
    assert Client().get(url).status_code == 302


def test_missing_pdf_is_not_found(finance: Any) -> None:
    client = signed_in(finance)
    assert client.get(reverse("admin:invoicing_invoice_pdf", args=[make_invoice().pk])).status_code == 404
    absent = "00000000-0000-7000-8000-000000000000"
    assert client.get(reverse("admin:invoicing_invoice_pdf", args=[absent])).status_code == 404


def test_the_page_of_an_order_shows_its_invoice(finance: Any) -> None:
    rendered, waiting = make_rendered_invoice(), make_invoice()
    client = signed_in(finance)

    page = client.get(reverse("admin:orders_order_change", args=[rendered.order_id])).content.decode()
    other = client.get(reverse("admin:orders_order_change", args=[waiting.order_id])).content.decode()

    assert rendered.number in page
    assert reverse("admin:invoicing_invoice_pdf", args=[rendered.pk]) in page
    assert waiting.number in other
    assert "being made" in other


def test_series_and_files_can_be_looked_at(finance: Any) -> None:
    invoice = make_rendered_invoice()
    client = signed_in(finance)
    assert "INV" in client.get(reverse("admin:invoicing_numberseries_changelist")).content.decode()
    assert invoice.file.path in client.get(reverse("admin:invoicing_invoicefile_changelist")).content.decode()
    assert client.get(reverse("admin:invoicing_invoicefile_change", args=[invoice.file.pk])).status_code == 200
    assert client.get(reverse("admin:invoicing_numberseries_change", args=[invoice.series_id])).status_code == 200
