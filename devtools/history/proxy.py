"""
A TCP proxy in front of the web process that loses requests and answers, as networks do.

A request that is cut before it arrives never takes effect; one that is cut after it has arrived takes effect, and its
answer is lost. The client sees the same: a connection that is closed without an answer.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections import Counter
from dataclasses import dataclass

_CHUNK = 65_536


@dataclass(frozen=True)
class CutRates:
    """How many of a hundred requests are cut before they arrive, and how many after they have arrived."""

    before: float = 0.0
    after: float = 0.0


class CuttingProxy:
    """
    Listens on a port of its own and passes on what it does not cut.

    :param port: the port on 127.0.0.1 to pass on to
    """

    def __init__(self, port: int, *, seed: int) -> None:
        self.cuts: Counter[str] = Counter()
        self.rates = CutRates()
        self._target = ("127.0.0.1", port)
        self._random = random.Random(seed)  # noqa: S311 - the same seed cuts at the same rates
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                return  # nobody listens there now: the client sees a closed connection
            server.settimeout(None)
            with server:
                connection = _Connection(client, server)
                threading.Thread(target=self._pass_answers, args=(connection,), daemon=True).start()
                self._pass_requests(connection)

    def _pass_requests(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := connection.client.recv(_CHUNK):
                what = self._choose()
                if what == "before":
                    break
                connection.loses_answer = connection.loses_answer or what == "after"
                connection.server.sendall(data)
        connection.close()

    def _pass_answers(self, connection: _Connection) -> None:
        with contextlib.suppress(OSError):
            while data := connection.server.recv(_CHUNK):
                if connection.loses_answer:
                    break
                connection.client.sendall(data)
        connection.close()

    def _choose(self) -> str:
        """Return what becomes of a request: `before`, `after`, or empty if it is passed on."""
        with self._lock:
            drawn, rates = self._random.random() * 100, self.rates
            what = "before" if drawn < rates.before else "after" if drawn < rates.before + rates.after else ""
            if what:
                self.cuts[what] += 1
            return what


@dataclass
class _Connection:
    client: socket.socket
    server: socket.socket
    loses_answer: bool = False

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
