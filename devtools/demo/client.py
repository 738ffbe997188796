"""What the demo is played with: a step reporter, an API client, and the sandbox's control API."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import requests

from devtools.embedded import ServersFailed
from devtools.processes import ProcessFailed

T = TypeVar("T")

WAIT_SECONDS = 15.0  # seconds to wait for what workers do


class StepFailed(RuntimeError):
    """
    A step did not go as it should.

    :param where: the process whose log explains more; None if it is not known, empty if the sentence is complete
    """

    def __init__(self, sentence: str, *, where: str | None = None, step: str = "") -> None:
        super().__init__(sentence)
        self.where = where
        self.step = step


@dataclass
class Step:
    """One step, and what it reports when it is done."""

    name: str
    facts: list[str] = field(default_factory=list)

    def report(self, fact: str) -> None:
        self.facts.append(fact)


class StepReporter:
    """Prints a line for each step, with its milliseconds and its result."""

    def __init__(self) -> None:
        self._number = 0
        self._colour = sys.stdout.isatty()

    def heading(self, text: str) -> None:
        print(f"\n{self._paint('1', text)}\n", flush=True)

    def line(self, mark: str, text: str) -> None:
        print(f"  {mark:>3} {'':<46}           {self._paint('2', text)}", flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step and print it; a step that fails names itself."""
        self._number += 1
        step = Step(name)
        began = time.monotonic()
        try:
            yield step
        except StepFailed as failed:
            failed.step = name
            raise
        except requests.RequestException as away:
            raise StepFailed(f"The server did not answer: {away}", where="web", step=name) from away
        except (ServersFailed, ProcessFailed) as failed:
            raise StepFailed(str(failed), where="", step=name) from failed
        except Exception as surprise:
            # An answer without a field that is read, most likely: the step is named all the same.
            raise StepFailed(f"An unexpected error occurred: {surprise!r}", step=name) from surprise
        milliseconds = (time.monotonic() - began) * 1000
        first, *rest = step.facts or [""]
        print(f"  {self._number:>3} {name:<46} {milliseconds:>7.0f} ms  {self._paint('36', first)}", flush=True)
        for fact in rest:
            self.line("", fact)

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour and text else text


class Api:
    """A client app: it speaks JSON over HTTP and holds an access token."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def sign_in(self, access_token: str) -> None:
        self._session.headers["Authorization"] = f"Bearer {access_token}"

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        expect: int | tuple[int, ...] = 200,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """
        Call the API and return its answer.

        :raises StepFailed: if the status is none of those expected
        """
        url = path if path.startswith("http") else f"{self.base_url}{path}"
        response = self._session.request(method, url, json=body, headers=dict(headers or {}), timeout=20)
        expected = (expect,) if isinstance(expect, int) else expect
        if response.status_code not in expected:
            raise StepFailed(
                f"{method} {path} was answered with {response.status_code}: {response.text[:600]}", where="web"
            )
        return response

    def get(self, path: str) -> dict[str, Any]:
        return dict(self.call("GET", path).json())

    def download_pdf(self, path: str) -> bytes | None:
        """
        Download a document, or return None while it is being made.

        :raises StepFailed: if the answer is not a PDF
        """
        response = self.call("GET", path, expect=(HTTPStatus.OK, HTTPStatus.CONFLICT))
        if response.status_code == HTTPStatus.CONFLICT:
            return None
        if not response.content.startswith(b"%PDF-"):
            raise StepFailed("The document is not a PDF.", where="web")
        return response.content


class Phone:
    """The buyer's phone, mailbox and UPI app: the sandbox's control API."""

    def __init__(self, sandbox_url: str) -> None:
        self._url = f"{sandbox_url}/__sim__"
        self._session = requests.Session()
        self._session.trust_env = False

    def control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **params: str | float
    ) -> dict[str, Any]:
        """
        Make a control call.

        :raises StepFailed: if it refuses
        """
        response = self._session.request(method, f"{self._url}{path}", json=body, params=params, timeout=30)
        if not response.ok:
            raise StepFailed(
                f"The sandbox refused {method} {path} with {response.status_code}: {response.text[:300]}",
                where="sandbox",
            )
        return dict(response.json())


def save_pdf(content: bytes, *, number: str, into: Path) -> str:
    """Keep a document for its reader and return where it is."""
    into.mkdir(parents=True, exist_ok=True)
    path = into / f"{number.replace('/', '-')}.pdf"
    path.write_bytes(content)
    return f"saved: {path} ({len(content):,} bytes)"


def wait_until(
    read: Callable[[], T | None], *, what: str, where: str = "worker", timeout_seconds: float = WAIT_SECONDS
) -> T:
    """
    Read until the result is truthy, and return it.

    :raises StepFailed: if that takes too long
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        if found := read():
            return found
        if time.monotonic() > deadline:
            raise StepFailed(f"Timed out after {timeout_seconds:.0f} s while waiting for {what}.", where=where)
        time.sleep(0.05)
