"""A new pepper neither kills the codes that are on their way nor gives anybody more attempts."""

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from apps.accounts import rules, services
from apps.accounts.models import Challenge, User
from apps.accounts.services.log_in import InvalidCredentials
from apps.accounts.services.otp import InvalidOtp
from apps.accounts.services.sessions import Device
from apps.accounts.states import Transport
from apps.core import clock
from apps.core.errors import RateLimited
from tests.factories.accounts import make_user
from tests.support.otp import CODE

pytestmark = pytest.mark.django_db
NEW = "the pepper from now on, which protects nothing"
DEVICE = Device(ip="203.0.113.7", user_agent="", transport=Transport.BODY)


def rotated(*, fallbacks: int = 1) -> Any:
    """Return the settings after a change of the pepper; with no fallbacks the one before is forgotten."""
    return override_settings(OTP_PEPPER=NEW, OTP_PEPPER_FALLBACKS=[settings.OTP_PEPPER][:fallbacks])


def log_in(challenge: Challenge, code: str = CODE) -> Any:
    return services.log_in_with_code(challenge_id=challenge.pk, code=code, device=DEVICE, now=clock.now())


class TestCodes:
    def test_one_made_before_is_accepted(self, request_code: Any) -> None:
        challenge = request_code("asha@example.in")

        with rotated():
            assert log_in(challenge).user.email == "asha@example.in"

    def test_control_without_the_fallback_it_is_refused(self, request_code: Any) -> None:
        challenge = request_code("asha@example.in")

        with rotated(fallbacks=0), pytest.raises(InvalidOtp):
            log_in(challenge)
        assert not User.objects.exists()

    def test_a_wrong_one_is_refused_under_each_pepper(self, request_code: Any) -> None:
        challenge = request_code("asha@example.in")

        with rotated(), pytest.raises(InvalidOtp):
            log_in(challenge, "111111")
        assert not User.objects.exists()

    def test_new_ones_are_made_with_the_new_pepper(self, request_code: Any) -> None:
        with rotated():
            challenge = request_code("asha@example.in")

        wanted = rules.hash_code(
            pepper=NEW, challenge=challenge.public_id, purpose="log_in", destination="asha@example.in", code=CODE
        )
        assert challenge.code_hash == wanted


class TestRateLimits:
    def ask(self) -> Challenge:
        return services.request_log_in_code(
            destination="asha@example.in", ip="203.0.113.7", actor=services.ANONYMOUS, now=clock.now()
        )

    def test_codes_requested_before_the_change_still_count(self) -> None:
        self.ask()

        with rotated(), pytest.raises(RateLimited):
            self.ask()
        assert Challenge.objects.count() == 1

    def test_password_guesses_before_the_change_still_count(self) -> None:
        make_user(email="asha@example.in")

        def guess(ip: str) -> None:
            device = Device(ip=ip, user_agent="", transport=Transport.BODY)
            services.log_in_with_password(identity="asha@example.in", password="wrong", device=device, now=clock.now())

        for number in range(5):
            with pytest.raises(InvalidCredentials):
                guess(f"198.51.100.{number}")

        with rotated(), pytest.raises(RateLimited):
            guess("192.0.2.1")

    def test_unsent_code_is_restored_under_both_peppers(self) -> None:
        challenge = self.ask()

        with rotated():
            counted = rules.destination_rate_limits(
                destination="asha@example.in", purpose="log_in", peppers=services.rate_limits.list_peppers()
            )
            services.rate_limits.restore_attempts(counted, consumed_at=rules.requested_at(challenge.expires_at))

            assert self.ask().pk != challenge.pk
