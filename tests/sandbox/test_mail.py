"""The mail server: everything is kept, nothing is delivered, and it can be told to fail."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage

import pytest

from sandbox.server import Sandbox


def message(subject: str = "Your invoice ₹1,179") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Bahi <shop@bahi.example>"
    mail["To"] = "Ravi <ravi@example.com>"
    mail["Subject"] = subject
    mail["Message-ID"] = "<one@bahi.example>"
    mail.set_content("Namaste\n")
    mail.add_alternative("<p>Namaste</p>\n", subtype="html")
    mail.add_attachment(b"%PDF-1.7 x", maintype="application", subtype="pdf", filename="INV-1.pdf")
    return mail


def send(sandbox: Sandbox, mail: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as smtp:
        smtp.send_message(mail)


def test_mail_is_kept_taken_apart(sandbox: Sandbox) -> None:
    send(sandbox, message())

    (mail,) = sandbox.control("GET", "/mails", to="RAVI@example.com")["items"]
    assert isinstance(mail.pop("at"), float)
    assert mail == {
        "n": 1,
        "from": "shop@bahi.example",
        "sender": "shop@bahi.example",
        "to": ["ravi@example.com"],
        "header_from": "Bahi <shop@bahi.example>",
        "header_to": "Ravi <ravi@example.com>",
        "subject": "Your invoice ₹1,179",
        "text": "Namaste\n",
        "html": "<p>Namaste</p>\n",
        "message_id": "<one@bahi.example>",
        "attachments": [{"name": "INV-1.pdf", "content_type": "application/pdf", "size": 10}],
    }
    assert sandbox.control("GET", "/mails", to="other@example.com")["items"] == []


def test_mails_come_newest_first_and_after_a_number(sandbox: Sandbox) -> None:
    for subject in ("one", "two", "three"):
        send(sandbox, message(subject))

    assert [mail["subject"] for mail in sandbox.control("GET", "/mails")["items"]] == ["three", "two", "one"]
    assert [mail["subject"] for mail in sandbox.control("GET", "/mails", after=2)["items"]] == ["three"]


def test_mail_can_be_refused(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "kind": "status", "status": 550})

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        send(sandbox, message())

    assert refusal.value.smtp_code == 550
    assert sandbox.control("GET", "/mails")["items"] == []
    send(sandbox, message())
    assert sandbox.control("GET", "/mails")["count"] == 1


@pytest.mark.parametrize(("kind", "kept"), [("drop_after_commit", 1), ("drop_before_commit", 0)])
def test_connection_may_be_lost_around_the_mail(sandbox: Sandbox, kind: str, kept: int) -> None:
    sandbox.control("POST", "/faults", {"path": "smtp", "kind": kind})

    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        send(sandbox, message())

    assert sandbox.control("GET", "/mails")["count"] == kept
