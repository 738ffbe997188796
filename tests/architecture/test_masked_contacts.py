"""Whoever does not manage people reads no customer's phone number or e-mail address on any page of the back office."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Address, Challenge, User
from apps.core import clock
from apps.orders.states import OrderStatus
from tests.factories.accounts import make_address, make_challenge, make_session, make_staff, make_user
from tests.factories.notifications import make_invoice_of, make_notification, make_order_of
from tests.factories.orders import make_order_address

pytestmark = pytest.mark.django_db
PHONE, EMAIL = "+919876512345", "asha.rao@buyers.example"
PARTS = ("98765", "12345", "asha.rao")
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def buyer(reference_data: None) -> User:
    """A customer without a name, so that pages have nothing else to call them, of whom there is something everywhere."""
    buyer = make_user(phone=PHONE, email=EMAIL)
    make_address(buyer, phone=PHONE)
    make_session(buyer)
    make_challenge(PHONE)
    make_challenge(EMAIL)
    address = make_order_address(name="Asha", phone=PHONE)
    order = make_order_of(
        buyer, status=OrderStatus.CONFIRMED, confirmed_at=clock.now(), paid_amount=117_900,
        billing_address=address, shipping_address=address,
    )  # fmt: skip
    make_invoice_of(order, buyer={"name": "Asha", "phone": PHONE, "email": EMAIL}, shipping_address={"phone": PHONE})
    for channel, recipient in (("sms", PHONE), ("email", EMAIL)):
        make_notification(buyer, channel=channel, recipient=recipient)
    return buyer


def read_as(role: str, model: type[Model]) -> str:
    client = Client()
    client.force_login(make_staff(role))
    path = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    texts = [client.get(reverse(f"{path}_changelist")).content.decode()]
    rows = list(model._default_manager.all()[:5])
    texts += [client.get(reverse(f"{path}_change", args=[row.pk])).content.decode() for row in rows]
    return "\n".join(texts)


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("role", ["support", "finance"])
def test_no_page_shows_them_whole(role: str, model: type[Model], buyer: User) -> None:
    text = read_as(role, model)

    assert [text[max(0, text.index(part) - 80) : text.index(part) + 40] for part in PARTS[::2] if part in text] == []


@pytest.mark.parametrize("model", [User, Address, Challenge], ids=lambda model: model._meta.label)
def test_who_manages_people_reads_them(model: type[Model], buyer: User) -> None:
    text = read_as("admin", model)

    assert PHONE in text or model is Challenge
