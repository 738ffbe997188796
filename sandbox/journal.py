"""What went in and out: every request to an imitated service and every webhook attempt, newest last."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

_KEPT = 20_000
_BODY_KEPT = 20_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """
    One exchange. `at` is seconds UTC on the sandbox's clock, `milliseconds` the time until the answer was ready.

    `status` is None where no answer came: a connection that we dropped, or a receiver that could not be reached.
    """

    n: int
    at: float
    direction: Literal["in", "out"]
    service: str
    method: str
    path: str
    query: str
    body: str
    status: int | None
    response: str
    milliseconds: int
    note: str = ""


class Journal:
    """The last 20,000 exchanges; bodies are cut at 20,000 characters and authorisation headers are never kept."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, *, body: str, response: str, **fields: Any) -> Entry:
        self._count += 1
        entry = Entry(n=self._count, body=body[:_BODY_KEPT], response=response[:_BODY_KEPT], **fields)
        self._entries.append(entry)
        return entry

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries as plain rows, newest first."""
        return [asdict(entry) for entry in reversed(self._entries)]

    def clear(self) -> None:
        self._entries.clear()
        self._count = 0
