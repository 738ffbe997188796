"""Nobody is locked out by strangers: a device on which they have logged in is counted apart, and success does not count."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import Budget, Session, User
from apps.accounts.services.sessions import Device
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.errors import RateLimited
from tests.accounts.conftest import CODE, put_code
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
STRANGER, OFFICE = "198.51.100.9", "203.0.113.7"


def log_in(client: Client, email: str, password: str = PASSWORD, *, ip: str = OFFICE) -> Any:
    return client.post("/admin/login/?next=/admin/", {"username": email, "password": password}, REMOTE_ADDR=ip)


def api_log_in(client: Any, email: str, password: str = PASSWORD, *, ip: str = OFFICE, **body: Any) -> Any:
    return client.post(
        "/api/v1/auth/login", {"email": email, "password": password, **body}, format="json", REMOTE_ADDR=ip
    )


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.fixture
def known(support: User) -> Client:
    """The browser of a member of staff, who has logged in there before and logged out."""
    browser = Client()
    assert log_in(browser, support.email).status_code == 302
    browser.post("/admin/logout/")
    assert not is_in(browser)
    return browser


@pytest.fixture
def asha(db: None) -> User:
    user = make_user(phone="+919876500001", email="asha@example.in")
    user.set_password(PASSWORD)
    user.save()
    return user


class TestStrangers:
    def test_they_lock_out_only_each_other(self, known: Client, support: User) -> None:
        for number in range(6):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        assert "Too many attempts." in log_in(Client(), support.email, ip="192.0.2.1").content.decode()
        assert log_in(known, support.email).status_code == 302
        assert is_in(known)

    def test_not_even_from_the_same_address(self, known: Client, support: User) -> None:
        for number in range(6):
            log_in(Client(), f"somebody{number}@shop.example", "wrong")

        assert "Too many attempts." in log_in(Client(), support.email).content.decode()
        assert log_in(known, support.email).status_code == 302

    def test_nor_for_the_rest_of_the_hour(self, known: Client, support: User) -> None:
        now = clock.now()
        for number in range(20):
            with time_machine.travel(now + timedelta(minutes=2 * number), tick=False):
                log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        with time_machine.travel(now + timedelta(minutes=39), tick=False):
            stranger = log_in(Client(), support.email, ip="192.0.2.1").content.decode()
            assert "Too many attempts. Try again in 21 minutes." in stranger
            assert log_in(known, support.email).status_code == 302

    def test_over_the_api_too(self, asha: User) -> None:
        phone = APIClient()
        assert api_log_in(phone, "asha@example.in").status_code == 200
        for number in range(6):
            api_log_in(APIClient(), "asha@example.in", "wrong", ip=f"198.51.100.{number}")

        refused = api_log_in(APIClient(), "asha@example.in", ip="192.0.2.1")

        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert refused.json()["error"]["message"].startswith("Too many attempts. Try again in ")
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert api_log_in(phone, "asha@example.in").status_code == 200

    def test_both_doors_count_as_one(self, support: User) -> None:
        for number in range(3):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")
        for number in range(2):
            api_log_in(APIClient(), support.email, "wrong", ip=f"198.51.101.{number}")

        assert api_log_in(APIClient(), support.email, ip="192.0.2.1").status_code == 429
        assert "Too many attempts." in log_in(Client(), support.email, ip="192.0.2.2").content.decode()


class TestKnownDevice:
    def test_it_has_five_a_minute_of_its_own(self, known: Client, support: User) -> None:
        with time_machine.travel(clock.now(), tick=False):
            pages = [log_in(known, support.email, "wrong", ip=f"198.51.100.{number}") for number in range(5)]
            last = log_in(known, support.email)

        assert all("Too many attempts." not in page.content.decode() for page in pages)
        assert "Too many attempts. Try again in 60 seconds." in last.content.decode()
        assert not is_in(known)

    def test_and_twenty_an_hour(self, known: Client, support: User) -> None:
        now = clock.now()
        for number in range(20):
            with time_machine.travel(now + timedelta(minutes=2 * number), tick=False):
                log_in(known, support.email, "wrong")

        with time_machine.travel(now + timedelta(minutes=40), tick=False):
            assert "Try again in 20 minutes." in log_in(known, support.email).content.decode()
        with time_machine.travel(now + timedelta(minutes=60, seconds=1), tick=False):
            assert log_in(known, support.email).status_code == 302

    def test_what_it_guesses_wrong_is_not_the_strangers_to_bear(self, known: Client, support: User) -> None:
        for _ in range(6):
            log_in(known, support.email, "wrong")

        assert log_in(Client(), support.email, ip="192.0.2.1").status_code == 302

    def test_it_is_known_for_those_who_logged_in_there_alone(self, known: Client, finance: User) -> None:
        for number in range(5):
            log_in(Client(), finance.email, "wrong", ip=f"198.51.100.{number}")

        assert "Too many attempts." in log_in(known, finance.email).content.decode()

    def test_a_shared_one_is_known_for_each(self, known: Client, support: User, finance: User) -> None:
        assert log_in(known, finance.email).status_code == 302
        known.post("/admin/logout/")
        for member in (support, finance):
            for number in range(5):
                log_in(Client(), member.email, "wrong", ip=f"198.51.100.{number}")

        assert log_in(known, support.email).status_code == 302
        known.post("/admin/logout/")
        assert log_in(known, finance.email).status_code == 302

    def test_the_cookie_is_signed_and_out_of_reach(self, support: User) -> None:
        browser = Client()
        with override_settings(REFRESH_COOKIE_SECURE=True):
            log_in(browser, support.email)

        cookie = browser.cookies["bahi_device"]
        assert (cookie["httponly"], cookie["secure"], cookie["samesite"], cookie["path"]) == (True, True, "Strict", "/")
        assert cookie["max-age"] == 90 * 24 * 60 * 60
        assert support.email not in cookie.value

    @pytest.mark.parametrize("forged", ["", "x", "eyJpZCI6IngiLCJwZW9wbGUiOltdfQ:1abc:x", "\x00", "x" * 5000])
    def test_a_forged_one_is_a_strangers(self, known: Client, support: User, forged: str) -> None:
        value = known.cookies["bahi_device"].value
        for number in range(5):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        for cookie in (forged, value[:-1] + ("A" if value[-1] != "A" else "B"), value.partition(":")[0]):
            browser = Client()
            browser.cookies["bahi_device"] = cookie
            assert "Too many attempts." in log_in(browser, support.email, ip="192.0.2.1").content.decode()

    def test_it_is_forgotten_after_ninety_days(self, known: Client, support: User) -> None:
        later = clock.now() + timedelta(days=90, seconds=1)
        with time_machine.travel(later, tick=False):
            for number in range(5):
                log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

            assert "Too many attempts." in log_in(known, support.email).content.decode()

    def test_a_failed_log_in_makes_none(self, support: User) -> None:
        browser = Client()

        log_in(browser, support.email, "wrong")

        assert "bahi_device" not in browser.cookies

    def test_a_code_makes_one_known_too(self, asha: User) -> None:
        phone = APIClient()
        challenge = put_code(
            services.request_log_in_code(
                destination="asha@example.in", ip=OFFICE, actor=services.ANONYMOUS, now=clock.now()
            )
        )
        phone.post("/api/v1/auth/otp/verify", {"challenge_id": challenge.public_id, "code": CODE}, format="json")
        for number in range(5):
            api_log_in(APIClient(), "asha@example.in", "wrong", ip=f"198.51.100.{number}")

        assert api_log_in(phone, "asha@example.in").status_code == 200

    def test_by_phone_number_and_by_mail_it_is_one(self, asha: User) -> None:
        phone = APIClient()
        api_log_in(phone, "asha@example.in")
        for _ in range(5):
            api_log_in(phone, "asha@example.in", "wrong")

        body = {"phone": "+919876500001", "password": PASSWORD}
        assert phone.post("/api/v1/auth/login", body, format="json").status_code == 429


class TestSuccessDoesNotCount:
    def test_in_the_admin(self, support: User) -> None:
        for _ in range(12):
            assert log_in(Client(), support.email).status_code == 302

        assert not Budget.objects.exclude(hits=[]).exists()

    def test_over_the_api(self, asha: User) -> None:
        assert [api_log_in(APIClient(), "asha@example.in").status_code for _ in range(12)] == [200] * 12

    def test_nor_does_it_forgive_what_was_wrong(self, asha: User) -> None:
        answers = []
        for _ in range(4):
            api_log_in(APIClient(), "asha@example.in", "wrong")
            answers.append(api_log_in(APIClient(), "asha@example.in").status_code)
        api_log_in(APIClient(), "asha@example.in", "wrong")

        assert answers == [200] * 4
        assert api_log_in(APIClient(), "asha@example.in").status_code == 429

    def test_who_may_not_enter_has_not_succeeded(self, asha: User) -> None:
        for _ in range(5):
            assert log_in(Client(), asha.email or "").status_code == 200

        assert "Too many attempts." in log_in(Client(), asha.email or "").content.decode()

    def test_a_refused_try_is_looked_at_by_nobody(self, asha: User) -> None:
        device = Device(ip=OFFICE, user_agent="", transport=Transport.BODY)
        for _ in range(5):
            api_log_in(APIClient(), "asha@example.in", "wrong")

        with pytest.raises(RateLimited) as refusal:
            services.log_in_with_password(identity="asha@example.in", password=PASSWORD, device=device, now=clock.now())

        assert not Session.objects.exists()
        assert refusal.value.retry_after is not None
