"""The mailbox: every message that was sent, taken apart."""

from __future__ import annotations

import email
import email.policy
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any

from sandbox.json_types import JsonObject


@dataclass(kw_only=True)
class Mail:
    """One message, taken apart. `at` is seconds UTC; `to` are the recipients of the envelope; sizes are bytes."""

    n: int
    at: float
    sender: str
    to: list[str]
    header_from: str
    header_to: str
    subject: str
    text: str
    html: str
    message_id: str
    attachments: list[JsonObject]
    raw: str

    def to_row(self) -> JsonObject:
        """Return the mail as the control API lists it, without its raw text."""
        row = asdict(self)
        del row["raw"]
        return {"from": self.sender, **row}


class Mailbox:
    """The mail of all recipients. Callers hold the world's lock."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def add(self, *, at: float, sender: str, to: list[str], content: bytes) -> None:
        self.mails.append(_parse_mail(n=len(self.mails) + 1, at=at, sender=sender, to=to, content=content))

    def dump(self) -> JsonObject:
        return {"mails": [asdict(mail) for mail in self.mails]}

    def load(self, snapshot: dict[str, Any]) -> None:
        self.mails = [Mail(**row) for row in snapshot["mails"]]


def _parse_mail(*, n: int, at: float, sender: str, to: list[str], content: bytes) -> Mail:
    message = email.message_from_bytes(content, policy=email.policy.default)
    return Mail(
        n=n,
        at=at,
        sender=sender,
        to=to,
        header_from=str(message.get("From", "")),
        header_to=str(message.get("To", "")),
        subject=str(message.get("Subject", "")),
        text=_read_body(message, "plain"),
        html=_read_body(message, "html"),
        message_id=str(message.get("Message-ID", "")),
        attachments=[_describe_attachment(part) for part in message.iter_attachments()],
        raw=content.decode("utf-8", errors="replace"),
    )


def _read_body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def _describe_attachment(part: EmailMessage) -> JsonObject:
    content = part.get_payload(decode=True)
    return {
        "name": part.get_filename() or "",
        "content_type": part.get_content_type(),
        "size": len(content) if isinstance(content, bytes) else 0,
    }
