"""What a journal says: the operations with their attempts, what was read, and the state at both ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

Row = dict[str, Any]

#: Refusals that say nothing about the operation: it is running, too many were sent, the session has ended, time has run out.
_UNDECIDED_STATUSES = frozenset({401, 408, 425, 429})
_UNDECIDED_CODES = frozenset({"request_in_flight"})


@dataclass(frozen=True)
class Anomaly:
    """
    Something that must not be.

    :param area: `order`, `unit`, `rupee`, `read`, `answer`, `audit` or `process`
    :param kind: what is wrong, such as `order_lost`
    :param subject: the id of the order, operation or other thing that it is about
    """

    area: str
    kind: str
    subject: str
    sentence: str


@dataclass
class Attempt:
    """
    One request of an operation.

    `sent` and `answered` are places in the journal; without an answer `answered` and `status` are None.
    """

    number: int
    sent: int
    answered: int | None = None
    status: int | None = None
    body: Any = None
    digest: str = ""
    is_replayed: bool = False
    is_json: bool = True
    retry_after: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the answer says that it took effect."""
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_refused(self) -> bool:
        """Whether the answer says that nothing was done."""
        if self.status is None or not HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        return self.status not in _UNDECIDED_STATUSES and self.error_code not in _UNDECIDED_CODES

    @property
    def error_code(self) -> str:
        """The code of the error, or empty."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        return str(error.get("code", "")) if isinstance(error, dict) else ""


@dataclass
class Operation:
    """One thing that an actor wanted, under one idempotency key if it has one, however often it was sent."""

    id: str
    actor: str
    kind: str
    method: str
    path: str
    key: str | None
    request: Any
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def accepted(self) -> list[Attempt]:
        """The attempts whose answer says that it took effect."""
        return [attempt for attempt in self.attempts if attempt.is_accepted]

    @property
    def is_accepted(self) -> bool:
        """Whether its client knows that it took effect."""
        return any(attempt.is_accepted for attempt in self.attempts)

    @property
    def is_refused(self) -> bool:
        """Whether its client knows that nothing was done."""
        return not self.is_accepted and any(attempt.is_refused for attempt in self.attempts)

    @property
    def is_unknown(self) -> bool:
        """Whether its client does not know whether it took effect."""
        return not self.is_accepted and not self.is_refused

    @property
    def answer(self) -> Any:
        """The body of the first answer that says that it took effect, or None."""
        return self.accepted[0].body if self.is_accepted else None


@dataclass
class History:
    """All that a journal says."""

    operations: dict[str, Operation] = field(default_factory=dict)
    initial: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    final: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    ended: list[Row] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    start: Row = field(default_factory=dict)
    first_at: float = 0.0
    last_at: float = 0.0
    finished: bool = False

    def of_kind(self, *kinds: str) -> Iterator[Operation]:
        """Yield the operations of these kinds."""
        return (operation for operation in self.operations.values() if operation.kind in kinds)


def read_history(lines: Iterable[Mapping[str, Any]]) -> History:
    """Return what the lines of a journal say."""
    history = History()
    for line in lines:
        kind = line["type"]
        if kind == "start":
            history.start = dict(line)
        elif kind == "intent":
            _add_intent(history, line)
        elif kind == "outcome":
            _add_outcome(history, line)
        elif kind == "fault":
            history.faults[line["name"]] += 1
        elif kind == "cuts":
            history.cuts.update(line["requests"])
        elif kind == "ended":
            history.ended.append(dict(line))
        elif kind in ("initial", "final"):
            getattr(history, kind)[line["section"]].extend(line["rows"])
        elif kind == "audit":
            history.audit.extend(line["violated"])
            history.finished = True
    return history


def _add_intent(history: History, line: Mapping[str, Any]) -> None:
    operation = history.operations.get(line["op"])
    if operation is None:
        operation = Operation(
            line["op"], line["actor"], line["kind"], line["method"], line["path"], line.get("key"), line.get("body")
        )
        history.operations[operation.id] = operation
    operation.attempts.append(Attempt(number=line["attempt"], sent=line["n"]))
    history.first_at = history.first_at or line.get("at", 0.0)


def _add_outcome(history: History, line: Mapping[str, Any]) -> None:
    attempts = history.operations[line["op"]].attempts
    attempt = next(each for each in attempts if each.number == line["attempt"])
    history.last_at = line.get("at", 0.0)
    if line["status"] is None:
        return
    attempt.answered, attempt.status, attempt.body = line["n"], line["status"], line.get("body")
    attempt.digest, attempt.is_replayed = line.get("digest", ""), bool(line.get("replayed"))
    attempt.is_json, attempt.retry_after = line.get("json", True), line.get("retry_after")
