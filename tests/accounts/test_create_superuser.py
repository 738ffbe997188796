"""`manage.py createsuperuser` makes an administrator as the back office does: by the service, with all its rules."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError
from structlog.testing import capture_logs

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core.models import Event
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db
EMAIL, PASSWORD = "asha@shop.example", "seven brown buffaloes"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("createsuperuser", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def given_password(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda password: monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)


class TestCreateSuperuser:
    def test_command_is_bahis_own(self) -> None:
        assert get_commands()["createsuperuser"] == "apps.accounts"

    def test_it_makes_an_administrator_and_is_recorded(self, reference_data: None, given_password: Any) -> None:
        given_password(PASSWORD)

        with capture_logs() as lines:
            said = run("--noinput", "--email", "Asha@Shop.example", "--name", "Asha Rao")

        user = User.objects.get()
        assert said == "asha@shop.example is an administrator and can log in at /admin/.\n"
        assert (user.email, user.name, user.is_staff, user.is_superuser) == (EMAIL, "Asha Rao", True, False)
        assert (selectors.list_roles(user), user.check_password(PASSWORD)) == (["admin"], True)
        assert user.has_perm("accounts.manage_users")
        event = Event.objects.get()
        assert (event.type, event.actor, event.changes["roles"]) == (
            "accounts.user.signed_up", "operator:createsuperuser", ["admin"],
        )  # fmt: skip
        [line] = [line for line in lines if line["event"] == "staff_created"]
        assert (line["user"], line["actor"], line["roles"], line["log_level"]) == (
            user.public_id, "operator:createsuperuser", ["admin"], "warning",
        )  # fmt: skip

    def test_it_asks_for_what_is_not_given(self, reference_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
        typed = iter([EMAIL, "Asha Rao"])
        monkeypatch.setattr("builtins.input", lambda _: next(typed))
        monkeypatch.setattr("getpass.getpass", lambda **_: PASSWORD)

        run()

        user = User.objects.get()
        assert (user.email, user.name, user.check_password(PASSWORD)) == (EMAIL, "Asha Rao", True)

    @pytest.mark.parametrize(
        ("email", "password", "sentence"),
        [
            (EMAIL, "abc",
             ("This password is too short. It must contain at least 10 characters. This password is too common. "
             "Nobody was added.")),
            ("nobody", PASSWORD, "email must be an e-mail address, such as asha@example.in. Nobody was added."),
            ("taken@shop.example", PASSWORD, "This e-mail address belongs to another account. Nobody was added."),
            ("", PASSWORD, "With --noinput, --email is needed. Nobody was added."),
            (EMAIL, "", "With --noinput, DJANGO_SUPERUSER_PASSWORD must hold the password. Nobody was added."),
        ],
    )  # fmt: skip
    def test_what_the_service_refuses_adds_nobody(
        self, reference_data: None, given_password: Any, email: str, password: str, sentence: str
    ) -> None:
        make_user(email="taken@shop.example")
        given_password(password)

        with pytest.raises(CommandError) as refused:
            run("--noinput", "--email", email)

        assert (str(refused.value), refused.value.returncode) == (sentence, 2)
        assert User.objects.count() == 1
        assert not Event.objects.exists()

    def test_two_passwords_that_differ_add_nobody(self, reference_data: None, monkeypatch: pytest.MonkeyPatch) -> None:
        typed = iter([PASSWORD, "another " + PASSWORD])
        monkeypatch.setattr("getpass.getpass", lambda **_: next(typed))

        with pytest.raises(CommandError, match=r"The two passwords differ\. Nobody was added\."):
            run("--email", EMAIL, "--name", "Asha Rao")

        assert not User.objects.exists()

    def test_without_a_terminal_to_ask_at_it_adds_nobody(
        self, reference_data: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO())

        with pytest.raises(
            CommandError, match=r"^The input ended before every question was answered\. Nothing was done\.$"
        ):
            run()

        assert not User.objects.exists()

    def test_without_roles_it_says_what_to_run_first(self, given_password: Any) -> None:
        Group.objects.all().delete()
        given_password(PASSWORD)

        with pytest.raises(
            CommandError, match=r"^There are no roles yet\. Run `manage\.py setup_reference_data` first\.$"
        ):
            run("--noinput", "--email", EMAIL)

        assert not User.objects.exists()
