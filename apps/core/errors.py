"""
The base classes of every error that Bahi raises on purpose.

A concrete error names the condition, is defined above the service that raises it and states its message once:

    class OrderExpired(Conflict):
        message = "Order {0} expired because it was not paid in time. Place a new one."

    raise OrderExpired(order.number)

Its `code` for API clients is its name in snake case. Nothing here knows an HTTP number; the exception handler does.
"""

import re
from collections.abc import Sequence
from math import ceil
from typing import Any, ClassVar, Final

#: The units of a wait in words, each with its seconds and the longest wait that it says.
_UNITS: Final = (("second", 1, 90), ("minute", 60, 7_200))


def wait_in_words(seconds: int | None) -> str:
    """Return how long to wait: in seconds up to 90 seconds, in minutes up to two hours, else in hours; rounded up."""
    if seconds is None:
        return "a moment"
    unit, length = next(((unit, length) for unit, length, most in _UNITS if seconds <= most), ("hour", 3_600))
    count = ceil(seconds / length)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


class BahiError(Exception):
    """The base of all errors: a message for people, a stable code for programs, and details to fix the request."""

    message: ClassVar[str] = "The request could not be carried out."
    code: ClassVar[str] = "error"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self,
        *args: object,
        param: str | None = None,
        details: Sequence[dict[str, Any]] = (),
        retry_after: int | None = None,
        **facts: object,
    ) -> None:
        self.text = self.message.format(*args, wait=wait_in_words(retry_after), **facts)
        self.param = param
        self.details = list(details)
        self.retry_after = retry_after
        super().__init__(self.text)


class Invalid(BahiError):
    """The request is wrong. Correct it: the same request will never succeed."""

    message = "The request is not valid."


class Unauthenticated(BahiError):
    """
    The request does not say who sends it, or not in a way that can be believed.

    Log in, or refresh the access token.
    """

    message = "Log in first."


class Forbidden(BahiError):
    """The account may not do this. Log in with an account that may."""

    message = "You may not do this."


class NotFound(BahiError):
    """There is no such object, or it belongs to somebody else. Check the id; the two cases look the same on purpose."""

    message = "There is no such object."


class Conflict(BahiError):
    """The request is right and the state of the object does not allow it. Read the object again."""

    message = "This is not possible in the current state."


class RateLimited(BahiError):
    """Too many requests were sent in a short time. Wait for as many seconds as `Retry-After` says."""

    message = "Too many attempts. Try again in {wait}."


class Unavailable(BahiError):
    """
    A service that Bahi depends on does not respond; nothing was done.

    Repeat the request after `Retry-After` with the same Idempotency-Key.
    """

    message = "The service is not available at the moment. Nothing was done; try again in {wait}."


class PreconditionRequired(BahiError):
    """A change of a shared object was sent without `If-Match`. Read the object and send its `ETag`."""

    message = "Send If-Match with the ETag that you last read."


class PreconditionFailed(BahiError):
    """The object has changed since the client read it. Read it again, then repeat the change with the new `ETag`."""

    message = "The object has changed since you read it. Read it again."
    code = "version_mismatch"


class Unprocessable(BahiError):
    """An Idempotency-Key came again with another request. Use a new key for a new request."""

    message = "This Idempotency-Key was used for another request."
