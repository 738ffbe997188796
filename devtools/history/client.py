"""A client app that writes down what it intends before it asks, and what it was answered before it goes on."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests

from devtools.history.checker.history import Attempt
from devtools.history.facts import keep_facts
from devtools.history.journal import Journal

_TIMEOUT = (5.0, 20.0)
_ATTEMPTS = 12
_LONGEST_WAIT = 2.0
#: Of a hundred requests without an answer, how many are not sent again by their client: an app that was closed.
_GIVES_UP_PERCENT = 4
_REMEMBERED = 30


@dataclass
class Intent:
    """One operation that its client wants: sent until it is decided, always under the same key."""

    id: str
    kind: str
    method: str
    path: str
    body: Mapping[str, Any] | None
    key: str | None
    attempts: int = 0
    last: Attempt | None = field(default=None, repr=False)

    @property
    def is_decided(self) -> bool:
        """Whether its client knows what came of it."""
        return self.last is not None and (self.last.is_accepted or self.last.is_refused)


class Counter:
    """Counts operations over all threads, and says when there were enough."""

    def __init__(self, limit: int | None) -> None:
        self.count = 0
        self._limit = limit
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one operation."""
        with self._lock:
            self.count += 1

    def is_over(self) -> bool:
        """Return whether as many operations as wanted were begun."""
        return self._limit is not None and self.count >= self._limit


class JournallingClient:
    """
    A client app of one person.

    :param name: who it is, in the journal
    :param token: the access token
    """

    def __init__(
        self, name: str, base_url: str, token: str, *, journal: Journal, chance: random.Random, counter: Counter
    ) -> None:
        self.name = name
        self.chance = chance
        self.unresolved: list[Intent] = []
        self._decided: list[Intent] = []
        self._base_url = base_url
        self._journal = journal
        self._counter = counter
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def read(self, kind: str, path: str) -> Any:
        """Read something, and return the whole body, or None if it cannot be read now."""
        intent = Intent(self._next_id(), kind, "GET", path, None, None)
        body = self._send(intent)
        return body if intent.last is not None and intent.last.is_accepted else None

    def write(self, kind: str, path: str, body: Mapping[str, Any], *, name_field: str = "") -> Any:
        """
        Do something once, and return the whole body of the answer; None if it was refused or its outcome is unknown.

        :param name_field: the field of the body that takes the operation's id, so that its effect can be found
        """
        intent = Intent(
            self._next_id(), kind, "POST", path, dict(body), str(uuid.UUID(int=self.chance.getrandbits(128)))
        )
        if name_field:
            intent.body = {**body, name_field: intent.id}
        answer = self._send_until_decided(intent)
        if not intent.is_decided:
            self.unresolved.append(intent)
            return None
        self._decided = [*self._decided[-_REMEMBERED:], intent]
        return answer if intent.last is not None and intent.last.is_accepted else None

    def replay(self) -> None:
        """Send something again that was decided, under the same key, as an app does that has forgotten the answer."""
        if self._decided:
            self._send(self.chance.choice(self._decided))

    def resolve(self, percent: int) -> None:
        """Send again what was left without an answer, except for a part of it, whose outcome remains unknown."""
        for intent in self.unresolved:
            if intent.kind == "adjust_stock" or self.chance.randrange(100) < percent:
                self._send_until_decided(intent, gives_up=False)

    def _next_id(self) -> str:
        self._counter.add()
        return f"{self.name}-{self._counter.count}-{self.chance.getrandbits(32):08x}"

    def _send_until_decided(self, intent: Intent, *, gives_up: bool = True) -> Any:
        for number in range(_ATTEMPTS):
            body = self._send(intent)
            if intent.is_decided or (gives_up and self.chance.randrange(100) < _GIVES_UP_PERCENT):
                return body
            time.sleep(min(_LONGEST_WAIT, 0.1 * 2**number))
        return None

    def _send(self, intent: Intent) -> Any:
        """Send a request once, journalled before and after, and return the body of its answer, or None without one."""
        intent.attempts += 1
        attempt = {"op": intent.id, "attempt": intent.attempts}
        self._journal.write(
            "intent", **attempt, actor=self.name, kind=intent.kind, method=intent.method, path=intent.path, key=intent.key,
            body=intent.body,
        )  # fmt: skip
        intent.last = None
        try:
            response = self._session.request(
                intent.method,
                f"{self._base_url}{intent.path}",
                json=intent.body,
                headers={"Idempotency-Key": intent.key} if intent.key else {},
                timeout=_TIMEOUT,
            )
        except requests.RequestException as error:
            self._journal.write("outcome", **attempt, status=None, error=f"{type(error).__name__}: {error}"[:200])
            return None
        body, is_json = _read_body(response)
        self._journal.write(
            "outcome", **attempt, status=response.status_code, body=keep_facts(body), json=is_json,
            digest=hashlib.sha256(response.content).hexdigest()[:20],
            replayed=response.headers.get("Idempotent-Replayed") == "true",
            request_id=response.headers.get("X-Request-Id"), retry_after=response.headers.get("Retry-After"),
        )  # fmt: skip
        intent.last = Attempt(intent.attempts, 0, 0, response.status_code, body)
        return body


def _read_body(response: requests.Response) -> tuple[Any, bool]:
    """Return the body and whether it is JSON, as each body under /api is; none at all is as good."""
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None, True
    try:
        return response.json(), True
    except ValueError:
        return response.text[:500], False
