"""A code that the provider did not take: what its person sees, and that another one may be requested at once."""

import contextlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from apps.accounts import rules, services
from apps.accounts.models import Challenge
from apps.accounts.services.otp import OtpNotSent
from apps.accounts.states import SendStatus
from apps.core import clock, ids
from apps.core.errors import RateLimited
from apps.core.events import SYSTEM

pytestmark = pytest.mark.django_db
PHONE, STRANGER = "+919876500001", "+919876500002"
OTP = {"path": "/msg91/api/v5/otp"}


def ask(client: APIClient, phone: str = PHONE) -> Any:
    return client.post("/api/v1/auth/otp", {"phone": phone}, format="json")


def see(client: APIClient, challenge_id: str) -> Any:
    return client.get(f"/api/v1/auth/otp/{challenge_id}")


def send(challenge_id: str, *, seconds: int = 0) -> None:
    pk = ids.decode("chal", challenge_id)
    with contextlib.suppress(OtpNotSent):
        services.send_code(challenge_id=pk, now=clock.now() + timedelta(seconds=seconds))


class TestGetLogInCode:
    def test_says_that_the_code_was_sent(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()
        assert (requested["status"], requested["failure"]) == ("queued", None)

        send(requested["id"])

        answer = see(anonymous, requested["id"])
        assert answer.status_code == 200
        assert answer.json() == {**requested, "status": "sent"}
        assert answer["Cache-Control"] == "no-store"

    def test_says_that_the_provider_rejected_it(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()

        with override_settings(MSG91_OTP_TEMPLATE_ID=""):
            send(requested["id"])

        seen = see(anonymous, requested["id"]).json()
        assert (seen["status"], seen["failure"]) == (
            "failed",
            {
                "code": "rejected",
                "message": "We could not send a code to this phone number or e-mail address. Check it, or use another one.",
            },
        )
        assert "Template" not in str(seen)

    @pytest.mark.parametrize(
        ("status", "becomes"), [(500, "failed"), (502, "failed"), (503, "queued"), (429, "queued")]
    )
    def test_says_that_the_provider_is_unavailable(
        self, anonymous: APIClient, sandbox: Any, status: int, becomes: str
    ) -> None:
        requested = ask(anonymous).json()
        sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": status})

        send(requested["id"])

        seen = see(anonymous, requested["id"]).json()
        assert (seen["status"], seen["failure"]["code"]) == (becomes, "provider_unavailable")
        waited = datetime.fromisoformat(requested["resend_after"]) - datetime.fromisoformat(seen["resend_after"])
        assert waited == rules.RESEND_INTERVAL

    def test_says_that_the_outcome_is_unknown(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()
        sandbox.control("POST", "/faults", {**OTP, "kind": "drop_after_commit"})

        send(requested["id"])

        seen = see(anonymous, requested["id"]).json()
        assert (seen["status"], seen["failure"]["code"]) == ("unknown", "no_answer")
        assert seen["resend_after"] == requested["resend_after"]

    def test_says_that_it_was_not_sent_in_time(self, anonymous: APIClient) -> None:
        requested = ask(anonymous).json()
        Challenge.objects.update(expires_at=clock.now() - timedelta(seconds=1))

        seen = see(anonymous, requested["id"]).json()

        assert (seen["status"], seen["failure"]["code"]) == ("failed", "not_sent_in_time")

    def test_says_the_same_of_known_and_unknown_phones(self, anonymous: APIClient, owner: Any, sandbox: Any) -> None:
        seen = []
        for phone in (owner.phone, "+919876599999"):
            requested = ask(anonymous, phone).json()
            sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": 500})
            send(requested["id"])
            seen.append(see(anonymous, requested["id"]).json())

        own = {"id", "sent_to", "expires_at", "resend_after", "created_at"}
        known, unknown = ({name: value for name, value in one.items() if name not in own} for one in seen)
        assert known == unknown
        assert known["status"] == "failed"

    def test_shows_a_stranger_who_has_the_id_no_more_than_a_masked_number(
        self, anonymous: APIClient, stranger: Any, client_of: Any
    ) -> None:
        requested = ask(anonymous).json()

        seen = see(client_of(stranger), requested["id"]).json()

        assert seen["sent_to"] == "+91******0001"
        assert PHONE not in str(seen)

    @pytest.mark.parametrize(
        "challenge_id", ["chal_01kaj7s2d4f0q9x3v6m8n1b5c7", "verify", "ord_01kaj7s2d4f0q9x3v6m8n1b5c7"]
    )
    def test_unknown_id_is_not_found(self, anonymous: APIClient, challenge_id: str) -> None:
        assert see(anonymous, challenge_id).status_code in (404, 405)


class TestRequestAnotherCode:
    def test_at_once_after_the_provider_failed(self, anonymous: APIClient, sandbox: Any) -> None:
        for _ in range(6):
            requested = ask(anonymous)
            assert requested.status_code == 202
            sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": 500})
            send(requested.json()["id"])

        last = ask(anonymous)
        send(last.json()["id"])

        assert last.status_code == 202
        assert Challenge.objects.get(pk=ids.decode("chal", last.json()["id"])).send_status == SendStatus.SENT
        assert ask(anonymous).status_code == 429

    def test_only_after_the_interval_when_the_outcome_is_unknown(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()
        sandbox.control("POST", "/faults", {**OTP, "kind": "drop_after_commit"})
        send(requested["id"])

        assert ask(anonymous).status_code == 429

    def test_network_rate_limit_is_not_restored(self, sandbox: Any, settings: Any) -> None:
        settings.OTP_REQUESTS_PER_NETWORK_PER_HOUR = 3
        sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": 500, "times": 10})
        now = clock.now()

        def ask_and_fail() -> None:
            challenge = services.request_log_in_code(destination=PHONE, ip="203.0.113.7", actor=SYSTEM, now=now)
            services.send_code(challenge_id=challenge.pk, now=now)

        for _ in range(3):
            ask_and_fail()
        with pytest.raises(RateLimited):
            ask_and_fail()

    def test_a_code_that_arrived_all_the_same_is_accepted(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()
        sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": 500, "after_commit": True})
        send(requested["id"])
        assert see(anonymous, requested["id"]).json()["status"] == "failed"
        code = sandbox.control("GET", "/sms", to=PHONE.removeprefix("+"))["items"][0]["otp"]

        body = {"challenge_id": requested["id"], "code": code, "transport": "body"}
        assert anonymous.post("/api/v1/auth/otp/verify", body, format="json").status_code == 200

    def test_an_expired_code_is_never_sent(self, anonymous: APIClient, sandbox: Any) -> None:
        requested = ask(anonymous).json()
        sandbox.control("POST", "/faults", {**OTP, "kind": "status", "status": 503})
        send(requested["id"])

        send(requested["id"], seconds=int(rules.CODE_TTL.total_seconds()))

        assert sandbox.control("GET", "/sms")["items"] == []
