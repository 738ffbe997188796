"""Staff change their password in the back office as anybody does over the API: by a fresh code, and all access ends."""

import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError
from django.test import Client
from django.urls import NoReverseMatch, reverse

from apps.accounts import services
from apps.accounts.models import Challenge, Session, User
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from tests.factories.accounts import make_session, make_staff
from tests.support.admin_clients import signed_in
from tests.support.otp import CODE, WRONG, set_code

pytestmark = pytest.mark.django_db
URL = "/admin/password_change/"
OLD, NEW = "correct horse battery", "seven brown buffaloes"


def send(client: Client) -> Challenge:
    """Ask for a code at the page and let the test know it."""
    assert client.post(URL, {"send": "1"}).status_code == 302
    return set_code(Challenge.objects.latest("created_at"))


def fill_in(client: Client, *, code: str = CODE, password: str = NEW, again: str | None = None) -> Any:
    return client.post(
        URL, {"code": code, "password": password, "password_again": password if again is None else again}
    )


def unchanged(user: User) -> bool:
    now = User.objects.get(pk=user.pk)
    is_told = Event.objects.filter(type="accounts.user.password_changed").exists()
    return now.check_password(OLD) and now.session_version == user.session_version and not is_told


class TestRequestCode:
    def test_the_page_says_where_the_code_is_sent_and_what_will_happen(self, support: User) -> None:
        page = signed_in(support).get(URL).content.decode()

        assert f"s***@{support.email.split('@')[1]}" in page
        assert "All your sessions end, here and in apps" in page
        assert "Send the code" in page
        assert 'name="old_password"' not in page
        assert 'name="code"' not in page

    def test_it_is_bound_to_the_person_and_to_a_password(self, support: User) -> None:
        client = signed_in(support)

        challenge = send(client)

        assert (challenge.user_id, challenge.purpose, challenge.destination) == (
            support.pk, "set_password", support.email,
        )  # fmt: skip
        event = Event.objects.get()
        assert (event.type, event.actor) == ("accounts.challenge.requested", f"user:{support.public_id}")
        assert 'name="code"' in client.get(URL).content.decode()
        assert unchanged(support)

    def test_the_code_is_sent_to_the_phone_first(self) -> None:
        from django.contrib.auth.models import Group

        Group.objects.get_or_create(name="support")
        member = make_staff("support", phone="+919876500009")
        client = signed_in(member)

        assert "+91******0009" in client.get(URL).content.decode()
        assert send(client).channel == "sms"

    def test_rate_limits_are_those_of_the_api(self, support: User) -> None:
        client = signed_in(support)
        send(client)

        again = client.post(URL, {"send": "1"}, follow=True)

        assert "Too many attempts. Try again in 30 seconds." in again.content.decode()
        assert Challenge.objects.count() == 1


class TestChangeMyPassword:
    def test_a_fresh_code_changes_it_and_ends_all_other_access(self, support: User, client_of: Any) -> None:
        session, elsewhere, client = make_session(support), signed_in(support), signed_in(support)
        app = client_of(support)
        assert app.get("/api/v1/me").status_code == 200
        challenge = send(client)

        answer = fill_in(client)

        support.refresh_from_db()
        challenge.refresh_from_db()
        session.refresh_from_db()
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        assert support.check_password(NEW)
        assert (support.session_version, session.end_reason) == (2, "access_changed")
        assert challenge.used_at is not None
        assert not Session.objects.filter(ended_at__isnull=True).exists()
        assert app.get("/api/v1/me").status_code == 401
        assert elsewhere.get("/admin/").status_code == 302
        assert "Your password has been changed." in client.get("/admin/").content.decode()
        event = Event.objects.get(type="accounts.user.password_changed")
        assert (event.actor, event.changes) == (f"user:{support.public_id}", {"session_version": 2})

    def test_a_code_works_once(self, support: User) -> None:
        client = signed_in(support)
        send(client)
        fill_in(client)

        fill_in(client, password="nine green parrots")

        assert User.objects.get(pk=support.pk).check_password(NEW)
        assert Event.objects.filter(type="accounts.user.password_changed").count() == 1

    def test_five_wrong_codes_lock_the_right_one_out(self, support: User) -> None:
        client = signed_in(support)
        challenge = send(client)

        pages = [fill_in(client, code=WRONG) for _ in range(5)]
        last = fill_in(client)

        challenge.refresh_from_db()
        assert "That code is incorrect or has expired. Request a new one." in pages[0].content.decode()
        assert [page.status_code for page in [*pages, last]] == [200] * 6
        assert challenge.attempts == 5
        assert unchanged(support)

    def test_a_code_expires_after_five_minutes(self, support: User) -> None:
        client = signed_in(support)
        with time_machine.travel(clock.now() - timedelta(minutes=5), tick=False):
            client.force_login(support)
            send(client)

        assert fill_in(client).status_code == 200
        assert unchanged(support)

    @pytest.mark.parametrize(
        ("form", "sentence"),
        [
            ({"password": "short"}, "This password is too short."),
            ({"password": "1234567890123"}, "This password is entirely numeric."),
            ({"again": "seven brown buffalos"}, "The two passwords differ."),
            ({"code": "12345"}, "A code has six digits."),
            ({"code": "１２３４５６"}, "A code has six digits."),
        ],
    )
    def test_a_wrong_form_counts_no_attempt(self, support: User, form: dict[str, str], sentence: str) -> None:
        client = signed_in(support)
        challenge = send(client)

        page = fill_in(client, **form).content.decode()

        challenge.refresh_from_db()
        assert sentence in page
        assert NEW not in page
        assert challenge.attempts == 0
        assert unchanged(support)

    def test_without_a_code_nothing_happens(self, support: User) -> None:
        page = fill_in(signed_in(support))

        assert page.status_code == 302
        assert unchanged(support)

    def test_the_old_password_changes_nothing_however_often_it_is_entered(self, support: User) -> None:
        client = signed_in(support)
        form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}

        for _ in range(7):
            client.post(URL, form)

        assert unchanged(support)

    def test_nobody_uses_somebody_elses_code(self, support: User, finance: User) -> None:
        theirs, mine = signed_in(finance), signed_in(support)
        challenge = send(theirs)
        session = mine.session
        session["password_challenge"] = challenge.public_id
        session.save()

        fill_in(mine)

        challenge.refresh_from_db()
        assert (challenge.attempts, challenge.used_at) == (0, None)
        assert unchanged(support)
        assert unchanged(finance)

    def test_a_code_that_logs_in_changes_no_password(self, support: User) -> None:
        client = signed_in(support)
        challenge = set_code(
            services.request_log_in_code(destination=support.email, ip="203.0.113.7", actor=SYSTEM, now=clock.now())
        )
        session = client.session
        session["password_challenge"] = challenge.public_id
        session.save()

        fill_in(client)

        assert unchanged(support)

    def test_strangers_stay_outside(self, owner: User) -> None:
        for client in (Client(), signed_in(owner)):
            assert client.post(URL, {"send": "1"})["Location"].startswith("/admin/login/")
        assert not Challenge.objects.exists()

    def test_the_page_of_django_is_gone(self, support: User) -> None:
        assert signed_in(support).get("/admin/password_change/done/").status_code == 404
        with pytest.raises(NoReverseMatch):
            reverse("admin:password_change_done")


class TestChangePasswordCommand:
    """`manage.py changepassword`, which Django brings along."""

    def run(self, monkeypatch: pytest.MonkeyPatch, email: str, *typed: str) -> str:
        answers = iter(typed)
        monkeypatch.setattr("getpass.getpass", lambda **_: next(answers))
        out = io.StringIO()
        call_command("changepassword", email, stdout=out)
        return out.getvalue()

    def test_command_is_bahis_own(self) -> None:
        assert get_commands()["changepassword"] == "apps.accounts"

    def test_it_ends_all_access_and_is_recorded(self, support: User, monkeypatch: pytest.MonkeyPatch) -> None:
        session = make_session(support)

        said = self.run(monkeypatch, support.email.upper(), NEW, NEW)

        support.refresh_from_db()
        session.refresh_from_db()
        assert support.check_password(NEW)
        assert (support.session_version, session.end_reason) == (2, "access_changed")
        assert "All their sessions have ended." in said
        event = Event.objects.get(type="accounts.user.password_changed")
        assert event.actor == "operator:changepassword"

    @pytest.mark.parametrize("typed", [("short", "short"), (NEW, "another " + NEW), ("", "")])
    def test_it_refuses_what_the_api_refuses(
        self, support: User, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, str]
    ) -> None:
        with pytest.raises(CommandError):
            self.run(monkeypatch, support.email, *typed)

        assert unchanged(support)

    def test_unknown_person_is_refused(self, reference_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CommandError, match="Nobody logs in with nobody@shop.example."):
            self.run(monkeypatch, "nobody@shop.example", NEW, NEW)
