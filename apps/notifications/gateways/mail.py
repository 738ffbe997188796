"""E-mail by SMTP: text and HTML, with a Message-ID of our own, so that a mail that goes twice is shown once."""

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.mail import EmailMultiAlternatives

from apps.core import http
from apps.core.mail import sender
from apps.notifications.gateways import Outcome, SendResult

#: 530 and 535 say that our log-in is wrong, which an operator can fix.
_CREDENTIAL_CODES = frozenset({530, 535})

#: Mail servers refuse for good with 5xx, and for now with 4xx (RFC 5321).
_PERMANENT_CODES = range(500, 600)


@dataclass(frozen=True)
class Attachment:
    """A file that goes with an e-mail."""

    name: str
    content: bytes
    media_type: str


def send(
    *, recipient: str, subject: str, text: str, html: str, message_id: str, attachments: Sequence[Attachment] = ()
) -> Outcome:
    """
    Give one e-mail to the mail server and return what it made of it.

    A connection that breaks is TEMPORARY_FAILURE: under the same Message-ID the mail may go again.

    :raises CalledInsideTransaction: if a database transaction is open
    """
    http.refuse_inside_transaction()
    mail = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=sender(),
        to=[recipient],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    mail.attach_alternative(html, "text/html")
    for attachment in attachments:
        mail.attach(attachment.name, attachment.content, attachment.media_type)
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        return _refusal(code, words)
    except smtplib.SMTPResponseException as error:
        return _refusal(error.smtp_code, error.smtp_error)
    except (OSError, smtplib.SMTPException) as error:
        return Outcome(SendResult.TEMPORARY_FAILURE, error=f"{type(error).__name__}: {error}")
    return Outcome(SendResult.ACCEPTED)


def _refusal(code: int, words: bytes | str) -> Outcome:
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    is_final = code in _PERMANENT_CODES and code not in _CREDENTIAL_CODES
    return Outcome(
        SendResult.REJECTED if is_final else SendResult.TEMPORARY_FAILURE,
        error=f"{code}: {text}",
        rejects_credentials=code in _CREDENTIAL_CODES,
    )
