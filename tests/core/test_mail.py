"""Mail goes out within a limit, however slowly the mail server answers."""

import contextlib
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.mail import EmailMessage, get_connection

from apps.core import mail
from apps.notifications.gateways import SendResult
from apps.notifications.gateways import mail as notifications_mail

GREETING = b"220 mail.example ready\r\n"
CAPABILITIES = b"250-mail.example\r\n250 SIZE 1000000\r\n"


@pytest.fixture
def mail_server() -> Iterator[Callable[..., int]]:
    """Return a function that starts a mail server which gives these answers at once, then drips the last one, and returns its port."""
    servers = []

    def start(*answers: bytes, drip: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller, contextlib.suppress(OSError):
                        for answer in answers:
                            caller.sendall(answer)
                            caller.recv(65_536)
                        for byte in drip:
                            caller.sendall(bytes([byte]))
                            time.sleep(0.1)

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def _short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "_LONGEST_CONVERSATION", 0.5)


class TestEmailBackend:
    @pytest.mark.parametrize(
        ("answers", "drip"),
        [
            ((), b"220 " + b"x" * 400),
            ((GREETING,), b"250-" + b"x" * 400),
            ((GREETING, CAPABILITIES), b"250 " + b"x" * 400),
        ],
        ids=["greeting", "capabilities", "sender"],
    )
    def test_a_conversation_that_drips_is_ended(
        self, mail_server: Callable[..., int], answers: tuple[bytes, ...], drip: bytes
    ) -> None:
        backend = get_connection("apps.core.mail.EmailBackend", host="127.0.0.1", port=mail_server(*answers, drip=drip))

        with pytest.raises((smtplib.SMTPServerDisconnected, smtplib.SMTPSenderRefused)):
            backend.send_messages([EmailMessage("Hello", "Hello", "a@b.example", ["c@d.example"])])

    def test_the_gateway_may_send_such_a_mail_again(self, mail_server: Callable[..., int], settings: Any) -> None:
        settings.EMAIL_BACKEND = "apps.core.mail.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server(drip=b"220 " + b"x" * 400)

        outcome = notifications_mail.send(
            recipient="c@d.example", subject="Hello", text="Hello", html="<p>Hello</p>", message_id="<1@b.example>"
        )

        assert outcome.result is SendResult.TEMPORARY_FAILURE

    def test_it_is_what_every_address_by_smtp_uses(self) -> None:
        from config.settings import base

        assert base.EMAIL_BACKEND == "apps.core.mail.EmailBackend"
