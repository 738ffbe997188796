"""Nobody is locked out by strangers: a device on which they have logged in is counted apart, and success does not count."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client, override_settings
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import RateLimitCounter, Session, User
from apps.accounts.services.sessions import Device
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.errors import RateLimited
from tests.factories.accounts import make_user
from tests.support.otp import CODE, set_code

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
    def test_strangers_cannot_lock_a_known_device_out(self, known: Client, support: User) -> None:
        for number in range(6):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        assert "Too many attempts." in log_in(Client(), support.email, ip="192.0.2.1").content.decode()
        assert log_in(known, support.email).status_code == 302
        assert is_in(known)

    def test_strangers_at_the_same_address_cannot_lock_a_known_device_out(self, known: Client, support: User) -> None:
        for number in range(6):
            log_in(Client(), f"somebody{number}@shop.example", "wrong")

        assert "Too many attempts." in log_in(Client(), support.email).content.decode()
        assert log_in(known, support.email).status_code == 302

    def test_strangers_cannot_lock_a_known_device_out_for_an_hour(self, known: Client, support: User) -> None:
        now = clock.now()
        for number in range(20):
            with time_machine.travel(now + timedelta(minutes=2 * number), tick=False):
                log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        with time_machine.travel(now + timedelta(minutes=39), tick=False):
            stranger = log_in(Client(), support.email, ip="192.0.2.1").content.decode()
            assert "Too many attempts. Try again in 21 minutes." in stranger
            assert log_in(known, support.email).status_code == 302

    def test_strangers_cannot_lock_a_known_device_out_of_the_api(self, asha: User) -> None:
        phone = APIClient()
        assert api_log_in(phone, "asha@example.in").status_code == 200
        for number in range(6):
            api_log_in(APIClient(), "asha@example.in", "wrong", ip=f"198.51.100.{number}")

        refused = api_log_in(APIClient(), "asha@example.in", ip="192.0.2.1")

        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert refused.json()["error"]["message"].startswith("Too many attempts. Try again in ")
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert api_log_in(phone, "asha@example.in").status_code == 200

    def test_the_api_and_the_back_office_count_together(self, support: User) -> None:
        for number in range(3):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")
        for number in range(2):
            api_log_in(APIClient(), support.email, "wrong", ip=f"198.51.101.{number}")

        assert api_log_in(APIClient(), support.email, ip="192.0.2.1").status_code == 429
        assert "Too many attempts." in log_in(Client(), support.email, ip="192.0.2.2").content.decode()


class TestKnownDevice:
    def test_a_known_device_has_five_attempts_a_minute(self, known: Client, support: User) -> None:
        with time_machine.travel(clock.now(), tick=False):
            pages = [log_in(known, support.email, "wrong", ip=f"198.51.100.{number}") for number in range(5)]
            last = log_in(known, support.email)

        assert all("Too many attempts." not in page.content.decode() for page in pages)
        assert "Too many attempts. Try again in 60 seconds." in last.content.decode()
        assert not is_in(known)

    def test_a_known_device_has_twenty_attempts_an_hour(self, known: Client, support: User) -> None:
        now = clock.now()
        for number in range(20):
            with time_machine.travel(now + timedelta(minutes=2 * number), tick=False):
                log_in(known, support.email, "wrong")

        with time_machine.travel(now + timedelta(minutes=40), tick=False):
            assert "Try again in 20 minutes." in log_in(known, support.email).content.decode()
        with time_machine.travel(now + timedelta(minutes=60, seconds=1), tick=False):
            assert log_in(known, support.email).status_code == 302

    def test_wrong_guesses_on_a_known_device_do_not_count_for_strangers(self, known: Client, support: User) -> None:
        for _ in range(6):
            log_in(known, support.email, "wrong")

        assert log_in(Client(), support.email, ip="192.0.2.1").status_code == 302

    def test_a_device_is_known_only_for_people_who_logged_in_there(self, known: Client, finance: User) -> None:
        for number in range(5):
            log_in(Client(), finance.email, "wrong", ip=f"198.51.100.{number}")

        assert "Too many attempts." in log_in(known, finance.email).content.decode()

    def test_a_shared_device_is_known_for_each_person(self, known: Client, support: User, finance: User) -> None:
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
    def test_a_forged_cookie_makes_no_known_device(self, known: Client, support: User, forged: str) -> None:
        value = known.cookies["bahi_device"].value
        for number in range(5):
            log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

        for cookie in (forged, value[:-1] + ("A" if value[-1] != "A" else "B"), value.partition(":")[0]):
            browser = Client()
            browser.cookies["bahi_device"] = cookie
            assert "Too many attempts." in log_in(browser, support.email, ip="192.0.2.1").content.decode()

    def test_a_device_is_forgotten_after_ninety_days(self, known: Client, support: User) -> None:
        later = clock.now() + timedelta(days=90, seconds=1)
        with time_machine.travel(later, tick=False):
            for number in range(5):
                log_in(Client(), support.email, "wrong", ip=f"198.51.100.{number}")

            assert "Too many attempts." in log_in(known, support.email).content.decode()

    def test_a_failed_log_in_makes_no_known_device(self, support: User) -> None:
        browser = Client()

        log_in(browser, support.email, "wrong")

        assert "bahi_device" not in browser.cookies

    def test_a_log_in_by_code_makes_a_known_device(self, asha: User) -> None:
        phone = APIClient()
        challenge = set_code(
            services.request_log_in_code(
                destination="asha@example.in", ip=OFFICE, actor=services.ANONYMOUS, now=clock.now()
            )
        )
        phone.post("/api/v1/auth/otp/verify", {"challenge_id": challenge.public_id, "code": CODE}, format="json")
        for number in range(5):
            api_log_in(APIClient(), "asha@example.in", "wrong", ip=f"198.51.100.{number}")

        assert api_log_in(phone, "asha@example.in").status_code == 200

    def test_log_ins_by_phone_and_by_e_mail_make_one_known_device(self, asha: User) -> None:
        phone = APIClient()
        api_log_in(phone, "asha@example.in")
        for _ in range(5):
            api_log_in(phone, "asha@example.in", "wrong")

        body = {"phone": "+919876500001", "password": PASSWORD}
        assert phone.post("/api/v1/auth/login", body, format="json").status_code == 429


class TestSuccessDoesNotCount:
    def test_log_ins_to_the_back_office_that_succeed_do_not_count(self, support: User) -> None:
        for _ in range(12):
            assert log_in(Client(), support.email).status_code == 302

        assert not RateLimitCounter.objects.exclude(hits=[]).exists()

    def test_log_ins_to_the_api_that_succeed_do_not_count(self, asha: User) -> None:
        assert [api_log_in(APIClient(), "asha@example.in").status_code for _ in range(12)] == [200] * 12

    def test_a_log_in_that_succeeds_forgives_no_wrong_password(self, asha: User) -> None:
        answers = []
        for _ in range(4):
            api_log_in(APIClient(), "asha@example.in", "wrong")
            answers.append(api_log_in(APIClient(), "asha@example.in").status_code)
        api_log_in(APIClient(), "asha@example.in", "wrong")

        assert answers == [200] * 4
        assert api_log_in(APIClient(), "asha@example.in").status_code == 429

    def test_a_customers_correct_password_counts_in_the_back_office(self, asha: User) -> None:
        for _ in range(5):
            assert log_in(Client(), asha.email or "").status_code == 200

        assert "Too many attempts." in log_in(Client(), asha.email or "").content.decode()

    def test_a_refused_attempt_checks_no_password(self, asha: User) -> None:
        device = Device(ip=OFFICE, user_agent="", transport=Transport.BODY)
        for _ in range(5):
            api_log_in(APIClient(), "asha@example.in", "wrong")

        with pytest.raises(RateLimited) as refusal:
            services.log_in_with_password(identity="asha@example.in", password=PASSWORD, device=device, now=clock.now())

        assert not Session.objects.exists()
        assert refusal.value.retry_after is not None
