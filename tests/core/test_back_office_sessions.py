"""A log-in of the back office ends after 30 minutes without a request, and 8 hours after it in any case."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.test import Client
from django_redis.client import DefaultClient
from django_redis.exceptions import ConnectionInterrupted

from apps.accounts.models import User
from apps.accounts.services import set_roles
from apps.core import clock
from apps.core.events import SYSTEM

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(**after: float) -> Any:
    return time_machine.travel(NOON + timedelta(**after), tick=False)


@pytest.fixture
def browser(support: User) -> Client:
    """The browser of a member of staff who logged in at noon."""
    client = Client()
    with at():
        client.post("/admin/login/?next=/admin/", {"username": support.email, "password": "correct horse battery"})
    return client


class TestIdle:
    def test_a_request_within_half_an_hour_is_answered(self, browser: Client) -> None:
        with at(minutes=29, seconds=59):
            assert browser.get("/admin/").status_code == 200

    def test_after_half_an_hour_the_page_asks_to_log_in_and_says_why(self, browser: Client) -> None:
        with at(minutes=30):
            answer = browser.get("/admin/orders/order/")
            page = browser.get(answer["Location"]).content.decode()

        assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/orders/order/")
        assert "You were logged out after 30 minutes without activity. Log in again." in page
        assert [SESSION_KEY in session.get_decoded() for session in Session.objects.all()] == [False]

    def test_each_request_begins_the_half_hour_again(self, browser: Client) -> None:
        for minutes in (29, 58, 87):
            with at(minutes=minutes):
                assert browser.get("/admin/").status_code == 200
        with at(minutes=117):
            assert browser.get("/admin/").status_code == 302

    def test_an_action_after_it_does_nothing(self, browser: Client, support: User, finance: User) -> None:
        set_roles(user_id=support.pk, roles=["admin"], actor=SYSTEM, now=clock.now())
        before = User.objects.get(pk=finance.pk).is_active

        with at(minutes=31):
            answer = browser.post(f"/admin/accounts/user/{finance.pk}/deactivate/", {"reason": "x"})

        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
        assert User.objects.get(pk=finance.pk).is_active == before


class TestLifetime:
    def visit_until(self, browser: Client, hours: int) -> None:
        for half in range(1, hours * 2 * 2):
            with at(minutes=15 * half):
                assert browser.get("/admin/").status_code == 200

    def test_it_ends_after_eight_hours_however_busy(self, browser: Client) -> None:
        self.visit_until(browser, 8)

        with at(hours=8, seconds=-1):
            assert browser.get("/admin/").status_code == 200
        with at(hours=8):
            answer = browser.get("/admin/")
            page = browser.get(answer["Location"]).content.decode()
        assert answer.status_code == 302
        assert "You were logged out because you logged in 8 hours ago. Log in again." in page

    def test_a_new_log_in_has_eight_hours_of_its_own(self, browser: Client, support: User) -> None:
        with at(hours=8):
            assert browser.get("/admin/").status_code == 302
            browser.post("/admin/login/?next=/admin/", {"username": support.email, "password": "correct horse battery"})
        with at(hours=8, minutes=29):
            assert browser.get("/admin/").status_code == 200


class TestSession:
    def test_its_cookie_and_its_row_last_eight_hours(self, browser: Client) -> None:
        assert browser.cookies["sessionid"]["max-age"] == 8 * 60 * 60
        assert Session.objects.get().expire_date == NOON + timedelta(hours=8)

    def test_a_session_without_instants_begins_with_this_request(self, browser: Client) -> None:
        with at(minutes=1):
            session = browser.session
            del session["started_at"], session["used_at"]
            session.save()

            assert browser.get("/admin/").status_code == 200
        with at(minutes=31):
            assert browser.get("/admin/").status_code == 302

    def test_the_api_neither_reads_nor_renews_it(self, browser: Client) -> None:
        with at(minutes=20):
            assert browser.get("/api/v1/me").status_code == 401
        with at(minutes=30):
            assert browser.get("/admin/").status_code == 302

    def test_requests_close_together_write_it_once(self, browser: Client) -> None:
        with at(minutes=1):
            browser.get("/admin/")
            before = Session.objects.get().session_data
            browser.get("/admin/")

        assert Session.objects.get().session_data == before


class TestLogOut:
    """A log-out holds at once: whoever has copied the cookie is asked to log in, whatever Redis does meanwhile."""

    def log_in(self, staff: User) -> Client:
        client = Client()
        client.post("/admin/login/?next=/admin/", {"username": staff.email, "password": "correct horse battery"})
        assert client.get("/admin/").status_code == 200
        return client

    def copy_of(self, browser: Client) -> Client:
        copy = Client()
        copy.cookies["sessionid"] = browser.cookies["sessionid"].value
        return copy

    def status_after_log_out_without_redis(self, staff: User) -> int:
        browser = self.log_in(staff)
        copy = self.copy_of(browser)
        with mock.patch.object(DefaultClient, "delete", side_effect=ConnectionInterrupted(None)):
            browser.post("/admin/logout/")
        return copy.get("/admin/").status_code

    def status_after_log_out_during_a_request(self, staff: User, engine: str) -> int:
        """Return how a copy is answered if another request has read the row before the log-out, and goes on after it."""
        browser = self.log_in(staff)
        copy = self.copy_of(browser)
        caches["default"].clear()
        store: Any = import_module(engine).SessionStore(browser.cookies["sessionid"].value)
        read_row = store._get_session_from_db

        def read_and_be_late() -> Any:
            row = read_row()
            browser.post("/admin/logout/")
            return row

        store._get_session_from_db = read_and_be_late
        store.load()
        return copy.get("/admin/").status_code

    def test_it_holds_if_redis_does_not_answer(self, support: User) -> None:
        assert self.status_after_log_out_without_redis(support) == 302

    def test_a_request_that_is_under_way_does_not_undo_it(self, support: User, settings: Any) -> None:
        assert self.status_after_log_out_during_a_request(support, settings.SESSION_ENGINE) == 302

    def test_control_neither_holds_for_sessions_that_are_cached(self, support: User, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

        assert self.status_after_log_out_without_redis(support) == 200
        assert self.status_after_log_out_during_a_request(support, settings.SESSION_ENGINE) == 200
