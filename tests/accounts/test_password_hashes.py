"""A password hash that is made otherwise today is replaced when its owner logs in."""

import threading
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.db import connection
from django.test import Client, override_settings
from rest_framework.test import APIClient

from apps.accounts import services
from apps.accounts.models import Session, User
from apps.accounts.services.log_in import InvalidCredentials
from apps.accounts.services.sessions import Device
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.models import Event
from tests.factories.accounts import make_user

PASSWORD = "correct horse battery"
DEVICE = Device(ip="203.0.113.7", user_agent="", transport=Transport.BODY)
#: The tests hash with MD5; this is what stands there of a time before.
OLD = "pbkdf2_sha256"


@pytest.fixture
def asha(db: None) -> User:
    return make_user_with_old_hash()


def make_user_with_old_hash() -> User:
    user = make_user(email="asha@example.in")
    user.password = make_password(PASSWORD, hasher=OLD)
    user.save()
    return user


def algorithm(user: User) -> str:
    return str(User.objects.get(pk=user.pk).password.partition("$")[0])


def log_in(password: str = PASSWORD) -> Any:
    return services.log_in_with_password(identity="asha@example.in", password=password, device=DEVICE, now=clock.now())


class TestUpgradePasswordHash:
    def test_over_the_api(self, asha: User) -> None:
        version, events = asha.version, Event.objects.filter(subject_id=asha.pk).count()

        log_in()

        asha.refresh_from_db()
        assert asha.password.startswith("md5$")
        assert check_password(PASSWORD, asha.password)
        assert (asha.version, Event.objects.filter(subject_id=asha.pk).count()) == (version, events)

    def test_in_the_admin_and_the_session_goes_on(self, support: User) -> None:
        User.objects.filter(pk=support.pk).update(password=make_password(PASSWORD, hasher=OLD))
        browser = Client()

        answer = browser.post("/admin/login/?next=/admin/", {"username": support.email, "password": PASSWORD})

        assert answer.status_code == 302
        assert algorithm(support) == "md5"
        assert browser.get("/admin/").status_code == 200

    def test_fewer_rounds_than_today_count_as_old(self, asha: User) -> None:
        with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]):
            from django.contrib.auth.hashers import BCryptSHA256PasswordHasher, get_hasher

            quick: Any = get_hasher("bcrypt_sha256")
            assert isinstance(quick, BCryptSHA256PasswordHasher)
            quick.rounds = 4
            User.objects.update(password=quick.encode(PASSWORD, quick.salt()))
            quick.rounds = 5

            log_in()

            assert User.objects.get().password.startswith("bcrypt_sha256$$2b$05$")

    def test_a_hash_of_today_stays(self, asha: User) -> None:
        log_in()
        before = User.objects.get().password

        log_in()

        assert User.objects.get().password == before

    def test_a_wrong_password_upgrades_nothing(self, asha: User) -> None:
        with pytest.raises(InvalidCredentials):
            log_in("wrong")

        assert algorithm(asha) == OLD

    def test_deactivated_user_upgrades_nothing(self, asha: User) -> None:
        User.objects.update(is_active=False)

        with pytest.raises(InvalidCredentials):
            log_in()
        assert algorithm(asha) == OLD

    def test_sessions_and_tokens_stay(self, asha: User) -> None:
        phone = APIClient()
        access = log_in().session
        User.objects.update(password=make_password(PASSWORD, hasher=OLD))
        version = User.objects.get().session_version

        answer = phone.post("/api/v1/auth/login", {"email": "asha@example.in", "password": PASSWORD}, format="json")

        assert answer.status_code == 200
        assert User.objects.get().session_version == version
        assert Session.objects.get(pk=access.pk).ended_at is None


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestUpgradeRaces:
    def at_once(self, count: int, act: Any) -> list[str]:
        outcomes: list[str] = []

        def work() -> None:
            try:
                act()
                outcomes.append("done")
            except InvalidCredentials:
                outcomes.append("refused")
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return sorted(outcomes)

    def meet_before_hashing(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """Let `count` log-ins have checked the old hash before one of them replaces it."""
        barrier, real = threading.Barrier(count), make_password

        def hash_together(password: str | None, *args: Any, **options: Any) -> str:
            if password == PASSWORD:
                barrier.wait(30)
            return real(password, *args, **options)

        monkeypatch.setattr("apps.accounts.services.log_in.make_password", hash_together)

    def test_log_ins_at_once_all_succeed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = make_user_with_old_hash()
        self.meet_before_hashing(monkeypatch, 3)

        assert self.at_once(3, log_in) == ["done"] * 3
        assert algorithm(asha) == "md5"

    def test_a_password_changed_meanwhile_stays_changed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = make_user_with_old_hash()
        self.change_while_upgrading(asha, monkeypatch)

        assert self.at_once(1, log_in) == ["refused"]
        assert check_password("another horse battery", User.objects.get().password)
        assert not Session.objects.exists()

    def test_control_saving_what_was_read_brings_the_old_password_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asha = make_user_with_old_hash()
        self.change_while_upgrading(asha, monkeypatch)

        def save(user: User, password: str) -> User:
            from apps.accounts.services import log_in as module

            user.password = module.make_password(password)
            user.save(update_fields=["password"])
            return user

        monkeypatch.setattr("apps.accounts.services.log_in._upgrade_password_hash", save)

        assert self.at_once(1, log_in) == ["done"]
        assert check_password(PASSWORD, User.objects.get().password)

    def change_while_upgrading(self, asha: User, monkeypatch: pytest.MonkeyPatch) -> None:
        real = make_password

        def hash_late(password: str | None, *args: Any, **options: Any) -> str:
            if password == PASSWORD:
                User.objects.filter(pk=asha.pk).update(password=real("another horse battery"))
            return real(password, *args, **options)

        monkeypatch.setattr("apps.accounts.services.log_in.make_password", hash_late)
