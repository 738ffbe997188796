"""Planned failures: the next answers of a service come slow, broken, as an error, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TypedDict, Unpack

from werkzeug.wrappers import Response

from sandbox.json_types import JsonObject

KINDS = ("delay", "drop_after_commit", "drop_before_commit", "status", "malformed", "html")
SERVICES = ("razorpay", "msg91", "smtp")

_HTML = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"


class ConnectionDropped(ConnectionError):
    """Raised to make the server close the connection without an answer."""


@dataclass(kw_only=True)
class Fault:
    """
    One planned failure.

    `path` is exact or a shell pattern, with or without the service's prefix; "smtp" means the mail server. `skip`
    matching requests pass unharmed first, then `times` are hit. `after_commit` says whether the request takes effect
    although its answer is broken; None means the default of the kind.
    """

    id: int
    path: str
    kind: str
    method: str = ""
    service: str = ""
    status: int = 502
    times: int = 1
    skip: int = 0
    delay_ms: int = 0
    after_commit: bool | None = None
    hits: int = 0

    def takes_effect(self) -> bool:
        if self.after_commit is not None:
            return self.after_commit
        return self.kind in {"delay", "drop_after_commit", "malformed"}

    def matches(self, *, service: str, method: str, path: str) -> bool:
        if self.method and self.method.upper() != method:
            return False
        if self.service and self.service != service:
            return False
        return any(fnmatchcase(name, self.path) for name in (path, f"/{service}{path}", service))


class FaultPlan(TypedDict, total=False):
    """The fields of a fault that is to be planned; what is missing has its default."""

    path: str
    kind: str
    method: str
    service: str
    status: int
    times: int
    skip: int
    delay_ms: int
    after_commit: bool | None


class Faults:
    """The planned faults, in the order in which they were planned. Callers hold the world's lock."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._count = 0

    def add(self, **plan: Unpack[FaultPlan]) -> Fault:
        self._count += 1
        fault = Fault(id=self._count, **plan)
        self._plan.append(fault)
        return fault

    def take(self, *, service: str, method: str, path: str) -> Fault | None:
        """Return the first planned fault that hits this request, and count it."""
        for fault in self._plan:
            if not fault.matches(service=service, method=method, path=path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            fault.times -= 1
            if fault.times <= 0:
                self._plan.remove(fault)
            return fault
        return None

    def clear(self) -> int:
        count = len(self._plan)
        self._plan.clear()
        return count

    def list_rows(self) -> list[JsonObject]:
        return [asdict(fault) for fault in self._plan]


def spoil_answer(fault: Fault, *, answer: Callable[[], Response], error: Callable[[int], Response]) -> Response:
    """
    Answer a request as the fault requires.

    `answer` does the real work and returns the honest response; `error` makes the service's own body for a status.

    :raises ConnectionDropped: if the fault allows no answer
    """
    honest = answer() if fault.takes_effect() else None
    if fault.delay_ms:
        time.sleep(fault.delay_ms / 1000)

    if fault.kind in {"drop_after_commit", "drop_before_commit"}:
        raise ConnectionDropped(fault.kind)
    if fault.kind == "status":
        return error(fault.status)
    if fault.kind == "html":
        return Response(_HTML.format(f"{fault.status} Bad Gateway"), status=fault.status, mimetype="text/html")
    if honest is None:
        honest = answer()
    if fault.kind == "malformed":
        text = honest.get_data(as_text=True)
        return Response(text[: max(1, len(text) // 2)], status=honest.status_code, mimetype="application/json")
    return honest
