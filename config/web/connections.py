"""One client's connection: its socket never blocks, so that neither a slow reader nor a slow writer occupies a thread."""

import errno
import select
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.unreader import Unreader
from gunicorn.workers.gthread import TConn

from config.web.framing import IncomingRequest

#: The part of an answer that may wait for its reader in memory. The thread that writes more waits itself, up to its deadline.
MAX_UNSENT_BYTES = 4_194_304
_PIECE = 262_144
_RECEIVED_AT_ONCE = 65_536


def _reset(why: str) -> ConnectionResetError:
    # gunicorn ends a connection quietly on this error number.
    return ConnectionResetError(errno.ECONNRESET, why)


class ReceivedBytes(Unreader):
    """What a parser may read: the bytes that have arrived. Reading past them ends the request and never waits."""

    def chunk(self, size_hint: int | None = None) -> bytes:
        raise _reset("the client ended the request before it was complete")


class ClientSocket:
    """
    A socket as gunicorn's threads use it: they only write, and what the client does not take at once stays in `unsent`.

    `shutdown` and `close` do nothing, because a connection is ended by the event loop alone; the methods at the end are its.
    """

    __slots__ = ("_socket", "deadline", "is_broken", "unsent")

    def __init__(self, client: socket.socket) -> None:
        client.setblocking(False)
        self._socket = client
        self.unsent = bytearray()
        self.deadline = 0.0
        self.is_broken = False

    def fileno(self) -> int:
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, value: float | None) -> None:
        pass

    def gettimeout(self) -> float:
        return 0.0

    def recv(self, size: int) -> bytes:
        return b""

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass

    def send(self, data: Any) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, data: Any) -> None:
        """
        Send the data, or keep what the client does not take yet.

        :raises ConnectionResetError: if the client is gone, or takes too little before the deadline
        """
        if self.is_broken:
            raise _reset("the client is gone")
        sent = 0 if self.unsent else self._send(data)
        if sent < len(data):
            self.unsent += memoryview(data)[sent:]
        while len(self.unsent) > MAX_UNSENT_BYTES:
            self._wait_for_reader()
            self.flush()

    def _send(self, data: Any) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.is_broken = True
            raise _reset(str(error)) from error

    def _wait_for_reader(self) -> None:
        waiting = select.poll()
        waiting.register(self._socket, select.POLLOUT)
        if not waiting.poll(max(0.0, self.deadline - time.monotonic()) * 1000):
            self.is_broken = True
            raise _reset("the client reads too slowly")

    def flush(self) -> None:
        """Send what is left, as far as the client takes it; raises ConnectionResetError if the client is gone."""
        while self.unsent and (sent := self._send(self.unsent[:_PIECE])):
            del self.unsent[:sent]

    def receive(self) -> bytes:
        """Return what has arrived, nothing at the end; raises BlockingIOError if there is nothing yet."""
        return self._socket.recv(_RECEIVED_AT_ONCE)

    def finish_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def discard_unsent(self) -> None:
        """Let the close reset the connection: else the kernel would go on offering what the client does not read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def release(self) -> None:
        self._socket.close()


class Connection(TConn):
    """A client's connection. `timeout` is when its present wait ends, on the monotonic clock."""

    sock: ClientSocket
    initialized: bool

    def __init__(self, cfg: Any, client: socket.socket, address: Any, server: Any) -> None:
        super().__init__(cfg, ClientSocket(client), address, server)
        self.request = IncomingRequest()
        self.data_ready = True  # a thread never waits for data
        self.is_at_end = False
        self.is_closed = False
        self.keeps_alive = False
        self.drained_bytes = 0
        self.held_bytes = 0
        self.queue: ConnectionQueue | None = None
        #: The event that the loop waits for, and what it then does.
        self.watched_for: tuple[int, Callable[[Connection], None]] | None = None

    def init(self) -> None:
        if self.initialized:
            return
        self.initialized = True
        self.parser = get_parser(self.cfg, [], self.client)
        self.parser.unreader = ReceivedBytes()

    def close(self, graceful: bool = False) -> None:
        self.is_closed = True
        if self.sock.unsent:
            self.sock.discard_unsent()
        self.sock.release()


class ConnectionQueue:
    """Connections that wait equally long for the same thing: the one whose time ends first is in front, any leaves at once."""

    def __init__(self) -> None:
        self._members: OrderedDict[Connection, None] = OrderedDict()

    def append(self, conn: Connection) -> None:
        self._members[conn] = None
        conn.queue = self

    def remove(self, conn: Connection) -> None:
        del self._members[conn]
        conn.queue = None

    def popleft(self) -> Connection:
        conn, _ = self._members.popitem(last=False)
        conn.queue = None
        return conn

    def __getitem__(self, index: int) -> Connection:
        if index:
            raise IndexError("only the first connection can be looked up")
        return next(iter(self._members))

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)
