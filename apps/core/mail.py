"""An e-mail backend for SMTP, with a limit on the whole conversation with the mail server."""

import smtplib
import socket
from collections.abc import Sequence
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as DjangoEmailBackend

from apps.core.deadlines import deadline, watch

_LONGEST_CONVERSATION = 30.0  # seconds, from the first byte to the last; EMAIL_TIMEOUT is between two pieces


def sender() -> str:
    """Return whom a mail is from: the shop's name, whatever name `DEFAULT_FROM_EMAIL` has, with its address."""
    return formataddr((settings.SHOP_NAME, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


class _Smtp(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        watch(connection)
        return connection


class _SmtpOverTls(smtplib.SMTP_SSL, _Smtp):
    """SMTP_SSL wraps the connection that _Smtp has opened, and with which the deadline ends what is said inside."""


class EmailBackend(DjangoEmailBackend):
    """What EMAIL_BACKEND names wherever mail goes by SMTP."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Smtp

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> Any:
        """
        Send the messages within the limit.

        :raises SMTPServerDisconnected: if the mail server takes longer
        """
        with deadline(_LONGEST_CONVERSATION):
            return super().send_messages(email_messages)
