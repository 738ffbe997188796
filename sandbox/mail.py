"""A mail server that keeps every message and delivers none."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import threading
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, Envelope, Session

if TYPE_CHECKING:
    from sandbox.state import World

_LARGEST = 30 * 1024 * 1024


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
    attachments: list[dict[str, Any]]
    raw: str

    def row(self) -> dict[str, Any]:
        row = asdict(self)
        del row["raw"]
        return {"from": self.sender, **row}


class Mailbox:
    """All mail of everybody. Callers hold the world's lock."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []

    def add(self, *, at: float, sender: str, to: list[str], content: bytes) -> Mail:
        mail = _parse(n=len(self.mails) + 1, at=at, sender=sender, to=to, content=content)
        self.mails.append(mail)
        return mail

    def dump(self) -> dict[str, Any]:
        return {"mails": [asdict(mail) for mail in self.mails]}

    def load(self, data: dict[str, Any]) -> None:
        self.mails = [Mail(**row) for row in data["mails"]]


def _parse(*, n: int, at: float, sender: str, to: list[str], content: bytes) -> Mail:
    message = email.message_from_bytes(content, policy=email.policy.default)
    return Mail(
        n=n,
        at=at,
        sender=sender,
        to=to,
        header_from=str(message.get("From", "")),
        header_to=str(message.get("To", "")),
        subject=str(message.get("Subject", "")),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        message_id=str(message.get("Message-ID", "")),
        attachments=[
            {
                "name": part.get_filename() or "",
                "content_type": part.get_content_type(),
                "size": len(part.get_payload(decode=True) or b""),
            }
            for part in message.iter_attachments()
        ],
        raw=content.decode("utf-8", errors="replace"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


class _Handler:
    """What aiosmtpd calls for each message."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its signature
        world = self._world
        with world.lock:
            fault = world.faults.take(service="smtp", method="DATA", path="/data")
        if fault is not None and not fault.takes_effect():
            return await self._spoilt(fault.kind, fault.status, server)

        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        with world.lock:
            now = world.clock.now()
            world.mailbox.add(at=now, sender=envelope.mail_from or "", to=list(envelope.rcpt_tos), content=content)
            world.changed()
        if fault is not None:
            await asyncio.sleep(fault.delay_ms / 1000)
            if fault.kind != "delay":
                return await self._spoilt(fault.kind, fault.status, server)
        return "250 OK"

    async def _spoilt(self, kind: str, status: int, server: SMTP) -> str:
        if kind.startswith("drop") and server.transport is not None:
            server.transport.close()
        code = status if 400 <= status < 600 and status != 502 else 451
        return f"{code} the sandbox was told to refuse this"


class MailServer:
    """The SMTP side of the sandbox: an event loop in a thread of its own."""

    def __init__(self, world: World, *, host: str, port: int) -> None:
        self._world = world
        self._socket = socket.create_server((host, port))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-smtp", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(5)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        handler = _Handler(self._world)
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: SMTP(handler, hostname="sandbox.localhost", data_size_limit=_LARGEST, loop=self._loop),
                sock=self._socket,
            )
        )
        self._loop.call_soon(self._ready.set)
        try:
            self._loop.run_forever()
        finally:
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
