"""The index page: a look into the sandbox for a person with a browser, with the payer's two buttons."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from itertools import chain, islice
from textwrap import shorten

from sandbox.json_types import JsonObject
from sandbox.mailbox import Mail
from sandbox.msg91.state import Sms
from sandbox.razorpay.entities import Dispute, Event, Order, Payment, PaymentLink, QrCode, Refund, Settlement
from sandbox.state import World

_SHOWN = 15
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;
margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2430;background:#fbfaf7}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .4rem}p{margin:.3rem 0 1rem;color:#566}
table{border-collapse:collapse;width:100%;background:#fff}th,td{text-align:left;padding:.35rem .6rem;
border-bottom:1px solid #e6e2d8;vertical-align:top}th{font-weight:600;color:#566;font-size:.85rem}
code{font:13px ui-monospace,monospace}td:first-child,.whole{white-space:nowrap}.long{overflow-wrap:anywhere}form{display:inline}
a{color:#8a1f2b}.scroll{overflow-x:auto}
button{font:inherit;padding:.1rem .7rem;border:1px solid #b9b4a6;border-radius:4px;background:#fff;cursor:pointer}
.good{color:#17693a}.bad{color:#a3261c}.none{color:#899}
"""


def render(world: World, calls: list[JsonObject]) -> str:
    """Return the page as HTML; every text from outside is escaped."""
    with world.lock:
        sections = [*_messages(world), *_money(world), *_plumbing(world)]
        url = world.razorpay.policy.url or "no address"
        mode = world.razorpay.policy.mode
    sections.append(_section("Control calls", ("call", "what it does", "body"), map(_call, calls), shown=len(calls)))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Bahi sandbox</title>"
        '<meta name=viewport content="width=device-width"><link rel=icon href="data:,">'
        f"<style>{_STYLE}</style><h1>The sandbox</h1>"
        f"<p>This page shows an imitation of Razorpay, MSG91 and a mail server. Webhooks go to <code>{escape(url)}</code>, mode "
        f"<code>{escape(mode)}</code>. No rupee moves and no message leaves this machine.</p>{''.join(sections)}</html>"
    )


def _messages(world: World) -> list[str]:
    gateway = world.razorpay
    waiting = [gateway.payments[payment_id] for payment_id in sorted(gateway.open_payments)]
    unpaid = [order for order in reversed(gateway.orders.values()) if order.status != "paid"]
    return [
        _section("UPI payments that wait for the payer", ("payment", "amount", "link", ""), map(_waiting, waiting)),
        _section("Orders not yet paid", ("order", "amount", "receipt", "status", ""), map(_unpaid, unpaid)),
        _section("SMS", ("at", "to", "text"), map(_sms, reversed(world.msg91.messages))),
        _section("Mail", ("at", "to", "subject", "text"), map(_mail, reversed(world.mailbox.mails))),
    ]


def _money(world: World) -> list[str]:
    gateway = world.razorpay
    return [
        _section(
            "Payments",
            ("payment", "order", "amount", "method", "status", "fee"),
            map(_payment, reversed(gateway.payments.values())),
        ),
        _section(
            "Refunds",
            ("refund", "payment", "amount", "speed", "status", ""),
            map(_refund, reversed(gateway.refunds.values())),
        ),
        _section(
            "Settlements",
            ("settlement", "amount", "lines", "UTR", "planted errors"),
            map(_settlement, reversed(gateway.settlements.values())),
        ),
        _section(
            "Disputes",
            ("dispute", "payment", "amount", "phase", "status", ""),
            map(_dispute, reversed(gateway.disputes.values())),
        ),
        _section(
            "Payment links and QR codes",
            ("link or code", "amount", "paid", "status", ""),
            chain(map(_link, reversed(gateway.payment_links.values())), map(_qr, reversed(gateway.qr_codes.values()))),
        ),
    ]


def _plumbing(world: World) -> list[str]:
    return [
        _section(
            "Webhooks",
            ("event", "payment", "status", "answers", ""),
            map(_webhook, reversed(world.razorpay.events.values())),
        ),
        _section("Planned faults", ("path", "kind", "times"), map(_fault, world.faults.list_rows())),
    ]


def _section(title: str, heads: tuple[str, ...], rows: Iterable[list[str]], shown: int = _SHOWN) -> str:
    cells = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in islice(rows, shown)]
    head = "".join(f"<th>{head}</th>" for head in heads)
    table = (
        f"<div class=scroll><table><tr>{head}</tr>{''.join(cells)}</table></div>" if cells else "<p class=none>none</p>"
    )
    return f"<h2>{title}</h2>{table}"


def _waiting(payment: Payment) -> list[str]:
    path = f"/__sim__/payments/{payment.id}"
    buttons = _button(f"{path}/approve", "approve") + " " + _button(f"{path}/decline", "decline")
    return [_code(payment.id), _rupees(payment.amount), _code(payment.link or payment.vpa or ""), buttons]


def _unpaid(order: Order) -> list[str]:
    path = f"/__sim__/orders/{order.id}/checkout"
    buttons = _button(path, "pay", outcome="success") + " " + _button(path, "fail", outcome="failure")
    return [_code(order.id), _rupees(order.amount), _code(order.receipt or ""), order.status, buttons]


def _sms(sms: Sms) -> list[str]:
    return [_time(sms.at), _code(f"+{sms.to}", "whole"), escape(sms.text)]


def _mail(mail: Mail) -> list[str]:
    subject = f'<a href="/__sim__/mails/{mail.n}/raw">{escape(mail.subject or "(no subject)")}</a>'
    return [
        _time(mail.at),
        _code(", ".join(mail.to), "whole"),
        subject,
        escape(shorten(mail.text, 200, placeholder=" ...")),
    ]


def _payment(payment: Payment) -> list[str]:
    status = f"<span class={_tone(payment.status)}>{payment.status}</span>"
    fee = _rupees(payment.fee) if payment.fee is not None else ""
    return [_code(payment.id), _code(payment.order_id or ""), _rupees(payment.amount), payment.method, status, fee]


def _refund(refund: Refund) -> list[str]:
    path = f"/__sim__/refunds/{refund.id}/conclude"
    buttons = _button(path, "process", outcome="processed") + " " + _button(path, "fail", outcome="failed")
    status = f"<span class={_tone(refund.status)}>{refund.status}</span>"
    return [
        _code(refund.id),
        _code(refund.payment_id),
        _rupees(refund.amount),
        refund.speed_processed,
        status,
        buttons if refund.status == "pending" else "",
    ]


def _settlement(settlement: Settlement) -> list[str]:
    planted = ", ".join(sorted({note["kind"] for note in settlement.planted}))
    return [_code(settlement.id), _rupees(settlement.amount), str(settlement.lines), _code(settlement.utr), planted]


def _dispute(dispute: Dispute) -> list[str]:
    path = f"/__sim__/disputes/{dispute.id}/decide"
    buttons = " ".join(_button(path, outcome, outcome=outcome) for outcome in ("won", "lost", "closed"))
    undecided = dispute.status in {"open", "under_review"}
    return [
        _code(dispute.id),
        _code(dispute.payment_id),
        _rupees(dispute.amount),
        dispute.phase,
        dispute.status,
        buttons if undecided else "",
    ]


def _link(link: PaymentLink) -> list[str]:
    path = f"/__sim__/payment_links/{link.id}/pay"
    payable = link.status in {"created", "partially_paid"}
    buttons = _button(path, "pay") + " " + _button(path, "fail", outcome="failure") if payable else ""
    return [_code(link.id), _rupees(link.amount), _rupees(link.amount_paid), link.status, buttons]


def _qr(qr: QrCode) -> list[str]:
    amount = _rupees(qr.payment_amount) if qr.payment_amount is not None else "any"
    payable = qr.status == "active" and qr.fixed_amount
    button = _button(f"/__sim__/qr_codes/{qr.id}/pay", "pay") if payable else ""
    return [_code(qr.id), amount, _rupees(qr.payments_amount_received), qr.status, button]


def _webhook(event: Event) -> list[str]:
    answers = ", ".join(str(attempt["status"] or "no answer") for attempt in event.attempts)
    status = f"<span class={_tone(event.status)}>{event.status}</span>"
    again = _button(f"/__sim__/webhooks/{event.id}/resend", "resend")
    return [escape(event.event), _code(event.payment_id or ""), status, answers, again]


def _fault(row: JsonObject) -> list[str]:
    return [_code(str(row["path"])), escape(str(row["kind"])), str(row["times"])]


def _call(call: JsonObject) -> list[str]:
    body = json.dumps(call["body"]) if call["body"] else ""
    return [_code(f"{call['method']} {call['path']}"), escape(str(call["summary"])), _code(body)]


def _button(action: str, label: str, **fields: str) -> str:
    hidden = "".join(
        f'<input type=hidden name="{escape(name)}" value="{escape(value)}">'
        for name, value in {"back": "1", **fields}.items()
    )
    return f'<form method=post action="{escape(action)}">{hidden}<button>{escape(label)}</button></form>'


def _tone(status: str) -> str:
    tones = {"captured": "good", "delivered": "good", "processed": "good", "failed": "bad", "dropped": "bad"}
    return tones.get(status, "none")


def _code(text: str, breaks: str = "long") -> str:
    return f"<code class={breaks}>{escape(text)}</code>"


def _rupees(paise: int) -> str:
    return f"₹{_grouped(paise // 100)}.{paise % 100:02d}"


def _grouped(number: int) -> str:
    """Part digits as in India: thousands, then lakhs and crores by two."""
    head, tail = divmod(number, 1000)
    if not head:
        return str(tail)
    pairs = []
    while head:
        head, pair = divmod(head, 100)
        pairs.append(f"{pair:02d}" if head else str(pair))
    return ",".join([*reversed(pairs), f"{tail:03d}"])


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%H:%M:%S")
