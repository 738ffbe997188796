"""What leaves a line in the security log: failed log-ins, exceeded rate limits, forged webhooks, changes of privileges."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from apps.accounts import services
from apps.accounts.models import User
from apps.core import clock
from apps.core.events import SYSTEM
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
IP = "198.51.100.9"


def security_lines(act: Callable[[], Any]) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        act()
    return [dict(line) for line in lines if line["log_level"] == "warning" and "ip" in line]


def api_log_in(email: str, password: str = "wrong") -> Any:
    body = {"email": email, "password": password}
    return APIClient().post("/api/v1/auth/login", body, format="json", REMOTE_ADDR=IP)


class TestFailedLogIns:
    def test_a_wrong_password_is_logged(self) -> None:
        asha = make_user(email="asha@example.in")

        known = security_lines(lambda: api_log_in("asha@example.in"))
        unknown = security_lines(lambda: api_log_in("nobody@example.in"))

        line = {
            "event": "log_in_failed",
            "log_level": "warning",
            "ip": IP,
            "method": "password",
            "place": "api",
            "reason": "invalid_credentials",
        }
        assert known == [{**line, "user": asha.public_id}]
        assert unknown == [{**line, "user": "unknown"}]

    def test_a_refusal_in_the_back_office_is_logged_for_customers_too(self, support: User) -> None:
        asha = make_user(email="asha@example.in")
        asha.set_password(PASSWORD)
        asha.save()

        def log_in(email: str, password: str) -> list[dict[str, Any]]:
            body = {"username": email, "password": password}
            return security_lines(lambda: Client().post("/admin/login/", body, REMOTE_ADDR=IP))

        lines = [*log_in(support.email or "", "wrong"), *log_in("asha@example.in", PASSWORD)]

        assert [(line["event"], line["method"], line["place"], line["user"]) for line in lines] == [
            ("log_in_failed", "password", "back_office", support.public_id),
            ("log_in_failed", "password", "back_office", asha.public_id),
        ]

    def test_a_wrong_code_is_logged(self, request_code: Any) -> None:
        challenge = request_code("asha@example.in")
        body = {"challenge_id": challenge.public_id, "code": "111111"}

        lines = security_lines(lambda: APIClient().post("/api/v1/auth/otp/verify", body, format="json", REMOTE_ADDR=IP))

        assert lines == [
            {
                "event": "log_in_failed", "log_level": "warning", "ip": IP, "method": "code", "place": "api",
                "reason": "invalid_otp", "challenge": challenge.public_id,
            }
        ]  # fmt: skip

    def test_a_log_in_that_succeeds_is_not_logged(self, support: User) -> None:
        body = {"username": support.email, "password": PASSWORD}

        assert security_lines(lambda: Client().post("/admin/login/", body)) == []

    def test_no_line_holds_what_was_typed(self) -> None:
        lines = security_lines(lambda: api_log_in("asha@example.in", "my secret words"))

        assert "asha" not in str(lines)
        assert "secret words" not in str(lines)


class TestExceededRateLimits:
    def test_log_ins_without_an_attempt_left_are_logged(self) -> None:
        for _ in range(5):
            api_log_in("asha@example.in")

        lines = security_lines(lambda: api_log_in("asha@example.in"))

        assert [(line["event"], line["rate_limits"], line["ip"]) for line in lines] == [
            ("rate_limit_exceeded", ["login:ip", "login:minute"], IP)
        ]

    def test_codes_requested_too_often_are_logged(self, request_code: Any) -> None:
        request_code("asha@example.in")
        body = {"email": "asha@example.in"}

        lines = security_lines(lambda: APIClient().post("/api/v1/auth/otp", body, format="json", REMOTE_ADDR=IP))

        assert [(line["event"], line["rate_limits"]) for line in lines] == [
            ("rate_limit_exceeded", ["code:interval:log_in"])
        ]

    def test_too_many_changes_a_minute_are_logged(self, client_of: Any, settings: Any) -> None:
        settings.CUSTOMER_WRITES_PER_MINUTE = 1
        asha = make_user()
        client = client_of(asha)
        client.post("/api/v1/me/addresses", {}, format="json")

        lines = security_lines(lambda: client.post("/api/v1/me/addresses", {}, format="json"))

        assert [(line["event"], line["rate_limits"], line["user"]) for line in lines] == [
            ("rate_limit_exceeded", ["writes"], asha.public_id)
        ]


class TestForgedCredentials:
    def test_a_webhook_that_the_gateway_did_not_sign_is_logged(self) -> None:
        lines = security_lines(
            lambda: APIClient().generic(
                "POST", "/api/v1/webhooks/razorpay", b"{}", content_type="application/json",
                headers={"X-Razorpay-Signature": "0" * 64}, REMOTE_ADDR=IP,
            )
        )  # fmt: skip

        assert lines == [
            {
                "event": "webhook_signature_invalid", "log_level": "warning", "ip": IP, "gateway": "razorpay", "bytes": 2,
                "has_signature": True,
            }
        ]  # fmt: skip

    def test_a_refresh_token_that_comes_back_is_logged(self, logged_in: Any) -> None:
        tokens = logged_in(APIClient()).json()
        body = {"refresh_token": tokens["refresh_token"]}
        assert APIClient().post("/api/v1/auth/refresh", body, format="json").status_code == 200

        with time_machine.travel(clock.now().timestamp() + 60, tick=False):
            lines = security_lines(
                lambda: APIClient().post("/api/v1/auth/refresh", body, format="json", REMOTE_ADDR=IP)
            )

        assert [(line["event"], line["session"]) for line in lines] == [("refresh_token_reused", tokens["session"])]


class TestPrivileges:
    def test_every_change_of_access_is_logged_with_who_changed_whom(self, support: User) -> None:
        now = clock.now()
        made: list[User] = []

        def act() -> None:
            made.append(
                services.create_staff(
                    email="new@shop.example",
                    name="New",
                    password="brown buffaloes 7",
                    role="support",
                    actor=SYSTEM,
                    now=now,
                )
            )
            services.set_roles(user_id=support.pk, roles=["finance", "support"], actor=SYSTEM, now=now)
            services.deactivate_user(user_id=support.pk, actor=SYSTEM, reason="", now=now)
            services.reactivate_user(user_id=support.pk, actor=SYSTEM, reason="", now=now)
            services.set_password(user_id=support.pk, password="brown buffaloes 8", actor=SYSTEM, now=now)

        lines = security_lines(act)

        who = {"log_level": "warning", "ip": "", "actor": "system"}
        assert lines == [
            {"event": "staff_created", **who, "user": made[0].public_id, "roles": ["support"]},
            {"event": "roles_changed", **who, "user": support.public_id, "roles": ["finance", "support"]},
            {"event": "user_deactivated", **who, "user": support.public_id},
            {"event": "user_reactivated", **who, "user": support.public_id},
            {"event": "user_password_set", **who, "user": support.public_id},
        ]

    def test_what_changes_nothing_is_not_logged(self, support: User) -> None:
        assert (
            security_lines(
                lambda: services.reactivate_user(user_id=support.pk, actor=SYSTEM, reason="", now=clock.now())
            )
            == []
        )
