"""Codes on their way, to the sandbox's phone and mailbox."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from apps.accounts import rules, services
from apps.accounts.models import Challenge
from apps.accounts.services.otp import OtpNotSent, OtpSendInProgress
from apps.accounts.services.sessions import Device
from apps.accounts.states import SendStatus, Transport
from apps.core import clock, relay
from apps.core.errors import RateLimited
from apps.core.events import SYSTEM
from apps.core.http import CalledInsideTransaction
from apps.core.models import HandlerRun, Incident
from tests.support.handler_runs import run_handler

pytestmark = pytest.mark.django_db
PHONE = "+919876500001"
DEVICE = Device(ip="203.0.113.7", user_agent="test", transport=Transport.BODY)


def ask(destination: str = PHONE) -> Challenge:
    return services.request_log_in_code(destination=destination, ip="203.0.113.7", actor=SYSTEM, now=clock.now())


def sms(world: Any) -> list[dict[str, Any]]:
    return list(world.control("GET", "/sms", to=PHONE.removeprefix("+"))["items"])


def refreshed(challenge: Challenge) -> Challenge:
    challenge.refresh_from_db()
    return challenge


class TestOtpBySms:
    def test_the_code_of_the_message_logs_in(self, sandbox: Any) -> None:
        challenge = ask()

        services.send_code(challenge_id=challenge.pk, now=clock.now())

        message = sms(sandbox)[0]
        assert len(message["otp"]) == 6
        assert message["otp"] in message["text"]
        grant = services.log_in_with_code(
            challenge_id=challenge.pk, code=message["otp"], device=DEVICE, now=clock.now()
        )
        assert grant.user.phone == PHONE

    def test_the_row_keeps_a_keyed_hash_and_the_providers_id(self, sandbox: Any) -> None:
        challenge = ask()

        services.send_code(challenge_id=challenge.pk, now=clock.now())

        message, row = sms(sandbox)[0], refreshed(challenge)
        assert (row.send_status, row.provider_id) == (SendStatus.SENT, message["request_id"])
        assert len(row.code_hash) == 64
        assert message["otp"] not in str(vars(row))

    def test_event_is_handled_through_the_relay(self, sandbox: Any) -> None:
        ask()

        for handler_run in relay.claim_outbox(now=clock.now()):
            run_handler(handler_run.pk)

        assert len(sms(sandbox)) == 1
        assert HandlerRun.objects.get().done_at is not None

    def test_second_run_sends_nothing(self, sandbox: Any) -> None:
        challenge = ask()
        for _ in range(3):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert len(sms(sandbox)) == 1

    @pytest.mark.parametrize(
        "fields", [{"used_at": clock.now()}, {"superseded_at": clock.now()}, {"expires_at": clock.now()}]
    )
    def test_dead_challenge_is_not_sent(self, sandbox: Any, fields: dict[str, Any]) -> None:
        challenge = ask()
        Challenge.objects.update(**fields)

        assert services.send_code(challenge_id=challenge.pk, now=clock.now()) is None
        assert sms(sandbox) == []

    def test_lost_answer_is_unknown_and_not_sent_again(self, sandbox: Any) -> None:
        challenge = ask()
        sandbox.control("POST", "/faults", {"path": "/msg91/api/v5/otp", "kind": "drop_after_commit"})

        services.send_code(challenge_id=challenge.pk, now=clock.now())
        services.send_code(challenge_id=challenge.pk, now=clock.now() + timedelta(minutes=2))

        assert refreshed(challenge).send_status == SendStatus.UNKNOWN
        assert len(sms(sandbox)) == 1

    def test_crashed_send_is_unknown_and_not_sent_again(self, sandbox: Any) -> None:
        challenge = ask()
        Challenge.objects.update(send_status=SendStatus.SENDING, claimed_until=clock.now() + timedelta(seconds=10))

        with pytest.raises(OtpSendInProgress):
            services.send_code(challenge_id=challenge.pk, now=clock.now())
        assert refreshed(challenge).send_status == SendStatus.SENDING

        services.send_code(challenge_id=challenge.pk, now=clock.now() + timedelta(seconds=11))
        assert refreshed(challenge).send_status == SendStatus.UNKNOWN
        assert sms(sandbox) == []

    def test_rejection_with_status_200_is_a_failure(self, sandbox: Any) -> None:
        challenge = ask()
        with override_settings(MSG91_OTP_TEMPLATE_ID=""):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        row = refreshed(challenge)
        assert row.send_status == SendStatus.FAILED
        assert "Template" in row.send_error

    @override_settings(MSG91_BASE_URL="http://127.0.0.1:9")
    def test_unreachable_provider_is_retried_with_another_code(self) -> None:
        challenge = ask()

        with pytest.raises(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        first = refreshed(challenge).code_hash
        assert (challenge.send_status, challenge.send_error) == (SendStatus.QUEUED, "MSG91 could not be reached.")
        with pytest.raises(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())
        assert refreshed(challenge).code_hash != first

    def test_rejected_key_is_retried(self, sandbox: Any) -> None:
        challenge = ask()

        with override_settings(MSG91_AUTH_KEY="wrong"), pytest.raises(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert refreshed(challenge).send_status == SendStatus.QUEUED

    def test_an_error_page_of_the_provider_is_a_failure(self, sandbox: Any) -> None:
        challenge = ask()
        sandbox.control("POST", "/faults", {"path": "/msg91/api/v5/otp", "kind": "html", "status": 502})

        services.send_code(challenge_id=challenge.pk, now=clock.now())
        services.send_code(challenge_id=challenge.pk, now=clock.now())

        row = refreshed(challenge)
        assert (row.send_status, row.send_failure) == (SendStatus.FAILED, "provider_unavailable")
        assert sms(sandbox) == []

    def test_nothing_is_sent_inside_a_transaction(self, sandbox: Any) -> None:
        challenge = ask()

        with transaction.atomic(), pytest.raises(CalledInsideTransaction):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert sms(sandbox) == []


class TestOtpByEmail:
    def test_the_code_of_the_mail_logs_in(self, sandbox: Any) -> None:
        challenge = ask("asha@example.in")

        services.send_code(challenge_id=challenge.pk, now=clock.now())

        mail = sandbox.control("GET", "/mails", to="asha@example.in")["items"][0]
        text = mail["text"]
        code = text.split()[0]
        assert mail["subject"] == "Your log-in code for Bahi"
        assert services.log_in_with_code(
            challenge_id=challenge.pk, code=code, device=DEVICE, now=clock.now()
        ).user.email == ("asha@example.in")
        assert refreshed(challenge).send_status == SendStatus.SENT

    def test_email_is_sent_again_after_crash(self, sandbox: Any) -> None:
        challenge = ask("asha@example.in")
        Challenge.objects.update(send_status=SendStatus.SENDING, claimed_until=clock.now())

        services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert len(sandbox.control("GET", "/mails", to="asha@example.in")["items"]) == 1

    def test_event_is_retried_while_crashed_send_holds_its_claim(
        self, sandbox: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The broker gives the task of a killed worker to the next one within seconds, long before the claim lapses."""
        challenge = ask("asha@example.in")
        [handler_run] = relay.claim_outbox(now=clock.now())
        Challenge.objects.update(send_status=SendStatus.SENDING, claimed_until=clock.now() + rules.LEASE)

        assert run_handler(handler_run.pk) is False
        handler_run.refresh_from_db()
        assert (handler_run.done_at, handler_run.parked_at, handler_run.starts) == (None, None, 1)

        assert run_handler(handler_run.pk, now=clock.now() + rules.LEASE) is True
        assert refreshed(challenge).send_status == SendStatus.SENT
        assert len(sandbox.control("GET", "/mails", to="asha@example.in")["items"]) == 1

    @pytest.mark.parametrize(("status", "becomes"), [(550, SendStatus.FAILED), (451, SendStatus.QUEUED)])
    def test_a_refusal_is_final_or_not_as_the_server_says(self, sandbox: Any, status: int, becomes: SendStatus) -> None:
        challenge = ask("asha@example.in")
        sandbox.control("POST", "/faults", {"path": "smtp", "kind": "status", "status": status})

        with contextlib.suppress(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert refreshed(challenge).send_status == becomes

    def test_a_broken_connection_is_unknown(self, sandbox: Any) -> None:
        challenge = ask("asha@example.in")
        sandbox.control("POST", "/faults", {"path": "smtp", "kind": "drop_after_commit"})

        services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert refreshed(challenge).send_status == SendStatus.UNKNOWN

    @override_settings(EMAIL_HOST="127.0.0.1", EMAIL_PORT=9, EMAIL_BACKEND="apps.core.mail.EmailBackend")
    def test_unreachable_server_is_retried(self) -> None:
        challenge = ask("asha@example.in")

        with pytest.raises(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert refreshed(challenge).send_status == SendStatus.QUEUED


class TestRateLimits:
    def test_destination_has_rate_limits(self) -> None:
        now, answers = clock.now(), []
        for minute in range(60):
            try:
                services.request_log_in_code(
                    destination=PHONE, ip="203.0.113.7", actor=SYSTEM, now=now + timedelta(minutes=minute)
                )
            except RateLimited:
                answers.append(0)
            else:
                answers.append(1)

        assert answers[:12] == [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]
        assert sum(answers) == 10

    def test_network_and_shop_have_rate_limits(self) -> None:
        now = clock.now()

        def count(tries: int, ip: str) -> int:
            served = 0
            for number in range(tries):
                try:
                    services.request_log_in_code(
                        destination=f"+9170{number:03d}{ip[-1]}0000", ip=ip, actor=SYSTEM, now=now
                    )
                except RateLimited:
                    continue
                served += 1
            return served

        with override_settings(OTP_REQUESTS_PER_DAY=25):
            assert count(25, "203.0.113.1") == 20
            assert count(25, "203.0.113.2") == 5


class TestCredentials:
    def test_rejected_key_of_msg91_is_one_incident_until_a_code_is_sent(self, sandbox: Any, settings: Any) -> None:
        right, settings.MSG91_AUTH_KEY = settings.MSG91_AUTH_KEY, "wrong"
        challenge = ask()

        with pytest.raises(OtpNotSent):
            services.send_code(challenge_id=challenge.pk, now=clock.now())

        assert (Incident.objects.get().key, refreshed(challenge).send_status) == ("msg91", SendStatus.QUEUED)

        settings.MSG91_AUTH_KEY = right
        services.send_code(challenge_id=challenge.pk, now=clock.now() + timedelta(minutes=1))

        assert Incident.objects.get().resolved_at is not None
        assert refreshed(challenge).send_status == SendStatus.SENT
