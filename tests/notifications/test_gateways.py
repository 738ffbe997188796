"""What MSG91 and a mail server answer, and how we read it."""

import smtplib
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import override_settings

from apps.core.http import Answer
from apps.notifications.gateways import Fate, mail, msg91

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
    assert (outcome.fate, outcome.provider_id) == (Fate.ACCEPTED, sms["request_id"])


def test_200_with_type_error_is_a_refusal(sandbox: Any) -> None:
    with override_settings(MSG91_FLOW_TEMPLATES={"order_expired": "wrong-template"}):
        outcome = send_sms()

    assert outcome.fate is Fate.REFUSED
    assert "Template ID Missing or Invalid Template" in outcome.error


def test_a_wrong_auth_key_may_be_mended(sandbox: Any) -> None:
    with override_settings(MSG91_AUTH_KEY="wrong"):
        outcome = send_sms()

    assert outcome.fate is Fate.NOT_NOW


def test_an_address_that_msg91_does_not_know_may_be_mended(sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/msg91", {"ip_allowed": False})

    assert send_sms().fate is Fate.NOT_NOW


def test_the_same_message_within_ten_seconds_may_go_later(sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/msg91", {"duplicate_window_seconds": 10})
    send_sms()

    assert send_sms().fate is Fate.NOT_NOW


@pytest.mark.parametrize(
    ("kind", "status", "fate"),
    [
        ("status", 503, Fate.NOT_NOW),
        ("status", 429, Fate.NOT_NOW),
        ("status", 500, Fate.PROVIDER_ERROR),
        ("html", 502, Fate.PROVIDER_ERROR),
        ("malformed", 400, Fate.UNKNOWN),
        ("drop_after_commit", 400, Fate.UNKNOWN),
    ],
)
def test_a_broken_answer_of_msg91(sandbox: Any, kind: str, status: int, fate: Fate) -> None:
    sandbox.control("POST", "/faults", {"path": "/api/v5/flow", "service": "msg91", "kind": kind, "status": status})

    assert send_sms().fate is fate


def test_msg91_that_cannot_be_reached_has_sent_nothing() -> None:
    with override_settings(MSG91_BASE_URL="http://127.0.0.1:9"):
        assert send_sms().fate is Fate.NOT_NOW


@pytest.mark.parametrize(
    ("body", "fate"),
    [
        ({"type": "error", "message": "Invalid Mobile"}, Fate.REFUSED),
        ({"type": "error", "message": "x", "code": "202"}, Fate.REFUSED),
        ({"type": "error", "message": "insufficient balance", "code": "301"}, Fate.NOT_NOW),
        ({"type": "success", "message": ""}, Fate.NOT_NOW),
        (["no object"], Fate.UNKNOWN),
    ],
)
def test_how_msg91s_words_are_read(body: Any, fate: Fate) -> None:
    assert msg91._read(Answer(status=200, body=body, text="...")).fate is fate


def test_a_mail_that_the_server_takes(sandbox: Any) -> None:
    assert send_mail().fate is Fate.ACCEPTED


def test_a_mail_server_that_refuses_for_now(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "status", "status": 451})

    outcome = send_mail()

    assert (outcome.fate, outcome.error[:4]) == (Fate.NOT_NOW, "451:")


def test_a_mail_server_that_refuses_for_good(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "status", "status": 550})

    assert send_mail().fate is Fate.REFUSED


def test_a_mail_server_that_hangs_up(sandbox: Any) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "service": "smtp", "kind": "drop_after_commit"})

    assert send_mail().fate is Fate.NOT_NOW


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"no such user")}), Fate.REFUSED),
        (smtplib.SMTPRecipientsRefused({"a@example.com": (450, b"greylisted")}), Fate.NOT_NOW),
        (smtplib.SMTPAuthenticationError(535, b"wrong password"), Fate.NOT_NOW),
        (smtplib.SMTPServerDisconnected("gone"), Fate.NOT_NOW),
        (TimeoutError("slow"), Fate.NOT_NOW),
    ],
)
def test_how_smtp_errors_are_read(error: Exception, fate: Fate, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)

    assert send_mail().fate is fate
