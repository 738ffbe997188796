"""Somebody who sends what he likes, and the one rule that every answer to him is held to."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from rest_framework.test import APIClient

from tests.factories.accounts import make_access_token
from tests.support.stored_rows import KEPT_ANSWERS, nothing_changes

_SLOW = 5.0  # seconds of the processor: some inputs cost a pattern or a number far more
_LONGEST_ANSWER = 20_000  # bytes: what was sent is not sent back
_numbers = itertools.count(1)


class Attacker:
    """Sends requests inside the transaction of a test, takes back what was done, and remembers what broke the rule."""

    def __init__(self, user: Any = None) -> None:
        self.headers = {"HTTP_AUTHORIZATION": f"Bearer {make_access_token(user)}"} if user is not None else {}
        self.client = APIClient(raise_request_exception=False)
        self.sent = 0
        self.faults: list[str] = []

    def send(
        self, case: str, method: str, url: str, body: bytes | None = None, *, content_type: str = "application/json",
        headers: dict[str, str] | None = None, want: tuple[int, ...] = (),
    ) -> Any:  # fmt: skip
        """Send one request; `want` holds the statuses that are right, if not just any that is no fault."""
        self.sent += 1
        given = {"Idempotency-Key": f"attack-{next(_numbers):08d}", "If-Match": "*", **(headers or {})}
        point = transaction.savepoint()
        started = time.thread_time()
        response = self.client.generic(
            method, url, body or b"", content_type=content_type, headers=given, **self.headers
        )
        seconds = time.thread_time() - started
        if response.status_code < 400:
            transaction.savepoint_rollback(point)
        else:
            transaction.savepoint_commit(point)
            with connection.cursor() as cursor:  # or the next tries would all be told that they are too many
                cursor.execute("DELETE FROM accounts_ratelimitcounter")
        self.faults += [f"{case}: {fault}" for fault in faults_of(response, seconds, want)]
        return response


def faults_of(response: Any, seconds: float = 0, want: tuple[int, ...] = ()) -> Iterator[str]:
    """Yield what is wrong with an answer."""
    status = response.status_code
    if status >= 500 and status not in want:
        yield f"answered {status}"
    if want and status not in want:
        yield f"answered {status}, not {want}: {_content(response)[:300]!r}"
    if seconds > _SLOW:
        yield f"took {seconds:.1f} s"
    if status < 400:
        return
    content = _content(response)
    if len(content) > _LONGEST_ANSWER:
        yield f"answered with {len(content)} bytes"
    if b"Traceback" in content or b"<html" in content.lower():
        yield "answered with a page or a stack"
    if status != 405 or content:
        yield from _faults_of_shape(response, content)


def _faults_of_shape(response: Any, content: bytes) -> Iterator[str]:
    if not response["Content-Type"].startswith("application/json"):
        yield f"an error of type {response['Content-Type']}"
        return
    body = json.loads(content)
    error = body.get("error", {})
    if set(body) != {"error"} or not all(isinstance(error.get(name), str) and error[name] for name in _NAMES):
        yield f"an error of another shape: {content[:200]!r}"
    elif error["request_id"] != response["X-Request-Id"]:
        yield "the request id of the body is not that of the header"
    elif "\n" in error["message"] or "\x1b" in error["message"]:
        yield "a message of more than one line"


_NAMES = ("type", "code", "message", "request_id")


def _content(response: Any) -> bytes:
    return b"" if response.streaming else bytes(response.content)


@contextmanager
def refused(attacker: Attacker) -> Iterator[None]:
    """Fail if an answer broke the rule, or if anything is stored that was not before."""
    with nothing_changes(but=KEPT_ANSWERS):
        yield
    if attacker.faults:
        pytest.fail(f"{len(attacker.faults)} of {attacker.sent} requests:\n" + "\n".join(attacker.faults[:60]))
