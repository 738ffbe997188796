"""Opening a downloaded report as text, whichever program saved it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from apps.payments.facts import UnreadableFacts

#: No line of a statement or a report comes near it; a longer one would be held in memory whole.
_LONGEST_LINE = 65_536
DAMAGED = "it is cut off or damaged: its bytes are not text in the encoding that it begins with. Download it again"

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def encoding_of(stream: IO[bytes]) -> str:
    """
    Return the encoding of a text file, by its first bytes or, where these do not say it, by all of them.

    :raises UnreadableFacts: if it is a spreadsheet program's workbook
    """
    stream.seek(0)
    start = stream.read(4)
    if start.startswith(_WORKBOOKS):
        raise UnreadableFacts("it is an Excel workbook and not a CSV file")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if start[1:2] == b"\x00" or start[:1] == b"\x00":
        return "utf-16-le" if start[1:2] == b"\x00" else "utf-16-be"
    return "utf-8-sig" if _is_utf_8(stream) else "cp1252"


def _is_utf_8(stream: IO[bytes]) -> bool:
    """Test if a whole file is UTF-8; Excel on Windows writes its own encoding by default."""
    try:
        with text_of(stream, "utf-8-sig") as text:
            while text.read(1 << 20):
                pass
    except UnicodeError:
        return False
    return True


@contextmanager
def text_of(stream: IO[bytes], encoding: str) -> Iterator[IO[str]]:
    """Return a file as text, from its start."""
    stream.seek(0)
    # Five bytes mean nothing in cp1252; they stand in descriptions, never in an id or an amount.
    errors = "replace" if encoding == "cp1252" else "strict"
    text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    try:
        yield text
    finally:
        # Not closed here: the caller that opened the file closes it.
        text.detach()


def lines_of(text: IO[str]) -> Iterator[str]:
    """
    Yield the lines of a text, each with its end.

    :raises UnreadableFacts: if the bytes are no text, one of them is NUL, which nothing that we store can hold, or a line is too long
    """
    number = 0
    try:
        while line := text.readline(_LONGEST_LINE):
            number += 1
            if "\x00" in line:
                raise UnreadableFacts(
                    f"line {number} has a NUL byte, which no text has: it is damaged. Download it again"
                )
            if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
                raise UnreadableFacts(f"line {number} is longer than {_LONGEST_LINE:,} characters")
            yield line
    except UnicodeError as failure:
        raise UnreadableFacts(DAMAGED) from failure
