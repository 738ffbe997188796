"""Whoever does not manage people reads no customer's phone number or e-mail address on any page of the back office."""

from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Address, Challenge, User
from apps.core import clock
from apps.core.models import Event
from apps.notifications.models import Notification
from apps.orders.models import Order
from apps.orders.states import OrderStatus
from tests.factories.accounts import make_address, make_challenge, make_session, make_staff, make_user
from tests.factories.notifications import make_invoice_of, make_notification, make_order_of
from tests.factories.orders import make_order_address

pytestmark = pytest.mark.django_db
PHONE, EMAIL = "+919876512345", "asha.rao@buyers.example"
MASKED_PHONE = "+91******2345"
PARTS = ("98765", "12345", "asha.rao")
PAGES = sorted(admin.site._registry, key=lambda model: model._meta.label)
#: The models whose pages show phone numbers and have the button, as docs/personal-data.md lists them.
WITH_CONTACTS = [model for model in PAGES if getattr(admin.site._registry[model], "shows_contacts", False)]


@pytest.fixture(scope="module")
def buyer_id(rows_of_module: Any) -> Any:
    with rows_of_module():
        return make_buyer().pk


@pytest.fixture
def buyer(buyer_id: Any, db: None) -> User:
    return User.objects.get(pk=buyer_id)


def make_buyer() -> User:
    """Return a customer without a name, so that pages have nothing else to call them, of whom there is something everywhere."""
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


def log_in(reader: User) -> Client:
    client = Client()
    client.force_login(reader)
    return client


def read(client: Client, model: type[Model]) -> tuple[list[int], str]:
    """Return how the list of a model and the pages of its first rows answer, and what they say."""
    path = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    rows = model._default_manager.all()[:5]
    urls = [reverse(f"{path}_changelist"), *(reverse(f"{path}_change", args=[row.pk]) for row in rows)]
    answers = [client.get(url) for url in urls]
    return [answer.status_code for answer in answers], "\n".join(answer.content.decode() for answer in answers)


@pytest.mark.parametrize("model", PAGES, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("role", ["support", "finance"])
def test_no_page_shows_unmasked_contacts(role: str, model: type[Model], buyer: User) -> None:
    reader = make_staff(role)
    is_open = reader.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}")

    statuses, text = read(log_in(reader), model)

    assert set(statuses) == {200 if is_open else 403}
    assert [text[max(0, text.index(part) - 80) : text.index(part) + 40] for part in PARTS if part in text] == []
    if is_open and model in WITH_CONTACTS:
        assert MASKED_PHONE in text


@pytest.mark.parametrize("model", [User, Address, Order, Notification], ids=lambda model: model._meta.label)
def test_people_managers_see_unmasked_contacts(model: type[Model], buyer: User) -> None:
    statuses, text = read(log_in(make_staff("admin")), model)

    assert set(statuses) == {200}
    assert PHONE in text
    assert MASKED_PHONE not in text


def test_the_recipient_of_a_code_is_masked_for_everybody(buyer: User) -> None:
    statuses, text = read(log_in(make_staff("admin")), Challenge)

    assert set(statuses) == {200}
    assert (PHONE in text, MASKED_PHONE in text) == (False, True)


@pytest.mark.parametrize("model", WITH_CONTACTS, ids=lambda model: model._meta.label)
def test_a_recorded_click_shows_them_on_the_page_of_an_object(model: type[Model], buyer: User) -> None:
    client = log_in(make_staff("support"))
    row = model._default_manager.filter(**{"pk": buyer.pk} if model is User else {}).first()
    assert row is not None
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[row.pk])
    before = client.get(page).content.decode()

    client.post(f"/admin/contacts/show/?page={page}")
    after = client.get(page).content.decode()

    assert (PHONE in before, MASKED_PHONE in before, "contacts/show" in before) == (False, True, True)
    assert (PHONE in after, MASKED_PHONE in after, "contacts/show" in after) == (True, False, False)
    assert Event.objects.filter(
        type="accounts.user.contact_details_viewed", reason__startswith=f"{page} ({row.public_id}"
    ).exists()
