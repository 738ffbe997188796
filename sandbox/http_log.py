"""The HTTP log: every request to an imitated service and every attempt to deliver a webhook."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Literal

from sandbox.json_types import JsonObject

_KEPT_EXCHANGES = 20_000
_KEPT_CHARACTERS = 20_000


@dataclass(frozen=True, kw_only=True)
class HttpExchange:
    """
    One request with its answer. `at` is seconds UTC on the sandbox's clock, `milliseconds` the time until the answer was ready.

    `status` is None where no answer came: a connection that was dropped on purpose, or a receiver that could not be reached.
    """

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


class HttpLog:
    """The last 20,000 exchanges; bodies are cut at 20,000 characters, and authorisation headers are never kept."""

    def __init__(self) -> None:
        self._rows: deque[JsonObject] = deque(maxlen=_KEPT_EXCHANGES)
        self._count = 0

    def add(self, exchange: HttpExchange) -> None:
        self._count += 1
        bodies = {"body": exchange.body[:_KEPT_CHARACTERS], "response": exchange.response[:_KEPT_CHARACTERS]}
        self._rows.append({"n": self._count, **asdict(exchange), **bodies})

    def list_rows(self) -> list[JsonObject]:
        """Return the exchanges as plain rows, newest first."""
        return list(reversed(self._rows))
