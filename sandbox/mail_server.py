"""The SMTP side of the sandbox: it accepts every message and delivers none."""

from __future__ import annotations

import asyncio
import threading
from http import HTTPStatus

from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.faults import Fault
from sandbox.listeners import listen
from sandbox.state import World

_LARGEST_MESSAGE = 30 * 1024 * 1024
_TRY_LATER, _HIGHEST_CODE = 451, 599


class _MessageHandler:
    """What aiosmtpd calls for each message."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        fault = self._take_fault()
        if fault is None:
            self._keep_message(envelope)
            return "250 OK"
        if not fault.takes_effect():
            return _spoil_answer(fault, server)
        self._keep_message(envelope)
        await asyncio.sleep(fault.delay_ms / 1000)
        return "250 OK" if fault.kind == "delay" else _spoil_answer(fault, server)

    def _take_fault(self) -> Fault | None:
        with self._world.lock:
            return self._world.faults.take(service="smtp", method="DATA", path="/data")

    def _keep_message(self, envelope: Envelope) -> None:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        world = self._world
        with world.lock:
            now = world.clock.now()
            world.mailbox.add(at=now, sender=envelope.mail_from or "", to=list(envelope.rcpt_tos), content=content)
            world.notify_change()


def _spoil_answer(fault: Fault, server: SMTP) -> str:
    """Return the refusal that a fault asks for, and close the connection if it is to be dropped."""
    if fault.kind.startswith("drop") and server.transport is not None:
        server.transport.close()
    return f"{_find_smtp_code(fault.status)} refused by a planned fault of the sandbox"


def _find_smtp_code(status: int) -> int:
    """Return the code of an SMTP refusal; a fault's default status is one of HTTP alone."""
    is_code = HTTPStatus.BAD_REQUEST <= status <= _HIGHEST_CODE and status != HTTPStatus.BAD_GATEWAY
    return status if is_code else _TRY_LATER


class MailServer:
    """The mail server: an event loop in a thread of its own."""

    def __init__(self, world: World, *, host: str, port: int) -> None:
        self._world = world
        self._socket = listen(host, port)
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
        handler = _MessageHandler(self._world)
        server = self._loop.run_until_complete(
            self._loop.create_server(
                lambda: SMTP(handler, hostname="sandbox.localhost", data_size_limit=_LARGEST_MESSAGE, loop=self._loop),
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
