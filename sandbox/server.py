"""Starting and stopping a sandbox: in this process for tests and tools, or as a process of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.app import SandboxApp
from sandbox.listeners import listen
from sandbox.mail_server import MailServer
from sandbox.razorpay import due_actions, webhooks
from sandbox.settings import Settings
from sandbox.state import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_HOUSEKEEPING_SECONDS = 0.25


class ControlRefused(Exception):
    """A control call that was answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class _QuietHandler(WSGIRequestHandler):
    """Prints nothing of each request, since the HTTP log has it, and closes what a fault wants dropped."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass

    def connection_dropped(self, _error: BaseException, _environ: WSGIEnvironment | None = None) -> None:
        self.close_connection = True


class Sandbox:
    """
    A running sandbox.

    `url` is its root; `razorpay_url`, `msg91_url` and `email_url` are what the product is configured with.

    :raises PortUnusable: if a port is taken
    :raises ValueError: if the snapshot cannot be used
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.world = World(settings)
        if settings.snapshot is not None and settings.snapshot.exists():
            self.world.load(settings.snapshot)
        with listen(settings.host, settings.port) as listener:  # the server has a duplicate of it
            self._server = make_server(
                settings.host,
                settings.port,
                SandboxApp(self.world),
                threaded=True,
                request_handler=_QuietHandler,
                fd=listener.fileno(),
            )
        try:
            self._mail = MailServer(self.world, host=settings.host, port=settings.smtp_port)
        except OSError:
            self._server.server_close()
            raise
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox-http", daemon=True),
            threading.Thread(target=self._run_housekeeping, name="sandbox-housekeeping", daemon=True),
        ]
        self.smtp_port = self._mail.port
        self.url = f"http://{settings.host}:{self._server.port}"
        self.razorpay_url = f"{self.url}/razorpay"
        self.msg91_url = f"{self.url}/msg91"
        self.control_url = f"{self.url}/__sim__"
        self.email_url = f"smtp://{settings.host}:{self.smtp_port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self.world.scheduler.start()
        self._mail.start()
        for thread in self._threads:
            thread.start()
        with self.world.lock:
            webhooks.resume_deliveries(self.world)

    def stop(self) -> None:
        """Stop listening and sending, then write the snapshot."""
        self._server.shutdown()
        self._server.server_close()
        self._mail.stop()
        self.world.scheduler.stop()
        self._stopping.set()
        for thread in self._threads:
            thread.join(2)
        if self.settings.snapshot is not None:
            self._save(self.settings.snapshot, clean=True)

    def control(
        self, method: str, path: str, body: Mapping[str, object] | None = None, /, **query: str | float
    ) -> dict[str, Any]:
        """
        Make a control call over HTTP, as `control("POST", "/faults", {...})` or `control("GET", "/sms", to="9198...")`.

        :raises ControlRefused: if the answer is an error
        """
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment must not see loopback traffic
            answer = session.request(method, f"{self.control_url}{path}", json=body, params=query, timeout=90)
        if not answer.ok:
            raise ControlRefused(answer.status_code, answer.json()["error"])
        return dict(answer.json())

    def _run_housekeeping(self) -> None:
        """Let what is due by the clock happen, and write the snapshot soon after each change."""
        saved = self.world.revision
        pause = _HOUSEKEEPING_SECONDS
        while not self._stopping.wait(pause):
            with self.world.lock:
                due_actions.run_due(self.world)
                revision = self.world.revision
            if revision != saved and self.settings.snapshot is not None:
                started = time.monotonic()
                self._save(self.settings.snapshot, clean=False)
                # A large world is written more rarely, so that writing never takes more than a tenth of the time.
                pause = max(_HOUSEKEEPING_SECONDS, 10 * (time.monotonic() - started))
            saved = revision

    def _save(self, path: Path, *, clean: bool) -> None:
        try:
            self.world.save(path, clean=clean)
        except OSError as error:
            log.warning("the sandbox could not write its snapshot %s: %s", path, error)


class _SettingsFields(TypedDict, total=False):
    """The fields of `Settings`, any of them."""

    host: str
    port: int
    smtp_port: int
    webhook_url: str | None
    seed: int
    snapshot: Path | None
    key_id: str
    key_secret: str
    webhook_secret: str
    msg91_auth_key: str


@contextmanager
def running(**settings: Unpack[_SettingsFields]) -> Iterator[Sandbox]:
    """
    Run a sandbox in threads of this process, on free ports unless `settings` name others.

    Takes the fields of `Settings`: `with running(webhook_url=..., seed=7) as sandbox: ...`
    """
    with Sandbox(replace(Settings(port=0, smtp_port=0), **settings)) as sandbox:
        yield sandbox
