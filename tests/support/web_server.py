"""The web process as production runs it, on a port of its own, with a copy of the test database and the tests' Redis."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.support.databases import copied_database

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 240
#: Half of the shortest deadline that a test sets.
_AT_ONCE_SECONDS = 0.5


def environment_of_web(database: str | None = None, **changes: str) -> dict[str, str]:
    """Return the environment of a web process that uses the test's own servers, and the test's database or another."""
    given = connection.settings_dict
    at = f"{quote(given['HOST'], safe='')}{':' + str(given['PORT']) if given['PORT'] else ''}"
    password = f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else ""
    return {
        **os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test", "HOST": "127.0.0.1", "PORT": "0",
        "WEB_CONCURRENCY": "1", "WEB_THREADS": "2", "REDIS_URL": settings.REDIS_URL,
        "DATABASE_URL": f"postgres://{given['USER']}{password}@{at}/{database or given['NAME']}", **changes,
    }  # fmt: skip


def command_of_web(*options: str) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", *options, "config.wsgi"]


class WebServer:
    """A running web process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        """Open a connection; a small receive buffer makes a client that reads slowly stop the sender early."""
        client = socket.socket()
        try:
            if receive_buffer is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.settimeout(240)
            client.connect(("127.0.0.1", self.port))
        except OSError:
            client.close()
            raise
        return client

    def send(self, raw: bytes) -> socket.socket:
        """
        Send the bytes on a new connection and return it.

        Where a busy machine let too much time pass in between, it was a slow client itself: it tries again.
        """
        while True:
            began = time.monotonic()
            client = self.connect()
            try:
                client.sendall(raw)
            except OSError:
                if time.monotonic() - began < _AT_ONCE_SECONDS:
                    raise
            else:
                if time.monotonic() - began < _AT_ONCE_SECONDS or len(raw) > 65_536:
                    return client
            client.close()

    def exchange(self, raw: bytes) -> bytes:
        """Send the bytes on a new connection and return all that comes back until the server closes it."""
        with self.send(raw) as client:
            return read_to_end(client)

    def stop(self, *, seconds: float = 240) -> int:
        """Ask the process to stop as a process manager does and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def read_to_end(client: socket.socket) -> bytes:
    """Return what comes until the server closes the connection or resets it."""
    answer = b""
    try:
        while piece := client.recv(65_536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def read_answer(client: socket.socket) -> bytes:
    """Return one answer with a Content-Length, head and body, from a connection that stays open."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _some(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0].split(b":")[1]):
        body += _some(client)
    return head + b"\r\n\r\n" + body


def _some(client: socket.socket) -> bytes:
    piece = client.recv(65_536)
    assert piece, "the server closed the connection before its answer ended"
    return piece


@contextmanager
def running_web(log: Path, *options: str, files: int | None = None, **changes: str) -> Iterator[WebServer]:
    """
    Start a web process with more command-line options, other variables or fewer open files than usual, and end it.

    What it commits stays in a database of its own: no test after it finds the rows.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with copied_database(f"web_{port}") as database, log.open("wb") as output:
        limited = [] if files is None else ["/bin/sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
        process = subprocess.Popen(
            [*limited, *command_of_web(*options)], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            env=environment_of_web(database, PORT=str(port), **changes),
        )  # fmt: skip
        server = WebServer(process, port, log)
        try:
            _wait_until_alive(server)
            yield server
        finally:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_alive(server: WebServer) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, f"the web process ended: {server.log.read_text()}"
        try:
            if b"200 OK" in server.exchange(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the web process did not answer: {server.log.read_text()}")
