"""The evidence pack on paper: what a bank is shown of a sale whose money it wants back."""

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from django.conf import settings
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Spacer, Table, TableStyle

from apps.core import clock, paper
from apps.core.money import rupees
from apps.core.paper import ACCENT, BOLD, CONTENT, HAIRLINE, SEMIBOLD, SOFT, TINT, grid, style, text
from apps.notifications.selectors import Evidence
from apps.payments.states import ProofKind

_LABEL = 42 * mm
_NO_SHIPMENT = "No shipment is recorded with the order."
_ADDRESS = ("name", "company", "line1", "line2", "city", "state_name", "pin")


def draw_evidence(evidence: Evidence) -> bytes:
    """Return the PDF of an evidence pack; the same rows always give the same bytes."""
    paper.load_fonts()
    title = f"Evidence for dispute {evidence.dispute.gateway_dispute_id}"
    story = [
        _head(evidence),
        *_section("The dispute, and what we say", _answer(evidence)),
        *_section("What was sold", _sale(evidence)),
        *_section("How it was paid", _payment(evidence)),
        *_section("Who bought it", _buyer(evidence)),
        *_section("Delivery", _delivery(evidence)),
        *_section("Documents and refunds", _documents(evidence)),
        *_section("What the buyer was told", _messages(evidence)),
        *_section("What happened", _timeline(evidence)),
        *_section("Further statements", _statements(evidence, ProofKind.BILLING, ProofKind.OTHER)),
    ]
    file = BytesIO()
    paper.build(
        file,
        story,
        title=title,
        author=settings.SHOP_NAME,
        running=(settings.SHOP_NAME, title),
        foot=(f"{settings.SHOP_NAME}  ·  order {evidence.order.number}", "All times are Indian Standard Time."),
    )
    return file.getvalue()


def _head(evidence: Evidence) -> Table:
    left = [
        text(settings.SHOP_NAME, style(17, font=BOLD, colour=ACCENT, leading=1.15)),
        Spacer(0, 1.2 * mm),
        text(f"Order {evidence.order.number}, payment {evidence.attempt.gateway_payment_id}", style(9, font=SEMIBOLD)),
    ]
    right = [
        text("EVIDENCE", style(17, font=BOLD, right=True, leading=1.15)),
        Spacer(0, 1.2 * mm),
        text(f"for dispute {evidence.dispute.gateway_dispute_id}", style(8.5, colour=SOFT, right=True)),
    ]
    return grid(
        [[left, right]],
        [CONTENT * 0.62, CONTENT * 0.38],
        ("LINEBELOW", (0, 0), (-1, 0), 1.2, ACCENT),
        ("BOTTOMPADDING", (0, 0), (-1, 0), 3.5 * mm),
    )


def _answer(evidence: Evidence) -> list[Any]:
    dispute = evidence.dispute
    facts = [
        ("Disputed amount", rupees(dispute.amount)),
        ("Reason given", dispute.reason_code.replace("_", " ") or "none"),
        ("Phase", dispute.get_phase_display()),
        ("Opened", _at(dispute.opened_at)),
    ]
    said = [_facts(facts)]
    if dispute.summary:
        said += [Spacer(0, 2 * mm), text(dispute.summary, style(9.5, font=SEMIBOLD, leading=1.4))]
    return said


def _sale(evidence: Evidence) -> list[Any]:
    order = evidence.order
    rows = [(line.name, line.sku, str(line.quantity), rupees(line.total_amount)) for line in evidence.lines]
    facts = [("Placed", _at(order.placed_at)), ("Order total", rupees(order.total_amount))]
    if order.confirmed_at:
        facts.insert(1, ("Confirmed", _at(order.confirmed_at)))
    table = _table(("Item", "SKU", "Units", "Price with tax"), rows, (0.52, 0.2, 0.1, 0.18), right=(2, 3))
    return [table, Spacer(0, 2 * mm), _facts(facts)]


def _payment(evidence: Evidence) -> list[Any]:
    attempt, payment = evidence.attempt, evidence.payment
    facts = [
        ("Captured", f"{rupees(attempt.amount)}, {_at(attempt.captured_at)}"),
        ("Method", f"{attempt.method} {attempt.payer}".strip()),
        ("Bank reference", attempt.rrn or "not told"),
        ("Payer's IP address", payment.payer_ip or "not known"),
        ("Payer's browser", payment.payer_user_agent or "not known"),
    ]
    return [_facts(facts)]


def _buyer(evidence: Evidence) -> list[Any]:
    facts = [("Name", evidence.customer.name or "not given")]
    if evidence.phone:
        proved = evidence.phone_confirmed_at
        facts.append(("Phone", f"{evidence.phone}, proved by a code on {_at(proved)}" if proved else evidence.phone))
    if evidence.email:
        proved = evidence.customer.email_confirmed_at
        facts.append(("E-mail", f"{evidence.email}, confirmed on {_at(proved)}" if proved else evidence.email))
    facts.append(("Customer since", _at(evidence.signed_up_at or evidence.customer.created_at)))
    rows = [(_at(one.created_at), one.ip or "", one.user_agent) for one in evidence.log_ins]
    shown = _table(("Logged in", "IP address", "Browser or app"), rows, (0.24, 0.22, 0.54))
    return [_facts(facts), Spacer(0, 2 * mm), shown if rows else _none("No log-in is recorded.")]


def _delivery(evidence: Evidence) -> list[Any]:
    order = evidence.order
    address = order.shipping_address
    facts = [
        ("Delivery address", ", ".join(str(address[part]) for part in _ADDRESS if address.get(part))),
        ("State of the order", order.get_status_display()),
    ]
    return [_facts(facts), Spacer(0, 2 * mm), _none(_NO_SHIPMENT), *_statements(evidence, ProofKind.SHIPPING)]


def _documents(evidence: Evidence) -> list[Any]:
    rows = [
        (f"{one.get_type_display()} {one.number}", _at(one.issued_at), rupees(one.total_amount), "")
        for one in evidence.documents
    ]
    rows += [
        (f"Refund {one.number}", _at(one.processed_at), rupees(one.amount), one.arn or one.manual_reference)
        for one in evidence.refunds
    ]
    if not rows:
        return [_none("No document was issued, and nothing was refunded.")]
    return [_table(("Document", "When", "Amount", "Bank reference"), rows, (0.4, 0.24, 0.16, 0.2), right=(2,))]


def _messages(evidence: Evidence) -> list[Any]:
    rows = [
        (
            _at(told.message.sent_at or told.message.created_at),
            told.message.get_channel_display(),
            told.recipient,
            told.message.title,
            told.message.get_status_display(),
        )
        for told in evidence.messages
    ]
    if not rows:
        return [_none("No message is recorded.")]
    return [_table(("When", "Channel", "To", "Subject", "State"), rows, (0.22, 0.1, 0.2, 0.38, 0.1))]


def _timeline(evidence: Evidence) -> list[Any]:
    rows = [(_at(one.at), one.text, one.actor) for one in evidence.timeline]
    return [_table(("When", "What", "By"), rows, (0.24, 0.62, 0.14))]


def _statements(evidence: Evidence, *kinds: ProofKind) -> list[Any]:
    said: list[Any] = []
    for one in evidence.statements:
        if one.kind in kinds:
            tracking = " ".join(part for part in (one.carrier, one.tracking_number) if part)
            head = f"{one.get_kind_display()}, stated {_at(one.created_at)}" + (f": {tracking}" if tracking else "")
            said += [Spacer(0, 2 * mm), text(head, style(8.5, colour=SOFT)), text(one.text, style(9, leading=1.4))]
    return said


def _section(title: str, content: Sequence[Any]) -> list[Any]:
    """Return a titled part that keeps its title with what follows; nothing if it has nothing."""
    if not content:
        return []
    head = text(title, style(11, font=SEMIBOLD, colour=ACCENT))
    return [Spacer(0, 4 * mm), KeepTogether([head, Spacer(0, 1.5 * mm), content[0]]), *content[1:]]


def _facts(facts: Sequence[tuple[str, str]]) -> Table:
    cells = [[text(label, style(8.5, colour=SOFT)), text(value, style(8.5))] for label, value in facts]
    return grid(cells, [_LABEL, CONTENT - _LABEL], ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6))


def _none(words: str) -> Any:
    return text(words, style(8.5, colour=SOFT))


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float], *, right: Sequence[int] = ()
) -> Table:
    """Return a table of text; `shares` are of the width, `right` the columns that stand to the right."""
    cells = [[text(head, style(7.6, font=SEMIBOLD, right=at in right)) for at, head in enumerate(heads)]]
    cells += [[text(cell, style(8, right=at in right)) for at, cell in enumerate(row)] for row in rows]
    table = Table(cells, colWidths=[CONTENT * share for share in shares], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("BACKGROUND", (0, 0), (-1, 0), TINT),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, HAIRLINE),
                ("TOPPADDING", (0, 0), (-1, -1), 2.2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3.4),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(clock.IST):%d %b %Y, %H:%M:%S}"
