"""Phone numbers and e-mail addresses are shown whole after a click that is recorded: on one page, for five minutes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from structlog.testing import capture_logs

from apps.accounts.models import User
from apps.core import audit, clock
from apps.core.models import Event
from tests.factories.accounts import make_address, make_staff, make_user

pytestmark = pytest.mark.django_db
PHONE, EMAIL = "+919876512345", "asha.rao@buyers.example"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def asha(db: None) -> User:
    return make_user(phone=PHONE, email=EMAIL, name="Asha")


@pytest.fixture
def browser(support: User) -> Client:
    client = Client()
    client.force_login(support)
    return client


def page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def show(client: Client, page: str) -> Any:
    return client.post(f"/admin/contacts/show/?page={page}")


class TestMaskedContacts:
    def test_contacts_are_masked_until_they_are_shown(self, asha: User, browser: Client) -> None:
        text = browser.get(page_of(asha)).content.decode()

        assert ("+91******2345" in text, "a***@buyers.example" in text) == (True, True)
        assert (PHONE in text, EMAIL in text) == (False, False)
        assert f"/admin/contacts/show/?page={page_of(asha).replace('/', '%2F')}" in text

    def test_a_number_in_the_search_box_is_not_masked(self, asha: User, browser: Client) -> None:
        text = browser.get("/admin/accounts/user/", {"q": PHONE}).content.decode()

        assert f'value="{PHONE}"' in text
        assert text.count(PHONE) == text.count(f'value="{PHONE}"')
        assert "+91******2345" in text

    def test_ones_own_address_is_not_masked(self, browser: Client, support: User) -> None:
        assert support.email in browser.get("/admin/").content.decode()

    def test_staff_who_manage_people_see_contacts_whole(self, asha: User, administrator: User) -> None:
        client = Client()
        client.force_login(administrator)
        text = client.get(page_of(asha)).content.decode()

        assert (PHONE in text, EMAIL in text, "contacts/show" in text) == (True, True, False)


class TestShowContacts:
    def test_the_page_says_what_will_happen_and_changes_nothing(self, asha: User, browser: Client) -> None:
        text = browser.get(f"/admin/contacts/show/?page={page_of(asha)}").content.decode()

        assert "shown whole for 5 minutes, to you alone" in text
        assert f"It is recorded that you had them shown, when, and on this page: {page_of(asha)}." in text
        assert PHONE not in browser.get(page_of(asha)).content.decode()
        assert not Event.objects.filter(type="accounts.user.contact_details_viewed").exists()

    def test_a_click_shows_contacts_and_is_recorded(self, asha: User, browser: Client, support: User) -> None:
        with capture_logs() as lines:
            answer = show(browser, page_of(asha))

        text = browser.get(page_of(asha)).content.decode()
        event = Event.objects.get(type="accounts.user.contact_details_viewed")
        assert (answer.status_code, answer["Location"]) == (302, page_of(asha))
        assert (PHONE in text, EMAIL in text, "contacts/show" in text) == (True, True, False)
        assert (event.actor, event.subject_id, event.reason) == (
            f"user:{support.public_id}",
            support.pk,
            f"{page_of(asha)} ({asha.public_id})",
        )
        assert [(line["page"], line["of"]) for line in lines if line["event"] == "contact_details_viewed"] == [
            (page_of(asha), [asha.public_id])
        ]
        assert audit.run(now=clock.now(), only=["INV-51"]).failing == []

    def test_shown_contacts_are_masked_again_after_five_minutes(self, asha: User, browser: Client) -> None:
        with time_machine.travel(NOON, tick=False):
            show(browser, page_of(asha))
        with time_machine.travel(NOON + timedelta(minutes=5, seconds=-1), tick=False):
            assert PHONE in browser.get(page_of(asha)).content.decode()
        with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
            assert PHONE not in browser.get(page_of(asha)).content.decode()

    def test_contacts_are_shown_on_the_requested_page_alone(self, asha: User, browser: Client) -> None:
        address = make_address(asha, phone=PHONE)

        show(browser, page_of(asha))

        assert PHONE not in browser.get("/admin/accounts/user/").content.decode()
        assert PHONE not in browser.get(page_of(address)).content.decode()

    def test_contacts_are_shown_to_the_requester_alone(self, asha: User, browser: Client, finance: User) -> None:
        show(browser, page_of(asha))

        other = Client()
        other.force_login(finance)
        assert PHONE not in other.get(page_of(asha)).content.decode()

    @pytest.mark.parametrize(
        "page",
        [
            "",
            "/admin/",
            "/admin/accounts/user/",
            "https://evil.example/",
            "//evil.example",
            "/api/v1/me",
            "/admin/nothing/",
        ],
    )
    def test_no_other_page_is_shown_and_nothing_is_recorded(self, browser: Client, page: str) -> None:
        answer = show(browser, page)

        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        assert not Event.objects.filter(type="accounts.user.contact_details_viewed").exists()

    def test_another_spelling_of_an_id_is_no_page(self, asha: User, browser: Client) -> None:
        for spelling in (f"{'-' * 600}{asha.pk.hex}", asha.pk.hex, str(asha.pk).upper(), f"{{{asha.pk}}}"):
            page = f"/admin/accounts/user/{spelling}/change/"

            assert show(browser, page)["Location"] == "/admin/"
            assert browser.get(page)["Location"] == "/admin/"
        assert show(browser, f"{page_of(asha)}?x=1")["Location"] == "/admin/"
        assert not Event.objects.filter(type="accounts.user.contact_details_viewed").exists()

    def test_the_record_names_the_person_whose_address_it_is(self, asha: User, browser: Client) -> None:
        address = make_address(asha, phone=PHONE)

        show(browser, page_of(address))

        event = Event.objects.get(type="accounts.user.contact_details_viewed")
        assert event.reason == f"{page_of(address)} ({address.public_id}, {asha.public_id})"

    def test_a_stranger_is_asked_to_log_in(self, asha: User) -> None:
        answer = show(Client(), page_of(asha))

        assert answer["Location"].startswith("/admin/login/")
        assert not Event.objects.filter(type="accounts.user.contact_details_viewed").exists()

    def test_forbidden_page_stays_forbidden(self, asha: User, reference_data: None) -> None:
        client = Client()
        client.force_login(make_staff("catalogue_manager"))

        show(client, page_of(asha))

        assert client.get(page_of(asha)).status_code == 403
