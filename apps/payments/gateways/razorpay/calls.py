"""
HTTP calls to Razorpay, with their outcome: success, rejected, unavailable or unknown.

Settings are read at each call. https://razorpay.com/docs/api/
"""

import random
import time
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from django.conf import settings

from apps.core.http import Client, ConnectionFailed, NoResponse, Response, ResponseTooLarge
from apps.payments.facts import GatewayError, UnreadableFacts
from apps.payments.gateways.interface import (
    CredentialsRejected,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
)
from apps.payments.gateways.razorpay.entities import clean_text

#: Attempts of a read. A write has one attempt, because a second call might act a second time.
MAX_READ_ATTEMPTS = 3
BACKOFF_SECONDS = 0.2

#: The statuses of a wrong key and of an IP address that is not allowed.
REJECTS_CREDENTIALS = frozenset({401, 403})
#: The statuses that reject the request itself. All others come from a proxy, a rate limit or an outage.
_REFUSES = frozenset({400, 404, 409, 410, 422})

#: Our error code of a response over the size limit: another attempt would return the same.
_TOO_LARGE = "ANSWER_TOO_LARGE"

T = TypeVar("T")


@lru_cache(maxsize=4)
def _client(base_url: str, key_id: str, key_secret: str) -> Client:
    return Client(base_url, auth=(key_id, key_secret), headers={"User-Agent": "Bahi/1.0"})


def call(method: str, path: str, **arguments: Any) -> Any:
    """
    Call Razorpay once and return the body of its response.

    :raises GatewayRejected: if Razorpay rejected the call
    :raises GatewayUnavailable: if Razorpay did nothing
    :raises GatewayOutcomeUnknown: if the outcome is unknown
    """
    client = _client(settings.RAZORPAY_BASE_URL, settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET)
    try:
        answer = client.call(method, path, **arguments)
    except ConnectionFailed as failure:
        raise GatewayUnavailable(GatewayError(code="NOT_REACHED", description=str(failure)[:300])) from failure
    except ResponseTooLarge as failure:
        raise GatewayOutcomeUnknown(GatewayError(code=_TOO_LARGE, description=str(failure))) from failure
    except NoResponse as failure:
        raise GatewayOutcomeUnknown(GatewayError(code="NO_ANSWER", description=str(failure)[:300])) from failure
    return _check_response(answer)


def write(path: str, body: dict[str, Any]) -> Any:
    """Call a write endpoint of Razorpay once."""
    return call("POST", path, json=body)


def read(path: str, params: dict[str, Any] | None = None) -> Any:
    """Read from Razorpay, in at most MAX_READ_ATTEMPTS attempts: a repeated read changes nothing."""
    for attempt in range(1, MAX_READ_ATTEMPTS + 1):
        try:
            return call("GET", path, params=params)
        except CredentialsRejected:
            # The same key again would be rejected again.
            raise
        except (GatewayUnavailable, GatewayOutcomeUnknown) as failure:
            if attempt == MAX_READ_ATTEMPTS or failure.error.code == _TOO_LARGE:
                raise
            # Jitter, so that many workers do not retry at the same moment.
            time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
    raise AssertionError("unreachable")


def _check_response(answer: Response) -> Any:
    """Return the body of a successful response; raise the error that fits any other response."""
    if answer.is_success:
        if isinstance(answer.body, dict):
            return answer.body
        raise GatewayOutcomeUnknown(
            GatewayError(code="UNREADABLE", status=answer.status, description=clean_text(answer.text)[:200])
        )

    error = _error_from(answer)
    is_readable = isinstance(answer.body, dict)
    if answer.status in REJECTS_CREDENTIALS and is_readable:
        raise CredentialsRejected(error)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise GatewayUnavailable(error)
    if answer.status in _REFUSES and is_readable:
        raise GatewayRejected(error)
    raise GatewayOutcomeUnknown(error)


def _error_from(answer: Response) -> GatewayError:
    body = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(body, dict):
        return GatewayError(code="UNREADABLE", status=answer.status, description=clean_text(answer.text)[:200])

    def text(name: str) -> str:
        value = clean_text(body.get(name))[:300]
        return "" if value == "NA" else value

    metadata = body.get("metadata")
    return GatewayError(
        code=text("code"),
        reason=text("reason"),
        description=text("description"),
        source=text("source"),
        step=text("step"),
        field=text("field"),
        status=answer.status,
        metadata=metadata if isinstance(metadata, dict) else {},
    )


def parse_response(parse: Callable[[Any], T], body: Any) -> T:
    """Parse a response; if it cannot be read, the outcome of the call is unknown."""
    try:
        return parse(body)
    except UnreadableFacts as failure:
        raise GatewayOutcomeUnknown(GatewayError(code="UNREADABLE", description=str(failure))) from failure


def parse_collection(body: Any, parse: Callable[[Any], T], *, key: str = "items") -> list[T]:
    """Parse each entity of a collection; the collection of payment links may have a `key` of its own."""
    items = body.get(key) if isinstance(body, dict) else None
    if not isinstance(items, list):
        raise GatewayOutcomeUnknown(GatewayError(code="UNREADABLE", description="not a collection"))
    return [parse_response(parse, item) for item in items]
