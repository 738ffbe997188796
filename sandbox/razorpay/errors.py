"""Razorpay's error answers."""

from __future__ import annotations

from http import HTTPStatus

from sandbox.json_types import JsonObject

BAD_REQUEST = "BAD_REQUEST_ERROR"
GATEWAY = "GATEWAY_ERROR"
SERVER = "SERVER_ERROR"


class Refused(Exception):
    """A request that Razorpay answers with an error body."""

    def __init__(
        self,
        description: str,
        *,
        http_status: int = 400,
        code: str = BAD_REQUEST,
        field: str | None = None,
        reason: str = "input_validation_failed",
        step: str = "payment_initiation",
        source: str = "business",
        metadata: JsonObject | None = None,
    ) -> None:
        super().__init__(description)
        self.http_status = http_status
        self.body: JsonObject = {
            "code": code,
            "description": description,
            "source": source,
            "step": step,
            "reason": reason,
            "metadata": metadata or {},
        }
        if field is not None:
            self.body["field"] = field


class Unauthenticated(Refused):
    """Wrong or missing API key."""

    def __init__(self) -> None:
        super().__init__("The api key provided is invalid", http_status=401, source="NA", step="NA", reason="NA")


class UrlNotFound(Refused):
    """No such path or method."""

    def __init__(self) -> None:
        super().__init__("The requested URL was not found on the server.", source="NA", step="NA", reason="NA")


class KeyConflict(Refused):
    """An idempotency key that was used for another request, or whose first request is under way."""

    def __init__(self, description: str) -> None:
        super().__init__(description, http_status=409, source="NA", step="NA", reason="NA")


class InvalidInput(Refused):
    """An id that a payment link cannot have: its error has no source, step and reason, and its metadata is a list."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"invalid input [{name}] = [{value}]")
        self.body = {**self.body, "source": None, "step": None, "reason": None, "metadata": []}


class UnknownId(Refused):
    """A well-formed id of an object that does not exist."""

    def __init__(self) -> None:
        super().__init__("The id provided does not exist")


_STATUS_BODIES = {
    429: (BAD_REQUEST, "Too many requests"),
    502: (GATEWAY, "The gateway is not available. Please try again."),
    504: (GATEWAY, "The gateway did not answer in time."),
}


def build_error_body(status: int) -> JsonObject:
    """Return the error body that goes with an HTTP status that a fault asks for."""
    if status == Unauthenticated().http_status:
        return {"error": Unauthenticated().body}
    default = (SERVER, "We are facing some trouble completing your request at the moment. Please try again shortly.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        default = (BAD_REQUEST, "The request could not be processed.")
    code, description = _STATUS_BODIES.get(status, default)
    return {
        "error": {
            "code": code,
            "description": description,
            "source": "NA",
            "step": "NA",
            "reason": "NA",
            "metadata": {},
        }
    }
