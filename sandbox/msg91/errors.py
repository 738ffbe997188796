"""MSG91's error answers: HTTP 200 with `type: error`."""

from __future__ import annotations

from sandbox.json_types import JsonObject


class Refused(Exception):
    """A request that is answered 200 with `type: error`; `code` is one of MSG91's numbers where it has one."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.body: JsonObject = {"type": "error", "message": message, **({"code": code} if code else {})}
