"""Every message renders on every channel that it has, with people's text harmless."""

from html.parser import HTMLParser
from typing import Any

import pytest

from apps.notifications import rules
from apps.notifications.services import notifications, rendering
from apps.notifications.states import Channel
from tests.support.message_facts import FACTS, MESSAGE_TEMPLATES


class Tags(HTMLParser):
    """Checks that tags close in order and remembers them."""

    EMPTY = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_template_has_a_composer() -> None:
    assert set(notifications._COMPOSERS) == set(rules.MESSAGE_TEMPLATES)


@pytest.mark.parametrize("message", MESSAGE_TEMPLATES, ids=lambda message: message.name)
def test_the_in_app_text_renders(message: rules.MessageTemplate) -> None:
    title, body = rendering.render_in_app(message, FACTS)

    assert title
    assert body
    assert "{" not in title + body
    assert "&lt;" not in body


@pytest.mark.parametrize(
    "message", [m for m in MESSAGE_TEMPLATES if Channel.SMS in m.channels], ids=lambda message: message.name
)
def test_the_sms_renders(message: rules.MessageTemplate) -> None:
    variables, text = rendering.render_sms(message, FACTS)

    assert "##" not in text
    assert all(0 < len(value) <= rules.SMS_VARIABLE_LENGTH for value in variables.values())
    assert text.isascii()


@pytest.mark.parametrize(
    "message", [m for m in MESSAGE_TEMPLATES if Channel.EMAIL in m.channels], ids=lambda message: message.name
)
def test_the_email_renders_as_text_and_html(message: rules.MessageTemplate) -> None:
    subject, text = rendering.render_email(message, FACTS)
    html = rendering.render_email_html(message.name, FACTS, title=subject)

    assert "\n" not in subject
    assert "{" not in subject + text
    assert text.startswith("Dear Asha <script>alert(1)</script> & Sons,")
    assert "&lt;script&gt;" in html
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert not tags.seen & {"script", "img", "link", "b", "owner", "my"}
    assert tags.links == []


def test_the_confirmation_shows_lines_and_sums() -> None:
    message = rules.MESSAGE_TEMPLATES["order_confirmed"]
    _, text = rendering.render_email(message, {**FACTS, "round_off": "-₹0.15"})
    html = rendering.render_email_html("order_confirmed", {**FACTS, "round_off": "-₹0.15"}, title="Confirmed")

    assert "2 x Kurta <b>blue</b>: ₹1,179.00" in text
    assert "Round-off: -₹0.15" in text
    assert "Kurta &lt;b&gt;blue&lt;/b&gt;" in html
    assert "₹12,34,567.00" in html


def test_user_without_name_is_greeted() -> None:
    _, text = rendering.render_email(rules.MESSAGE_TEMPLATES["order_expired"], {**FACTS, "name": ""})

    assert text.startswith("Hello,\n")
