"""Whoever does not manage people reads no customer's phone number or e-mail address in any answer of the API."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.backoffice.services.dispute_evidence import render_evidence_pdf
from apps.backoffice.services.projections import rebuild_projections
from apps.core import clock, ids
from apps.core.models import Event, IdempotencyKey
from apps.orders.states import OrderStatus
from apps.payments.models import DisputeEvidence, Refund
from tests.architecture.access import ACCESS, SIGNATURE
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.fulfilment import make_invoiced_order, make_shipment
from tests.factories.invoicing import make_rendered_invoice
from tests.factories.notifications import (
    make_attempt_of,
    make_credit_note_of,
    make_invoice_of,
    make_order_of,
)
from tests.factories.orders import make_order, make_order_address
from tests.factories.payments import make_dispute, make_exception, make_refund, make_settlement, pay
from tests.support.bank_statements import import_statement, statement

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("compared_with_rest_framework")]
PHONE, EMAIL = "+919876512345", "asha.rao@buyers.example"
MASKED_PHONE, MASKED_EMAIL = "+91******2345", "a***@buyers.example"
PARTS = ("98765", "12345", "asha.rao")
TYPED, MASKED = f"Ring 09876512345 or write to {EMAIL}", f"Ring {MASKED_PHONE} or write to {MASKED_EMAIL}"
#: What staff read: everything but what needs no permission, and the PDFs, of which each download is recorded.
READ = [route for route, access in ACCESS.items() if route.startswith("GET ") and access.permission]
PDFS = [route for route in READ if route.endswith(("/pdf", "/packing-slip"))]
#: Where contacts are shown, by the way to them: masked exactly so.
SHOWN: dict[str, dict[str, str]] = {
    "GET customers": {"data.0.phone": MASKED_PHONE, "data.0.email": MASKED_EMAIL},
    "GET customers/<customer_id>": {"phone": MASKED_PHONE, "email": MASKED_EMAIL},
    "GET orders/<order_id>": {
        "shipping_address.phone": MASKED_PHONE, "billing_address.phone": MASKED_PHONE, "shipping_address.line2": MASKED,
        "note": MASKED, "cancel_reason": MASKED,
    },
    "GET invoices/<invoice_id>": {"buyer.phone": MASKED_PHONE, "shipping_address.phone": MASKED_PHONE},
    "GET credit-notes/<credit_note_id>": {"buyer.phone": MASKED_PHONE, "shipping_address.phone": MASKED_PHONE},
    "GET refunds/<refund_id>": {"note": MASKED},
    "GET reconciliation/exceptions/<exception_id>": {"entity_id": MASKED_EMAIL},
    "GET disputes/<dispute_id>/evidence": {
        "buyer.phone": MASKED_PHONE, "buyer.email": MASKED_EMAIL, "delivery.address.phone": MASKED_PHONE,
        "statements.0.text": MASKED,
    },
}  # fmt: skip


@pytest.fixture
def buyer(reference_data: None) -> User:
    return make_user(phone=PHONE, email=EMAIL, name="Asha")


@pytest.fixture
def things(buyer: User) -> dict[str, str]:
    """One of each thing of a buyer whose contacts are everywhere, by the name that it has in paths."""
    address = make_order_address(name="Asha", phone=PHONE, line2=TYPED)
    order = make_order_of(
        buyer, status=OrderStatus.CANCELLED, cancelled_at=clock.now(), note=TYPED, cancel_reason=TYPED,
        billing_address=address, shipping_address=address,
    )  # fmt: skip
    party = {"name": "Asha", "phone": PHONE, "line1": "12 MG Road", "state": "29"}
    invoice = make_invoice_of(order, buyer=party, shipping_address=party, seller=_SELLER)
    note = make_credit_note_of(invoice, buyer=party, shipping_address=party, seller=_SELLER)
    home = make_address(buyer, phone=PHONE)
    dispute = make_dispute(pay(make_order(buyer, address=home)))
    DisputeEvidence.objects.create(dispute=dispute, kind="other", text=TYPED, added_by="user:x")
    refund = make_refund(make_order(buyer, address=home))
    Refund.objects.filter(pk=refund.pk).update(note=TYPED)
    variant = order.lines.get().variant
    rebuild_projections(now=clock.now())
    return {
        "customer_id": buyer.public_id,
        "order_id": order.public_id,
        "payment_id": make_attempt_of(order, gateway_payment_id="pay_MaskedAnswers1").payment.public_id,
        "dispute_id": dispute.public_id,
        "refund_id": refund.public_id,
        "invoice_id": invoice.public_id,
        "credit_note_id": note.public_id,
        "settlement_id": make_settlement().public_id,
        "exception_id": make_exception(entity_id=EMAIL).public_id,
        "shipment_id": make_shipment(make_invoiced_order(buyer, address=home)).public_id,
        "bank_statement_import_id": import_statement(
            statement((500, f"UPI/{EMAIL}/{PHONE}")), account="917020099887766"
        ).public_id,
        "variant_id": variant.public_id,
        "product_id": variant.product.public_id,
    }


_SELLER = {
    "gstin": "27AAPFU0939F1ZV",
    "legal_name": "Shop",
    "line1": "1 Road",
    "city": "Pune",
    "state": "27",
    "pin": "411030",
}


@pytest.fixture
def reader(reference_data: None) -> User:
    """Staff who may do everything, but read contacts."""
    reader = make_staff("support")
    reader.user_permissions.set(Permission.objects.exclude(codename="manage_users"))
    return reader


def path_of(route: str, things: dict[str, str]) -> str:
    path = route.partition(" ")[2]
    for name, value in things.items():
        path = path.replace(f"<{name}>", value)
    return f"/api/v1/{path}"


def found_at(data: Any, way: str) -> Any:
    for step in way.split("."):
        data = data[int(step)] if step.isdigit() else data[step]
    return data


@pytest.mark.parametrize("route", [route for route in READ if route not in PDFS])
def test_no_answer_shows_them_whole(route: str, reader: User, things: dict[str, str], client_of: Any) -> None:
    response = client_of(reader).get(path_of(route, things))

    text = response.content.decode()
    # A QR code and a payment without a link answer otherwise; nothing of theirs may show contacts either.
    assert response.status_code == 200 or route == "GET payments/<payment_id>/qr.svg", text
    assert [text[max(0, text.index(part) - 80) : text.index(part) + 40] for part in PARTS if part in text] == []
    for way, masked in SHOWN.get(route, {}).items():
        assert (way, found_at(response.json(), way)) == (way, masked)


def test_every_route_that_shows_them_is_walked() -> None:
    assert set(SHOWN) <= set(READ)
    assert {route for route, access in ACCESS.items() if access.kind == SIGNATURE} == {"POST webhooks/razorpay"}


def test_people_managers_see_unmasked_contacts(administrator: User, things: dict[str, str], client_of: Any) -> None:
    order = client_of(administrator).get(path_of("GET orders/<order_id>", things)).json()

    assert (order["shipping_address"]["phone"], order["note"], order["cancel_reason"]) == (PHONE, TYPED, TYPED)


def test_the_owner_reads_their_own(buyer: User, things: dict[str, str], client_of: Any) -> None:
    order = client_of(buyer).get(path_of("GET orders/<order_id>", things)).json()

    assert (order["shipping_address"]["phone"], order["note"]) == (PHONE, TYPED)


def test_staff_who_buy_read_their_own(buyer: User, things: dict[str, str], client_of: Any) -> None:
    User.objects.filter(pk=buyer.pk).update(is_staff=True)
    buyer.refresh_from_db()
    client = client_of(buyer)

    assert client.get(path_of("GET orders/<order_id>", things)).json()["shipping_address"]["phone"] == PHONE
    assert client.get("/api/v1/me/addresses").json()["data"][0]["phone"] == PHONE


def test_a_masked_answer_has_an_etag_of_its_own(
    reader: User, administrator: User, things: dict[str, str], client_of: Any
) -> None:
    path = path_of("GET orders/<order_id>", things)

    masked, whole = client_of(reader).get(path), client_of(administrator).get(path)

    assert (masked["ETag"], whole["ETag"]) == ('"v0.masked"', '"v0"')
    assert client_of(reader).get(path, headers={"If-None-Match": masked["ETag"]}).status_code == 304


def test_a_stored_answer_is_masked_too(reader: User, things: dict[str, str], client_of: Any) -> None:
    path = path_of("POST refunds/<refund_id>/reject", things)

    client_of(reader).post(path, {"reason": "No"}, format="json", headers={"Idempotency-Key": "reject-it-once"})

    stored = bytes(IdempotencyKey.objects.get(key="reject-it-once").body or b"").decode()
    assert MASKED in stored
    assert [part for part in PARTS if part in stored] == []


class TestDownload:
    """A PDF cannot be masked: staff who may not read contacts get it, and that is recorded."""

    @pytest.fixture
    def invoice(self, buyer: User, tmp_path: Any, settings: Any) -> Any:
        storage = "django.core.files.storage.FileSystemStorage"
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {"BACKEND": storage, "OPTIONS": {"location": str(tmp_path)}},
        }
        return make_rendered_invoice(buyer)

    def recorded(self) -> list[tuple[str, str]]:
        shown = Event.objects.filter(type="accounts.user.contact_details_viewed")
        return [(event.actor, event.reason) for event in shown]

    def test_over_the_api_it_is_recorded(self, reader: User, buyer: User, invoice: Any, client_of: Any) -> None:
        path = f"/api/v1/invoices/{invoice.public_id}/pdf"

        response = client_of(reader).get(path)

        assert (response.status_code, b"".join(response)[:5]) == (200, b"%PDF-")
        assert self.recorded() == [
            (f"user:{reader.public_id}", f"{path} ({invoice.public_id}, {buyer.public_id})"),
        ]

    def test_from_the_back_office_it_is_recorded(self, reader: User, buyer: User, invoice: Any) -> None:
        browser = Client()
        browser.force_login(reader)
        path = reverse("admin:invoicing_invoice_pdf", args=[invoice.pk])

        response: Any = browser.get(path)

        assert (response.status_code, b"".join(response)[:5]) == (200, b"%PDF-")
        assert self.recorded() == [
            (f"user:{reader.public_id}", f"{path} ({invoice.public_id}, {buyer.public_id})"),
        ]

    def test_the_proof_of_a_dispute_is_recorded(
        self, reader: User, invoice: Any, things: dict[str, str], client_of: Any
    ) -> None:
        client = client_of(reader)
        path = path_of("GET disputes/<dispute_id>/evidence/pdf", things)
        client.post(path)
        render_evidence_pdf(dispute_id=ids.decode("disp", things["dispute_id"]))

        response = client.get(path)

        assert response.status_code == 200
        assert self.recorded() == [(f"user:{reader.public_id}", f"{path} ({things['dispute_id']})")]

    def test_the_owners_own_and_that_of_who_manages_people_are_not(
        self, buyer: User, administrator: User, invoice: Any, client_of: Any
    ) -> None:
        for person in (buyer, administrator):
            assert client_of(person).get(f"/api/v1/invoices/{invoice.public_id}/pdf").status_code == 200

        assert self.recorded() == []
