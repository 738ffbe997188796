"""Clients that send or read one byte at a time, or do not close, and come again as soon as the server has ended them."""

import contextlib
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from tests.support.web_server import WebServer

_HEAD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
_POST = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
#: An answer of more than a megabyte.
LARGE_PAGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
_TICK_SECONDS = 0.05

#: Kind -> what it sends at once, and the byte that it then repeats.
DRIPS: dict[str, tuple[bytes, bytes]] = {
    "header": (_HEAD + b"X-Slow: ", b"x"),
    "body": (_POST + b"Content-Length: 100000\r\n\r\n{", b" "),
    "pipelined half": (_HEAD + b"\r\n" + _HEAD + b"X-Slow: ", b"x"),
    "chunked": (_POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1"),
}
SLOW_READER = "slow reader"
SLOW_CLOSER = "slow closer"


@dataclass
class _Client:
    kind: str
    peer: socket.socket | None = None
    answer: bytes = field(default=b"", repr=False)


class SlowClients:
    """
    A number of slow clients of each kind, driven by one thread inside a `with` block.

    `ended` counts by kind how many of them the server has ended so far.
    """

    def __init__(self, server: WebServer, counts: dict[str, int]) -> None:
        self.server = server
        self.ended: Counter[str] = Counter()
        self.rounds = 0
        self._clients = [_Client(kind) for kind, count in counts.items() for _ in range(count)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drive, name="slow-clients", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _drive(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            for client in self._clients:
                self._take_turn(client)
            self.rounds += 1
        for client in self._clients:
            if client.peer is not None:
                client.peer.close()

    def _take_turn(self, client: _Client) -> None:
        try:
            if client.peer is None:
                self._begin(client)
            else:
                self._go_on(client, client.peer)
        except BlockingIOError:
            pass
        except OSError:
            self.ended[client.kind] += client.peer is not None
            if client.peer is not None:
                client.peer.close()
            client.peer = None

    def _begin(self, client: _Client) -> None:
        client.answer = b""
        peer = self.server.connect(receive_buffer=4_096 if client.kind == SLOW_READER else None)
        client.peer = peer
        if client.kind in DRIPS:
            peer.sendall(DRIPS[client.kind][0])
        elif client.kind == SLOW_READER:
            peer.sendall(f"GET {LARGE_PAGE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        else:
            peer.sendall(_HEAD + b"Connection: close\r\n\r\n")
        peer.setblocking(False)

    def _go_on(self, client: _Client, peer: socket.socket) -> None:
        if client.kind == SLOW_READER:
            # What has arrived could still be read for long after a reset.
            if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or not peer.recv(1):
                raise ConnectionResetError
            return
        with contextlib.suppress(BlockingIOError):
            client.answer += peer.recv(65_536)
        # A closed connection is noticed by sending, since the server's end of sending alone says nothing.
        peer.sendall(DRIPS[client.kind][1] if client.kind in DRIPS else b"x")
