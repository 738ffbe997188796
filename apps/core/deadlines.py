"""
A limit on the whole of a conversation with another machine.

Time-outs of sockets begin again with each byte: a peer that sends one every few seconds holds a call for as long as it likes.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

_current = threading.local()


class Deadline:
    """The end of one outgoing call: `is_over` once its time was up and its connections were ended."""

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, descriptor: int) -> None:
        """End this connection too when the time is up, whatever TLS makes of its socket meanwhile."""
        connection = socket.socket(fileno=os.dup(descriptor))
        with self._lock:
            self._connections.append(connection)
            if self.is_over:
                _shut(connection)

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for connection in self._connections:
                _shut(connection)

    def release(self) -> None:
        """Stop watching the connections: the call is over."""
        self._timer.cancel()
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def _shut(connection: socket.socket) -> None:
    # The reader sees the end of the connection at once; closing would leave it waiting.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """End every connection that this thread opens or uses inside, through our own clients, after a count of seconds."""
    before = getattr(_current, "deadline", None)
    _current.deadline = here = Deadline(seconds)
    try:
        yield here
    finally:
        _current.deadline = before
        here.release()


def watch(connection: socket.socket | None) -> None:
    """Put a connection under the deadline of the current call, if there is one."""
    here: Deadline | None = getattr(_current, "deadline", None)
    if here is not None and connection is not None:
        here.watch(connection.fileno())
