"""Tokens that we signed and that say something odd: a leaked key or another release may have written them."""

from typing import Any

import jwt
import pytest
import time_machine
from rest_framework.test import APIClient

from apps.accounts import authentication
from apps.accounts.authentication import verify_refresh_token
from apps.accounts.models import RefreshToken, Session
from apps.accounts.services.sessions import InvalidRefreshToken
from apps.core import ids
from tests.factories.accounts import make_access_token
from tests.support.tokens import sign

ODD = ["x", "", None, [], {}, [1], "9" * 400, 10**30, -(10**30), 1e308, float("inf"), float("nan"), "1.5", "\x00"]


def refused(claims: dict[str, Any], claim: str, value: Any) -> bool:
    answer = ask({**claims, claim: value})
    is_ours = answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_access_token"
    return is_ours and answer["WWW-Authenticate"] == "Bearer"


def ask(claims: dict[str, Any]) -> Any:
    client = APIClient(raise_request_exception=False)
    token = sign(claims)
    return client.get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {token}")


@pytest.fixture
def claims(owner: Any) -> dict[str, Any]:
    """The claims of an access token that is accepted."""
    return dict(jwt.decode(make_access_token(owner), options={"verify_signature": False}))


@pytest.mark.django_db
class TestAccessToken:
    def test_its_own_claims_are_accepted(self, claims: dict[str, Any]) -> None:
        """The control: only the odd claim is the cause of the refusals below."""
        assert ask(claims).status_code == 200

    @pytest.mark.parametrize("value", [*ODD, True, -1, 0, 1.5, 4_102_444_800.5], ids=lambda value: repr(value)[:20])
    def test_an_odd_end_is_refused(self, value: Any, claims: dict[str, Any]) -> None:
        assert refused(claims, "exp", value)

    def test_no_end_is_refused(self, claims: dict[str, Any]) -> None:
        del claims["exp"]

        assert ask(claims).status_code == 401

    @pytest.mark.parametrize("claim", ["sub", "sid", "sv", "typ", "iss", "aud"])
    def test_another_odd_claim_is_refused(self, claim: str, claims: dict[str, Any]) -> None:
        values = [value for value in ODD if claim != "iss" or isinstance(value, str)]  # PyJWT writes no other issuer

        assert [value for value in values if not refused(claims, claim, value)] == []

    @pytest.mark.parametrize("claim", ["iat", "nbf", "jti"])
    def test_no_odd_claim_is_a_fault_of_ours(self, claim: str, claims: dict[str, Any]) -> None:
        assert {ask({**claims, claim: value}).status_code for value in ODD} <= {200, 401}

    def test_a_token_that_was_accepted_is_refused_once_it_has_expired(self, claims: dict[str, Any]) -> None:
        with time_machine.travel(claims["exp"] - 1, tick=False):
            assert ask(claims).status_code == 200
        with time_machine.travel(claims["exp"], tick=False):
            assert ask(claims).status_code == 401

    def test_a_token_that_was_accepted_is_refused_by_other_keys(self, claims: dict[str, Any], settings: Any) -> None:
        assert ask(claims).status_code == 200
        text = sign(claims)

        settings.JWT_SIGNING_KEY, settings.JWT_SIGNING_KEY_FALLBACKS = "another key of more than 32 characters", ()

        answer = APIClient().get("/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {text}")
        assert answer.status_code == 401

    def test_what_one_request_does_to_its_claims_is_not_seen_by_the_next(self, claims: dict[str, Any]) -> None:
        text = sign(claims)
        first = authentication._SignedAccessToken(text)  # type: ignore[arg-type]
        first["sub"] = "cus_of_somebody_else"

        assert authentication._SignedAccessToken(text)["sub"] == claims["sub"]  # type: ignore[arg-type]


class TestRefreshToken:
    CLAIMS = {
        "typ": "refresh",
        "jti": ids.encode(RefreshToken.PREFIX, ids.new()),
        "sid": ids.encode(Session.PREFIX, ids.new()),
        "iat": 1_700_000_000,
        "exp": 4_102_444_800,
        "iss": "bahi",
        "aud": "bahi-api",
    }

    def written(self, **odd: Any) -> str:
        return sign({**self.CLAIMS, **odd})

    def test_its_own_claims_are_accepted(self) -> None:
        assert ids.encode(RefreshToken.PREFIX, verify_refresh_token(self.written()).token_id) == self.CLAIMS["jti"]

    @pytest.mark.parametrize("value", [*ODD, True, 0, 4_102_444_800.5], ids=lambda value: repr(value)[:20])
    def test_an_odd_end_is_refused(self, value: Any) -> None:
        with pytest.raises(InvalidRefreshToken):
            verify_refresh_token(self.written(exp=value))

    @pytest.mark.parametrize("claim", ["iat", "nbf"])
    @pytest.mark.parametrize(
        "value", [10**30, 1e308, float("inf"), float("nan"), "9" * 400, []], ids=lambda value: repr(value)[:20]
    )
    def test_another_odd_instant_is_refused(self, claim: str, value: Any) -> None:
        with pytest.raises(InvalidRefreshToken):
            verify_refresh_token(self.written(**{claim: value}))
