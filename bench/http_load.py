"""A client that costs little: requests that were built beforehand, sent over connections that stay open."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from bench.percentiles import percentile

_TIMEOUT_SECONDS = 60.0
_CHUNK = 65_536


class AnswerIncomplete(RuntimeError):
    """The server closed the connection in the middle of an answer, or sent one that cannot be read."""


@dataclass(frozen=True)
class Answer:
    """
    What came back: the status, and the body as it was sent.

    :param closes: the server closes the connection behind it
    """

    status: int
    body: bytes
    closes: bool = False

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection that stays open; it is opened again if the server has closed it in between."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> Answer:
        """
        Send a request and return its answer.

        :raises AnswerIncomplete: if none came, or a part
        """
        is_new = self._socket is None
        try:
            return self._send(request)
        except (AnswerIncomplete, OSError):
            self.close()
            if is_new:
                raise
            return self._send(request)  # the server recycles its workers, and closes what waits there

    def _send(self, request: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        received = bytearray()
        while (answer := take_answer(received)) is None:
            self._receive(received)
        if answer.closes:
            self.close()
        return answer

    def _receive(self, received: bytearray) -> None:
        assert self._socket is not None  # noqa: S101 - opened by `_send`
        chunk = self._socket.recv(_CHUNK)
        if not chunk:
            raise AnswerIncomplete(f"the connection was closed after {len(received)} bytes of an answer")
        received += chunk

    def close(self) -> None:
        """Close it, if it is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def take_answer(received: bytearray) -> Answer | None:
    """
    Return the answer that was received, and take it out, or None while a part of it is missing.

    :raises AnswerIncomplete: if it does not say how long it is
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    whole = end + 4 + _content_length(head)
    if len(received) < whole:
        return None
    body = bytes(received[end + 4 : whole])
    del received[:whole]
    return Answer(int(head[9:12]), body, closes=b"\r\nconnection: close" in head)


def _content_length(head: bytes) -> int:
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        if head[9:12] in (b"204", b"304"):
            return 0
        raise AnswerIncomplete("the answer does not say how long it is")
    return int(head[at + 17 :].split(b"\r\n", 1)[0])


def build_request(
    method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Return the bytes of a request; a body is JSON."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass
class Load:
    """What a load has seen: how long each answer took, and what was not answered as it should be."""

    seconds: list[float] = field(default_factory=list)
    refused: list[Answer] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which this share of the answers came."""
        return percentile(self.seconds, share) * 1000


def run_load(port: int, requests: Iterator[bytes], *, clients: int, seconds: float) -> Load:
    """
    Send requests for some seconds, each client one after another, and return what it has seen.

    :param requests: shared by the clients; the load ends early when there are no more
    """
    load, lock = Load(), threading.Lock()
    deadline = time.monotonic() + seconds

    def take() -> bytes | None:
        with lock:
            return next(requests, None)

    def work() -> None:
        connection = Connection(port)
        try:
            while time.monotonic() < deadline and (request := take()) is not None:
                began = time.perf_counter()
                answer = connection.send(request)
                took = time.perf_counter() - began
                load.seconds.append(took)
                if answer.status >= HTTPStatus.BAD_REQUEST:
                    load.refused.append(answer)
        finally:
            connection.close()

    _run_all([work] * clients)
    return load


def _run_all(works: list[Callable[[], None]]) -> None:
    """Run each in a thread of its own to its end; the first error of any is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised by who waits for the threads
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def connected(port: int) -> Iterator[Connection]:
    """Give a connection that is closed at the end."""
    connection = Connection(port)
    try:
        yield connection
    finally:
        connection.close()
