"""
gunicorn's thread worker, with reading and writing taken out of the threads.

gunicorn 27 hands a connection to a thread at its first byte; a client that sends or reads one byte a second keeps that thread, and no
setting limits it. Here the event loop reads until a request has arrived whole, a thread answers it, and the event loop sends what
the client did not take at once. A connection waits for each of these a bounded time:

- for a whole request `request_deadline` seconds from its first byte (a new connection: from its opening);
- for the next request `keepalive` seconds;
- for the client to take an answer `request_deadline` seconds;
- for the client to close `CLOSE_SECONDS`, or `MAX_DRAINED_BYTES`.

If all places are taken, or clients hold too many bytes in memory, the oldest unfinished connection is closed.
Why and what else was tried: docs/decisions/0024-slow-clients.md. What it uses of gunicorn: tests/config/test_gunicorn_internals.py.
"""

import errno
import resource
import selectors
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, UnsupportedTransferCoding
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from config.web.connections import Connection, ConnectionQueue
from config.web.framing import MAX_HEAD_BYTES, Arrival

#: The release whose source this module was written against.
GUNICORN_VERSION = "27.0.1"
CLOSE_SECONDS = 2.0
#: An honest request has arrived until then.
SUSPICIOUS_SECONDS = 2.0
MAX_DRAINED_BYTES = 8_388_608
#: What all clients together may hold in memory: unfinished requests and answers that they have not read.
MAX_HELD_BYTES = 67_108_864
#: File descriptors that are not for clients: databases, logs, listeners, pipes.
_OTHER_FILES = 128
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class BufferingWorker(ThreadWorker):
    """A thread worker that no slow client can stop. Everything but `handle` and `handle_request` runs on the event loop."""

    #: Seconds; the configuration sets it from WEB_REQUEST_DEADLINE_SECONDS.
    request_deadline = 20.0
    worker_connections: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keepalived_conns = ConnectionQueue()  # between two requests
        self.pending_conns = ConnectionQueue()  # in the middle of a request
        self.writing_conns = ConnectionQueue()  # answered, not read by the client yet
        self.closing_conns = ConnectionQueue()  # answered, not closed by the client yet
        self.held_bytes = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what this worker does not speak; the process ends with exit code 2."""
        super().check_config(cfg, log)
        unsupported = {
            "HTTP/2": "h2" in cfg.http_protocols or cfg.http2_cleartext != "off",
            "TLS": cfg.is_ssl,
            "the proxy protocol": cfg.proxy_protocol != "off",
            "uWSGI": cfg.protocol != "http",
        }
        if found := [name for name, is_on in unsupported.items() if is_on]:
            sys.stderr.write(
                f"The web process speaks plain HTTP/1.1 only, but {' and '.join(found)} is switched on. "
                "Remove the option, and let the proxy in front of the web process speak it.\n"
            )
            raise SystemExit(2)

    def init_process(self) -> None:
        self.worker_connections = min(self.worker_connections, _raise_file_limit(self.worker_connections))
        self.max_keepalived = self.worker_connections  # a new client stays and the oldest idle one goes
        super().init_process()

    # --- reading ------------------------------------------------------------------------------------------------------

    def accept(self, listener: Any) -> None:
        """Accept a connection and read what it has sent; if it takes the last place, another one is closed first."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                if not self._make_room():
                    time.sleep(0.05)  # the listener stays readable: do not spin
            elif error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED):
                raise
            return
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        self.nr_conns += 1
        self._guard(self._read, Connection(self.cfg, client, address, listener.getsockname()))

    def _read(self, conn: Connection) -> None:
        try:
            data = conn.sock.receive()
        except BlockingIOError:
            if conn.queue is None:
                self._await_request(conn)
            return
        except OSError:
            self._drop(conn)
            return
        conn.is_at_end = not data
        if data:
            conn.request.take(data)
        self._dispatch(conn)

    def _dispatch(self, conn: Connection) -> None:
        """Hand the request over if it is whole, or if no more of it will come; else wait for more."""
        request = conn.request
        if request.arrival is Arrival.HEAD_TOO_LARGE:
            self._leave_queue(conn)
            self.handle_error(
                None, conn.sock, conn.client, LimitRequestHeaders(f"the head is larger than {MAX_HEAD_BYTES} bytes")
            )
            conn.keeps_alive = False
            self._finish_answer(conn)
        elif request.arrival is not Arrival.PARTIAL or (conn.is_at_end and request.received):
            self._leave_queue(conn)
            self._ignore(conn)
            self.enqueue_req(conn)
        elif conn.is_at_end:
            self._drop(conn)
        else:
            if request.must_continue():
                conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._await_request(conn)

    def _await_request(self, conn: Connection) -> None:
        if conn.queue is not self.pending_conns:
            self._enter_queue(conn, self.pending_conns, self.request_deadline)
        self._watch(conn, _READ, self._read)
        self._hold(conn, len(conn.request.received))

    # --- answering, in a thread ---------------------------------------------------------------------------------------

    def handle(self, conn: Connection) -> bool:
        """Answer the request; return whether the connection can take another one."""
        conn.init()
        conn.parser.unreader.unread(conn.request.received)
        conn.sock.deadline = time.monotonic() + self.request_deadline
        keeps_alive = bool(super().handle(conn))
        conn.request.start_next(conn.parser.unreader.take_buffered() if keeps_alive else b"")
        return keeps_alive

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Answer a parsed request; one whose body did not arrive is answered without it and is the last on its connection."""
        req._expected_100_continue = False  # the event loop has said so before it read the body
        if conn.request.lacks_body:
            req.body.failed = True  # the application looks at this before it does anything
        if conn.request.lacks_body or conn.request.arrival is Arrival.BODY_REFUSED:
            req.force_close()
        return bool(super().handle_request(req, conn))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what the parser refuses; a coding that nobody knows is the client's error as any other header is, not our lack."""
        if isinstance(exc, UnsupportedTransferCoding):
            exc = InvalidHeader("TRANSFER-ENCODING")
        super().handle_error(req, client, addr, exc)

    # --- writing and closing ------------------------------------------------------------------------------------------

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        """Send the rest of the answer, then wait for the next request or for the end."""
        try:
            conn.keeps_alive = not fs.cancelled() and fs.result()
        except Exception:  # noqa: BLE001 - whatever the request raised, only its connection ends
            conn.keeps_alive = False
            conn.sock.is_broken = True
        self._guard(self._finish_answer, conn)

    def _finish_answer(self, conn: Connection) -> None:
        if conn.sock.is_broken:
            self._drop(conn)
            return
        if conn.sock.unsent:
            self._enter_queue(conn, self.writing_conns, self.request_deadline)
            self._watch(conn, _WRITE, self._write)
            self._hold(conn, len(conn.sock.unsent))
        elif not conn.keeps_alive:
            self._await_close(conn)
        elif conn.request.received or conn.is_at_end:
            self._dispatch(conn)
        else:
            self._await_next_request(conn)

    def _write(self, conn: Connection) -> None:
        conn.sock.flush()
        if conn.sock.unsent:
            self._hold(conn, len(conn.sock.unsent))
        else:
            self._leave_queue(conn)
            self._finish_answer(conn)

    def _await_next_request(self, conn: Connection) -> None:
        lifetime = self.cfg.keepalive if self.alive else min(self.cfg.keepalive, STOP_KEEPALIVE_LINGER)
        self._enter_queue(conn, self.keepalived_conns, lifetime)
        self._watch(conn, _READ, self._read)

    def _await_close(self, conn: Connection) -> None:
        """Say that no more comes and wait for the client's end, so that it can read the answer before a reset reaches it."""
        try:
            conn.sock.finish_sending()
        except OSError:
            conn.is_at_end = True
        if conn.is_at_end:
            self._drop(conn)
            return
        self._enter_queue(conn, self.closing_conns, CLOSE_SECONDS)
        self._watch(conn, _READ, self._drain)

    def _drain(self, conn: Connection) -> None:
        try:
            data = conn.sock.receive()
        except BlockingIOError:
            return
        conn.drained_bytes += len(data)
        if not data or conn.drained_bytes > MAX_DRAINED_BYTES:
            self._drop(conn)

    # --- time and room ------------------------------------------------------------------------------------------------

    def murder_keepalived(self, force: bool = False) -> None:
        """Close the connections that have sent no further request in time, or all of them."""
        self._expire(self.keepalived_conns, force=force)

    def murder_pending(self) -> None:
        """Close the connections that have not read or not closed in time; a request without its body is answered."""
        self._expire(self.closing_conns)
        self._expire(self.writing_conns)
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            conn = self.pending_conns[0]
            if conn.request.lacks_body:
                self._leave_queue(conn)
                self._ignore(conn)
                self.enqueue_req(conn)
            else:
                self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """At the stop: connections that are in no request stay open until the deadline at most, new ones included."""
        super()._cap_keepalive(deadline)
        for conn in [conn for conn in self.pending_conns if not conn.request.received]:
            self._enter_queue(conn, self.keepalived_conns, deadline - time.monotonic())

    def _expire(self, conns: ConnectionQueue, *, force: bool = False) -> None:
        now = time.monotonic()
        while conns and (force or conns[0].timeout <= now):
            self._drop(conns[0])

    def _make_room(self) -> bool:
        """
        Close the connection that is least worth its place; return False if all are being answered.

        A request that takes longer than `SUSPICIOUS_SECONDS` to arrive goes before an idle connection, on which the next request
        may be on its way; a younger one goes after it.
        """
        suspicious = time.monotonic() + self.request_deadline - SUSPICIOUS_SECONDS
        is_suspicious = bool(self.pending_conns) and self.pending_conns[0].timeout < suspicious
        unfinished = (
            (self.pending_conns, self.keepalived_conns)
            if is_suspicious
            else (self.keepalived_conns, self.pending_conns)
        )
        for conns in (self.closing_conns, *unfinished, self.writing_conns):
            if conns:
                self._drop(conns[0])
                return True
        return False

    def _hold(self, conn: Connection, size: int) -> None:
        """Count what a client holds in memory; above the limit the oldest unfinished requests and unread answers go."""
        self.held_bytes += size - conn.held_bytes
        conn.held_bytes = size
        while self.held_bytes > MAX_HELD_BYTES:
            largest = max(
                (conns[0] for conns in (self.pending_conns, self.writing_conns) if conns),
                key=lambda oldest: oldest.held_bytes,
            )
            self._drop(largest)

    # --- the state of a connection ------------------------------------------------------------------------------------

    def _enter_queue(self, conn: Connection, conns: ConnectionQueue, lifetime: float) -> None:
        self._leave_queue(conn)
        conn.timeout = time.monotonic() + lifetime
        conns.append(conn)

    def _leave_queue(self, conn: Connection) -> None:
        if conn.queue is not None:
            conn.queue.remove(conn)
        self.held_bytes -= conn.held_bytes
        conn.held_bytes = 0

    def _watch(self, conn: Connection, events: int, act: Callable[[Connection], None]) -> None:
        """Call `act` whenever one of the events happens."""
        if conn.watched_for is None:
            self.poller.register(conn.sock, events, partial(self._on_event, conn, act))
        elif conn.watched_for != (events, act):
            self.poller.modify(conn.sock, events, partial(self._on_event, conn, act))
        conn.watched_for = (events, act)

    def _ignore(self, conn: Connection) -> None:
        if conn.watched_for is not None:
            self.poller.unregister(conn.sock)
            conn.watched_for = None

    def _on_event(self, conn: Connection, act: Callable[[Connection], None], _socket: Any) -> None:
        if not conn.is_closed:  # an earlier event of the same round may have closed it
            self._guard(act, conn)

    def _guard(self, act: Callable[[Connection], None], conn: Connection) -> None:
        """No client's connection may end the event loop."""
        try:
            act(conn)
        except ConnectionError:
            self._drop(conn)
        except Exception:
            self.log.exception("A connection was closed because handling it failed.")
            self._drop(conn)

    def _drop(self, conn: Connection) -> None:
        if conn.is_closed:
            return
        self._leave_queue(conn)
        self._ignore(conn)
        self.nr_conns -= 1
        conn.close()


def _raise_file_limit(connections: int) -> int:
    """Let this process open as many files as it may, and return for how many connections that is enough."""
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(16, soft - _OTHER_FILES)
