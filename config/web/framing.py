"""
When a request has arrived: a scan of its bytes that decides the moment at which a thread gets it, and nothing else.

gunicorn's parser reads the same bytes again and alone decides what they mean. A wrong guess here can therefore delay or end a
connection; it can never make two requests of one, or attach bytes to another request.
"""

import re
from enum import Enum

MAX_HEAD_BYTES = 65_536
MAX_BODY_BYTES = 1_048_576
_MOST_DIGITS = 18

_HEAD_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")
_FRAMING_FIELD = re.compile(rb"\r\n(content-length|transfer-encoding|expect):([^\r\n]*)", re.IGNORECASE)
_HTTP_1_1 = re.compile(rb"(?:\r\n)?[^\r\n]* HTTP/1\.1\r\n")


class Arrival(Enum):
    """How much of a request has arrived."""

    PARTIAL = "partial"
    #: All of it, or enough for the parser to refuse it.
    WHOLE = "whole"
    #: Its head; the body is of a kind or size that is refused unread, and nothing behind it can be a request.
    BODY_REFUSED = "body_refused"
    #: More than any head may hold, without its end.
    HEAD_TOO_LARGE = "head_too_large"


class IncomingRequest:
    """The bytes that a client has sent since its last request, and what they lack to be the next one."""

    __slots__ = ("_expects_continue", "_head_end", "_scanned", "_total", "arrival", "received")

    def __init__(self) -> None:
        self.received = bytearray()
        self._forget_scan()

    def _forget_scan(self) -> None:
        self.arrival = Arrival.PARTIAL
        self._scanned = self._head_end = self._total = 0
        self._expects_continue = False

    def take(self, data: bytes) -> Arrival:
        """Add what has arrived and return how much of the request is here."""
        self.received += data
        if self.arrival is Arrival.PARTIAL and not self._head_end:
            self._scan_head()
        if self.arrival is Arrival.PARTIAL and self._head_end and len(self.received) >= self._total:
            self.arrival = Arrival.WHOLE
        return self.arrival

    @property
    def lacks_body(self) -> bool:
        """Whether the head has arrived and its body has not."""
        return self._head_end > 0 and len(self.received) < self._total

    def must_continue(self) -> bool:
        """Return once whether the client waits for "100 Continue" before it sends its body."""
        waits = self._expects_continue and self.arrival is Arrival.PARTIAL
        self._expects_continue = self._expects_continue and not waits
        return waits

    def start_next(self, data: bytes) -> None:
        """Begin the next request with the bytes that the parser has left over."""
        self.received = bytearray()
        self._forget_scan()
        if data:
            self.take(data)

    def _scan_head(self) -> None:
        found = self.received.find(_HEAD_END, max(0, self._scanned - 3))
        if 0 <= found <= MAX_HEAD_BYTES:
            self._head_end = found + len(_HEAD_END)
            self._read_framing(bytes(self.received[: self._head_end]))
        elif len(self.received) > MAX_HEAD_BYTES:
            self.arrival = Arrival.HEAD_TOO_LARGE
        elif _BARE_LF.search(self.received, self._scanned):
            self.arrival = Arrival.WHOLE  # the parser refuses a line that ends so, and no head end may ever come
        self._scanned = len(self.received)

    def _read_framing(self, head: bytes) -> None:
        self._total = self._head_end
        seen: set[bytes] = set()
        for field, value in _FRAMING_FIELD.findall(head):
            name, text = field.lower(), value.strip(b" \t")
            if name == b"transfer-encoding":
                self.arrival = Arrival.BODY_REFUSED
            elif name == b"expect" and text.lower() == b"100-continue":
                self._expects_continue = _HTTP_1_1.match(head) is not None
            elif name in seen or name == b"expect" or not text.isdigit():
                # Two lengths, one that is not a number, an expectation that cannot be met: the parser refuses it at once.
                self.arrival = Arrival.WHOLE
            elif len(text) > _MOST_DIGITS or int(text) > MAX_BODY_BYTES:
                self.arrival = Arrival.BODY_REFUSED
            else:
                self._total += int(text)
            seen.add(name)
