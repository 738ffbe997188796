"""Whatever people get bears the name of the shop that sends it, and no other."""

import re
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.core import mail

from apps.accounts.gateways import mail as code_mail
from apps.accounts.models import User
from apps.notifications import rules
from apps.notifications.gateways import mail as message_mail
from apps.notifications.services import rendering
from apps.notifications.states import Channel
from tests.support.message_facts import FACTS, MESSAGE_TEMPLATES

SHOP = "Kirana Corner"
#: What is sent or rendered for people outside.
SOURCES = sorted(
    path
    for folder, pattern in (
        ("templates/email", "*"), ("templates/sms", "*"), ("templates/in_app", "*"), ("apps", "*.typ"),
    )
    for path in (Path(configured.BASE_DIR) / folder).rglob(pattern)
    if path.is_file()
)  # fmt: skip
_OTHER_NAME = re.compile(r"\bBahi\b")


def context() -> dict[str, Any]:
    return {**FACTS, **rendering.user_context(User(name="Asha"))}


def name_and_address(header: str) -> tuple[str, str]:
    name, address = parseaddr(header)
    return str(make_header(decode_header(name))), address


@pytest.fixture(autouse=True)
def _shop(settings: Any) -> None:
    settings.SHOP_NAME = SHOP
    settings.DEFAULT_FROM_EMAIL = "Bahi <no-reply@kirana.example>"


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 80
    assert {path.suffix for path in SOURCES} == {".html", ".txt", ".typ"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_template_names_a_shop(path: Path) -> None:
    assert _OTHER_NAME.search(path.read_text()) is None


@pytest.mark.parametrize("message", MESSAGE_TEMPLATES, ids=lambda message: message.name)
def test_sms_and_mails_name_the_shop(message: rules.MessageTemplate) -> None:
    texts = []
    if Channel.SMS in message.channels:
        texts.append(rendering.render_sms(message, context())[1])
    if Channel.EMAIL in message.channels:
        texts.append(rendering.render_email(message, context())[1])
        texts.append(rendering.render_email_html(message.name, context(), title="x"))

    for text in texts:
        assert SHOP in text
        assert _OTHER_NAME.search(text) is None


class TestSender:
    def _sent(self) -> mail.EmailMessage:
        (sent,) = mail.outbox
        assert isinstance(sent, mail.EmailMessage)
        return sent

    @pytest.mark.parametrize(
        ("shop", "configured_sender"),
        [
            (SHOP, "Bahi <no-reply@kirana.example>"),
            ("Rao & Söhne, Pune", "no-reply@kirana.example"),
            ("किराना", '"Somebody, else" <no-reply@kirana.example>'),
        ],
    )
    def test_a_message_is_from_the_shop(self, settings: Any, shop: str, configured_sender: str) -> None:
        settings.SHOP_NAME, settings.DEFAULT_FROM_EMAIL = shop, configured_sender

        message_mail.send(
            recipient="asha@example.com", subject="x", text="x", html="x", message_id="<1@kirana.example>"
        )

        header = self._sent().message()["From"]
        assert name_and_address(str(header)) == (shop, "no-reply@kirana.example")

    @pytest.mark.parametrize("purpose", ["log_in", "confirm_email", "set_password"])
    def test_a_code_is_from_the_shop(self, purpose: str) -> None:
        code_mail.send_code(
            email="asha@example.com", code="123456", purpose=purpose, minutes=5, message_id="<1@kirana.example>"
        )

        sent: Any = self._sent()
        assert name_and_address(str(sent.message()["From"])) == (SHOP, "no-reply@kirana.example")
        for text in (sent.subject, sent.body, sent.alternatives[0][0]):
            assert SHOP in text
            assert _OTHER_NAME.search(text) is None
