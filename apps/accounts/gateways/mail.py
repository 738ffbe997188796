"""Codes by e-mail over SMTP."""

import smtplib
from socket import gaierror

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from apps.accounts.gateways import Outcome
from apps.accounts.states import SendFailure, SendStatus
from apps.core import http
from apps.core.mail import sender

_SUBJECTS = {
    "log_in": "Your log-in code for {shop}",
    "confirm_email": "Confirm your e-mail address for {shop}",
    "set_password": "Your code to set a password for {shop}",
}

#: Mail servers refuse for good with 5xx, and for now with 4xx (RFC 5321).
_FIRST_PERMANENT_CODE = 500


def send_code(*, email: str, code: str, purpose: str, minutes: int, message_id: str) -> Outcome:
    """
    Give one code to the mail server and return what it made of it.

    A connection that broke leaves us without knowledge, as with an SMS: the person asks for another code.

    :raises CalledInsideTransaction: if a database transaction is open
    """
    http.refuse_inside_transaction()
    context = {"code": code, "purpose": purpose, "minutes": minutes, "shop": settings.SHOP_NAME}
    message = EmailMultiAlternatives(
        subject=_SUBJECTS[purpose].format(shop=settings.SHOP_NAME),
        body=render_to_string("email/accounts/otp.txt", context),
        from_email=sender(),
        to=[email],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("email/accounts/otp.html", context), "text/html")
    try:
        message.send()
    except smtplib.SMTPAuthenticationError as refused:
        words = f"The mail server rejected our log-in with {refused.smtp_code}."
        return Outcome(
            SendStatus.QUEUED, error=words, failure=SendFailure.PROVIDER_UNAVAILABLE, rejects_credentials=True
        )
    except (ConnectionRefusedError, gaierror, smtplib.SMTPConnectError):
        words = "The mail server could not be reached."
        return Outcome(SendStatus.QUEUED, error=words, failure=SendFailure.PROVIDER_UNAVAILABLE)
    except smtplib.SMTPRecipientsRefused as refused:
        return _refusal(next(iter(refused.recipients.values()))[0])
    except smtplib.SMTPResponseException as refused:
        return _refusal(refused.smtp_code)
    except (OSError, smtplib.SMTPException):
        return Outcome(SendStatus.UNKNOWN, error="The mail server did not answer.")
    return Outcome(SendStatus.SENT, provider_id=message_id[:80])


def _refusal(status: int) -> Outcome:
    words = f"The mail server refused the message with {status}."
    if status >= _FIRST_PERMANENT_CODE:
        return Outcome(SendStatus.FAILED, error=words, failure=SendFailure.REJECTED)
    return Outcome(SendStatus.QUEUED, error=words, failure=SendFailure.PROVIDER_UNAVAILABLE)
