"""What MSG91 and a mail server answer, and how we read it."""

import smtplib
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings

from apps.core.http import Response
from apps.notifications.gateways import SendResult, mail, msg91

pytestmark = pytest.mark.django_db


def send_sms(**fields: Any) -> Any:
    return msg91.send(
        **{
            "phone": "+919876543210",
            "template": "order_expired",
            "variables": {"NUMBER": "1", "SHOP": "Bahi"},
            **fields,
        }
    )


def send_mail(**fields: Any) -> Any:
    values = {
        "recipient": "a@example.com", "subject": "S", "text": "T", "html": "<p>T</p>", "message_id": "<1@bahi.example>",
    }  # fmt: skip
    return mail.send(**{**values, **fields})


def test_msg91_gives_the_id_of_what_it_took(sandbox: Any) -> None:
    outcome = send_sms()

    (sms,) = sandbox.control("GET", "/sms")["items"]
    assert (outcome.result, outcome.provider_id) == (SendResult.ACCEPTED, sms["request_id"])


def test_200_with_type_error_is_a_refusal(sandbox: Any) -> None:
    with override_settings(MSG91_FLOW_TEMPLATE_IDS={"order_expired": "wrong-template"}):
        outcome = send_sms()

    assert outcome.result is SendResult.REJECTED
    assert "Template ID Missing or Invalid Template" in outcome.error


def test_wrong_auth_key_is_a_temporary_failure(sandbox: Any) -> None:
    with override_settings(MSG91_AUTH_KEY="wrong"):
        outcome = send_sms()

    assert outcome.result is SendResult.TEMPORARY_FAILURE


def test_unknown_ip_address_is_a_temporary_failure(sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/msg91", {"ip_allowed": False})

    assert send_sms().result is SendResult.TEMPORARY_FAILURE


def test_duplicate_within_ten_seconds_is_a_temporary_failure(sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/msg91", {"duplicate_window_seconds": 10})
    send_sms()

    assert send_sms().result is SendResult.TEMPORARY_FAILURE


@pytest.mark.parametrize(
    ("kind", "status", "result"),
    [
        ("status", 503, SendResult.TEMPORARY_FAILURE),
        ("status", 429, SendResult.TEMPORARY_FAILURE),
        ("status", 500, SendResult.PROVIDER_ERROR),
        ("html", 502, SendResult.PROVIDER_ERROR),
        ("malformed", 400, SendResult.UNKNOWN),
        ("drop_after_commit", 400, SendResult.UNKNOWN),
    ],
)
def test_a_broken_answer_of_msg91(sandbox: Any, kind: str, status: int, result: SendResult) -> None:
    sandbox.control("POST", "/faults", {"path": "/api/v5/flow", "service": "msg91", "kind": kind, "status": status})

    assert send_sms().result is result


def test_msg91_that_cannot_be_reached_has_sent_nothing() -> None:
    with override_settings(MSG91_BASE_URL="http://127.0.0.1:9"):
        assert send_sms().result is SendResult.TEMPORARY_FAILURE


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ({"type": "error", "message": "Invalid Mobile"}, SendResult.REJECTED),
        ({"type": "error", "message": "x", "code": "202"}, SendResult.REJECTED),
        ({"type": "error", "message": "insufficient balance", "code": "301"}, SendResult.TEMPORARY_FAILURE),
        ({"type": "success", "message": ""}, SendResult.TEMPORARY_FAILURE),
        (["no object"], SendResult.UNKNOWN),
    ],
)
def test_msg91_answers_are_classified(body: Any, result: SendResult) -> None:
    assert msg91._read(Response(status=200, body=body, text="...")).result is result


def test_accepted_email(sandbox: Any) -> None:
    assert send_mail().result is SendResult.ACCEPTED


def test_temporary_smtp_error(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "status", "status": 451})

    outcome = send_mail()

    assert (outcome.result, outcome.error[:4]) == (SendResult.TEMPORARY_FAILURE, "451:")


def test_permanent_smtp_error(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "status", "status": 550})

    assert send_mail().result is SendResult.REJECTED


def test_broken_smtp_connection(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "drop_after_commit"})

    assert send_mail().result is SendResult.TEMPORARY_FAILURE


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"no such user")}), SendResult.REJECTED),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (450, b"greylisted")}), SendResult.TEMPORARY_FAILURE),
        (smtplib.SMTPAuthenticationError(535, b"wrong password"), SendResult.TEMPORARY_FAILURE),
        (smtplib.SMTPServerDisconnected("gone"), SendResult.TEMPORARY_FAILURE),
        (TimeoutError("slow"), SendResult.TEMPORARY_FAILURE),
    ],
)
def test_smtp_errors_are_classified(error: Exception, result: SendResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)

    assert send_mail().result is result
