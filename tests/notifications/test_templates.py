"""Every message renders on every channel that it has, with people's text harmless."""

from html.parser import HTMLParser
from typing import Any

import pytest

from apps.notifications import rules
from apps.notifications.services import composition, rendering
from apps.notifications.states import Channel

FACTS: dict[str, Any] = {
    "shop": "Bahi", "name": "Asha <script>alert(1)</script> & Sons", "when": "21 Nov 2026, 11:05 am IST",
    "email": "asha@example.com", "number": "ORD-2627-000123", "total": "₹12,34,567.00", "plain_total": "12,34,567.00",
    "paid": "₹12,34,567.00", "plain_paid": "12,34,567.00", "placed": "21 Nov 2026, 11:05 am IST",
    "expires": "21 Nov 2026, 11:35 am IST", "reason": "Changed <my> mind", "link": "https://rzp.io/i/nxrHnLJ",
    "until": "22 Nov 2026, 11:05 am IST",
    "lines": [{"name": "Kurta <b>blue</b>", "quantity": 2, "total": "₹1,179.00"}], "taxable": "₹999.15", "tax": "₹179.85",
    "round_off": "", "ship_to": "Asha <Owner>, Bengaluru", "invoice_id": "", "invoice_number": "INV270000001",
    "invoice_date": "21 Nov 2026", "invoice_total": "₹1,179.00", "original_number": "INV270000001",
    "original_date": "20 Nov 2026", "amount": "₹12,34,567.00", "plain_amount": "12,34,567.00", "due": "30 Nov 2026",
    "outcome": "lost", "dispute": "disp_NQxlPq2WmR8sTz", "bank_reason": "goods <not> received", "hours": 24,
    "respond_by": "30 Nov 2026, 11:05 am IST", "refusal": "No <b>document</b>.", "page": "http://127.0.0.1:8000/admin/",
    "refund_number": "ORD-2627-000123-R1", "is_by_transfer": False, "bank_reference": "<b>ARN1</b>",
}  # fmt: skip

MESSAGE_TEMPLATES = list(rules.MESSAGE_TEMPLATES.values())


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
    assert set(composition._COMPOSERS) == set(rules.MESSAGE_TEMPLATES)


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
