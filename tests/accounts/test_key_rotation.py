"""Signing keys are changed without logging anybody out: the earlier ones are accepted until they are taken out."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.test import Client, override_settings
from rest_framework.test import APIClient

from apps.accounts.authentication import key_id
from apps.accounts.models import User
from apps.core import clock
from tests.factories.accounts import make_access_token, make_user
from tests.support.tokens import sign

pytestmark = pytest.mark.django_db
NEW = "the key from now on, which protects nothing at all"


def rotated(*, fallbacks: int = 1) -> Any:
    """Return the settings after a change of both keys; with no fallbacks the ones before are forgotten."""
    return override_settings(
        JWT_SIGNING_KEY=f"tokens: {NEW}",
        JWT_SIGNING_KEY_FALLBACKS=[settings.JWT_SIGNING_KEY][:fallbacks],
        SECRET_KEY=f"sessions: {NEW}",
        SECRET_KEY_FALLBACKS=[settings.SECRET_KEY][:fallbacks],
    )


def me(token: str) -> int:
    return int(APIClient().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {token}").status_code)


def claims(user: User, **changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(make_access_token(user), options={"verify_signature": False})
    return {**read, **changes}


class TestTokens:
    def test_a_token_names_its_key(self) -> None:
        header = jwt.get_unverified_header(make_access_token(make_user()))

        assert header == {"alg": "HS256", "typ": "JWT", "kid": key_id(settings.JWT_SIGNING_KEY)}
        assert settings.JWT_SIGNING_KEY[:4] not in header["kid"]

    def test_a_token_of_the_earlier_key_is_accepted(self) -> None:
        token = make_access_token(make_user())

        with rotated():
            assert me(token) == 200

    def test_a_token_of_a_removed_key_is_refused(self) -> None:
        token = make_access_token(make_user())

        with rotated(fallbacks=0):
            assert me(token) == 401

    def test_new_tokens_are_signed_with_the_new_key(self) -> None:
        with rotated():
            token = make_access_token(make_user())
            assert me(token) == 200

        assert me(token) == 401
        assert jwt.get_unverified_header(token)["kid"] == key_id(f"tokens: {NEW}")

    def test_a_token_that_names_no_key_is_refused(self) -> None:
        token = jwt.encode(claims(make_user()), settings.JWT_SIGNING_KEY, algorithm="HS256")

        assert me(token) == 401

    def test_a_known_key_id_on_a_strangers_signature_is_refused(self) -> None:
        headers = {"kid": key_id(settings.JWT_SIGNING_KEY)}
        token = jwt.encode(claims(make_user()), "a stranger's key, which is long enough", headers=headers)

        assert me(token) == 401

    @pytest.mark.parametrize("kid", ["unknown", "", "../../etc/passwd", "x" * 500])
    def test_an_unknown_key_id_on_a_good_signature_is_refused(self, kid: str) -> None:
        token = jwt.encode(claims(make_user()), settings.JWT_SIGNING_KEY, headers={"kid": kid})

        assert me(token) == 401

    def test_an_expired_token_stays_expired_under_every_key(self) -> None:
        past = int((clock.now() - timedelta(seconds=1)).timestamp())
        token = sign(claims(make_user(), exp=past))

        with rotated():
            assert me(token) == 401

    def test_a_refresh_token_goes_on_and_comes_back_under_the_new_key(self, client: Any, logged_in: Any) -> None:
        first = logged_in(APIClient()).json()

        with rotated():
            answer = APIClient().post("/api/v1/auth/refresh", {"refresh_token": first["refresh_token"]}, format="json")
            assert answer.status_code == 200
            assert jwt.get_unverified_header(answer.json()["refresh_token"])["kid"] == key_id(f"tokens: {NEW}")


class TestBackOffice:
    def log_in(self, member: User) -> Client:
        browser = Client()
        browser.post("/admin/login/?next=/admin/", {"username": member.email, "password": "correct horse battery"})
        assert browser.get("/admin/").status_code == 200
        return browser

    def test_a_session_outlives_the_change_of_the_key(self, support: User) -> None:
        browser = self.log_in(support)

        with rotated():
            assert browser.get("/admin/").status_code == 200

    def test_control_a_session_ends_without_the_earlier_key(self, support: User) -> None:
        browser = self.log_in(support)

        with rotated(fallbacks=0):
            assert browser.get("/admin/").status_code == 302

    def test_a_session_used_after_the_change_is_bound_to_the_new_key(self, support: User) -> None:
        browser = self.log_in(support)

        with rotated():
            browser.get("/admin/")
        with rotated(fallbacks=0):
            assert browser.get("/admin/").status_code == 200

    def test_a_device_stays_known(self, support: User) -> None:
        browser = self.log_in(support)
        browser.post("/admin/logout/")

        with rotated():
            for number in range(5):
                wrong = {"username": support.email, "password": "wrong"}
                Client().post("/admin/login/", wrong, REMOTE_ADDR=f"198.51.100.{number}")
            self_again = browser.post(
                "/admin/login/?next=/admin/", {"username": support.email, "password": "correct horse battery"}
            )

            assert self_again.status_code == 302
