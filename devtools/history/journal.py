"""
The journal of a run: what was intended, and what came of it, each line on the disk before anything else happens.

A line is a JSON object with `n`, its place in the journal, and `type`:

- `start`: seed and settings of the run;
- `intent`: an attempt of an operation, written before its request is sent;
- `outcome`: the answer to an attempt; `status` is null if none came, so that nobody knows whether it took effect;
- `fault`: what was done to the stack, and `ended`: a process that ended although nobody had killed it;
- `cuts`: how many requests the proxy cut before they arrived, and after;
- `initial` and `final`: rows that were read through the API before the first operation and after the last;
- `audit`: the invariants that `manage.py audit` found violated at the end.

The checker reads nothing else.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

#: Rows of one line of `initial` or `final`.
_ROWS_PER_LINE = 200


class Journal:
    """
    Appends lines to a file; any thread may write.

    :param path: the file; an earlier one is overwritten
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        self._count = 0

    def write(self, line_type: str, /, **fields: object) -> int:
        """Append a line, wait until the disk has it, and return its place."""
        with self._lock:
            self._count += 1
            line = {"n": self._count, "at": round(time.time(), 3), "type": line_type, **fields}
            self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
            os.fsync(self._file.fileno())
            return self._count

    def write_rows(self, line_type: str, section: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the rows of a section of `initial` or `final`, in several lines if they are many."""
        kept = [dict(row) for row in rows]
        for first in range(0, max(len(kept), 1), _ROWS_PER_LINE):
            self.write(line_type, section=section, rows=kept[first : first + _ROWS_PER_LINE])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a journal; a last line that a crash has cut short is left out."""
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)
