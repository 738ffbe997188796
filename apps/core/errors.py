"""
The base classes of every error that Bahi raises on purpose.

A concrete error names the condition, is defined above the service that raises it and states its message once:

    class OrderNotCancellable(Conflict):
        message = "Order {0} can no longer be cancelled."

    raise OrderNotCancellable(order.number)

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
    """The request itself is wrong; the same request will never succeed."""

    message = "The request is not valid."


class Unauthenticated(BahiError):
    """Nobody, or nobody that we can believe, asked."""

    message = "Sign in first."


class Forbidden(BahiError):
    """We know who asks, and their account may not do this."""

    message = "You may not do this."


class NotFound(BahiError):
    """There is no such thing, or it is somebody else's: the two look the same on purpose."""

    message = "There is no such object."


class Conflict(BahiError):
    """The request is right, the state of things is not."""

    message = "This is not possible in the present state."


class RateLimited(BahiError):
    """A budget is used up; `retry_after` says for how many seconds."""

    message = "Too many attempts. Try again in {wait}."


class Unavailable(BahiError):
    """Something that we depend on does not answer; nothing was done."""

    message = "The service is not available at the moment. Nothing was done; try again in {wait}."


class PreconditionRequired(BahiError):
    """A shared object may only be changed by somebody who says which version they saw."""

    message = "Send If-Match with the ETag that you last read."


class PreconditionFailed(BahiError):
    """The object has changed since the client read it."""

    message = "The object has changed since you read it. Read it again."
    code = "version_mismatch"


class Unprocessable(BahiError):
    """An idempotency key came back with another request."""

    message = "This Idempotency-Key was used for another request."
