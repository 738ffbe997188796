"""Answers: whatever happens, a client gets an answer in the one shape, or none; the audit and the processes have their say too."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from devtools.history.checker.history import Anomaly, Attempt, History, Operation


def check(history: History) -> Iterator[Anomaly]:
    """Look for answers that no client should get, for violated invariants, and for processes that ended by themselves."""
    for operation in history.operations.values():
        for attempt in operation.attempts:
            yield from _check_answer(operation, attempt)
    for row in history.audit:
        yield Anomaly("audit", "invariant_violated", row["name"], f"{row['name']} does not hold: {row['rows']}")
    for row in history.ended:
        sentence = f"{row['name']} ended with {row['code']} although nobody had killed it."
        yield Anomaly("process", "process_ended", row["name"], sentence)


def _check_answer(operation: Operation, attempt: Attempt) -> Iterator[Anomaly]:
    if attempt.status is None:
        return
    what = f"{operation.method} {operation.path} was answered with {attempt.status}"
    if attempt.status >= HTTPStatus.INTERNAL_SERVER_ERROR and attempt.status != HTTPStatus.SERVICE_UNAVAILABLE:
        yield Anomaly("answer", "server_error", operation.id, f"{what}: {attempt.body}.")
    if attempt.status == HTTPStatus.SERVICE_UNAVAILABLE and not attempt.retry_after:
        yield Anomaly("answer", "retry_after_missing", operation.id, f"{what} without Retry-After.")
    if not attempt.is_json:
        yield Anomaly("answer", "not_json", operation.id, f"{what} and a body that is not JSON.")
