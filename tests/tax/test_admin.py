from datetime import date
from typing import Any

import pytest
from django.test import Client

from apps.tax.models import Registration, TaxRate
from tests.factories.catalog import make_registration

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client: Client, administrator: Any) -> Client:
    client.force_login(administrator)
    return client


FORM = {
    "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "address_line1": "4 Laxmi Road", "city": "Pune",
    "pin": "411030", "invoice_prefix": "INV", "trade_name": "", "address_line2": "", "phone": "", "email": "",
}  # fmt: skip


def test_the_first_registration_becomes_the_default(desk: Client) -> None:
    response = desk.post("/admin/tax/registration/add/", FORM)

    assert response.status_code == 302, response.content[:2000]
    registration = Registration.objects.get()
    assert (registration.state, registration.is_default) == ("27", True)


def test_a_refusal_of_the_service_is_shown_and_writes_nothing(desk: Client) -> None:
    response = desk.post("/admin/tax/registration/add/", {**FORM, "gstin": "27AAPFU0939F1ZW"}, follow=True)

    page = response.content.decode()
    assert "is not a GSTIN" in page
    assert all(f'value="{FORM[name]}"' in page for name in ("legal_name", "address_line1", "city", "pin"))
    assert not Registration.objects.exists()


def test_a_refusal_stands_beside_the_field_that_it_is_about(desk: Client) -> None:
    before = list(TaxRate.objects.order_by("pk").values())
    form = {"tax_class": "gst_5", "rate": "7", "valid_from": "2026-12-02", "notification": "No. 9/2026"}

    response = desk.post("/admin/tax/taxrate/add/", form)

    errors = response.context["adminform"].form.errors
    assert response.status_code == 200
    assert {name: list(texts) for name, texts in errors.items()} == {
        "rate": ["GST has no rate of 7 % for goods of the tax class gst_5 on 2 Dec 2026."]
    }
    assert 'value="No. 9/2026"' in response.content.decode()
    assert list(TaxRate.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pin": "560001"}, "PIN code 560001 belongs to Karnataka (29), not to Maharashtra (27)."),
        ({"legal_name": "AB"}, "The legal name has 2 characters; a GST invoice needs at least 3."),
        ({"city": "Pune\\"}, "which a GST invoice cannot contain. Remove it."),
    ],
)
def test_an_address_that_no_invoice_carries_is_refused(desk: Client, fields: dict[str, str], sentence: str) -> None:
    response = desk.post("/admin/tax/registration/add/", {**FORM, **fields}, follow=True)

    assert sentence in response.content.decode()
    assert not Registration.objects.exists()


def test_an_unknown_pin_is_taken_with_a_warning(desk: Client) -> None:
    response = desk.post("/admin/tax/registration/add/", {**FORM, "pin": "499001"}, follow=True)

    assert "No PIN code that we know begins with 499. Check the PIN code." in response.content.decode()
    assert Registration.objects.get().pin == "499001"


def test_rates_say_why_a_class_bears_none(desk: Client, reference_data: None) -> None:
    page = desk.get("/admin/tax/taxrate/?q=non_gst").content.decode()

    assert "non-gst" in page


def test_the_address_can_be_corrected_and_the_number_cannot(desk: Client) -> None:
    registration = make_registration()

    desk.post(
        f"/admin/tax/registration/{registration.pk}/change/", {**FORM, "city": "Mumbai", "gstin": "29AAPFU0939F1ZR"}
    )

    registration.refresh_from_db()
    assert (registration.city, registration.gstin) == ("Mumbai", "27AAPFU0939F1ZV")


def test_a_new_rate_ends_the_one_before(desk: Client) -> None:
    form = {"tax_class": "gst_5", "rate": "18", "valid_from": "2027-01-01", "notification": "1/2027"}

    assert desk.post("/admin/tax/taxrate/add/", form).status_code == 302
    assert TaxRate.objects.filter(tax_class="gst_5", valid_to=date(2026, 12, 31)).exists()
    assert TaxRate.objects.get(tax_class="gst_5", valid_to=None).rate == 1800
    assert desk.get("/admin/tax/taxrate/").status_code == 200


def test_support_changes_neither(client: Client, support: Any) -> None:
    client.force_login(support)
    registration = make_registration()

    assert client.post("/admin/tax/taxrate/add/", {}).status_code == 403
    client.post(f"/admin/tax/registration/{registration.pk}/change/", {**FORM, "city": "Mumbai"})

    registration.refresh_from_db()
    assert registration.city == "Pune"
