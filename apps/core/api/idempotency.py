"""`@idempotent`: a POST that may be sent again and takes effect once."""

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any

import orjson
from django.utils.encoding import escape_uri_path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import is_client_error

from apps.core import clock, idempotency
from apps.core.api.contacts import mask_contacts
from apps.core.api.errors import domain_error_response, status_of
from apps.core.api.renderer import to_json
from apps.core.errors import BahiError, Invalid
from apps.core.idempotency import Claim, StoredResponse
from apps.core.transactions import atomic

_KEY = re.compile(r"[\x21-\x7e]{8,255}")
_STORED_HEADERS = ("Location", "Retry-After", "ETag")
#: Statuses of domain errors that are stored as the response to the request. A 400 is not stored: the client fixes the
#: request and may use the key again.
_STORED_STATUSES = frozenset({402, 409, 412})


class IdempotencyKeyMissing(Invalid):
    """A request that moves money or stock has no Idempotency-Key. Send one that is unique to this request."""

    message = "Send an Idempotency-Key header: a string that is unique to this request."


class IdempotencyKeyMalformed(Invalid):
    """
    The Idempotency-Key is too short, too long or contains characters other than visible ASCII.

    Send 8 to 255 of them, such as a UUID.
    """

    message = "An Idempotency-Key is 8 to 255 visible ASCII characters."


def idempotent(*, required: bool) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """
    Make a view method answer a repeated request with its first answer.

    One transaction claims the key, runs the method and stores the response. Whatever goes wrong rolls back all of it, so
    that the client may try again; but a domain error of 402, 409 or 412 is stored, in a second transaction that claims the
    key again. If a copy of the request has taken effect before that, its response is the response of both.
    The method must not call the network. https://docs.stripe.com/api/idempotent_requests
    """

    def decorate(method: Callable[..., Response]) -> Callable[..., Response]:
        @functools.wraps(method)
        def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = _key_of(request, required=required)
            if key is None:
                return method(view, request, *args, **kwargs)
            return _once(functools.partial(method, view, request, *args, **kwargs), request=request, key=key)

        wrapper.idempotency_required = required  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _key_of(request: Request, *, required: bool) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        if required:
            raise IdempotencyKeyMissing
        return None
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyMalformed
    return key


class _Refused(Exception):
    """The method refused the request with a domain error whose response is stored."""

    def __init__(self, error: BahiError) -> None:
        self.error = error


def _once(call: Callable[[], Response], *, request: Request, key: str) -> Response:
    claim = functools.partial(_claim, request=request, key=key)
    try:
        with atomic():
            claimed = claim()
            if isinstance(claimed, StoredResponse):
                return _replay(claimed)
            response = _run(call)
            idempotency.store(claimed, _to_store(request, response))
    except _Refused as refused:
        response = domain_error_response(refused.error)
        with atomic():
            claimed = claim()
            if isinstance(claimed, StoredResponse):
                return _replay(claimed)  # a copy of the request took effect in between: the key has one response
            idempotency.store(claimed, _to_store(request, response))
    return response


def _claim(*, request: Request, key: str) -> Claim | StoredResponse:
    user: Any = request.user
    # Escaped: a path may hold what cannot be stored, and is as long as its sender likes.
    route = f"{request.method} {escape_uri_path(request.path)}"
    fingerprint = hashlib.sha256(route.encode() + b"\n" + idempotency.canonical(request.data)).hexdigest()
    return idempotency.claim(
        principal=user.public_id, user_id=user.pk, route=route, key=key, fingerprint=fingerprint, now=clock.now()
    )


def _run(call: Callable[[], Response]) -> Response:
    try:
        return call()
    except BahiError as error:
        status, _ = status_of(error)
        if status in _STORED_STATUSES:
            raise _Refused(error) from error
        raise


def _to_store(request: Request, response: Response) -> StoredResponse:
    data = response.data if is_client_error(response.status_code) else mask_contacts(request, response.data)
    kept = {name: response[name] for name in _STORED_HEADERS if name in response}
    return StoredResponse(status=response.status_code, body=to_json(data), headers=kept)


def _replay(stored: StoredResponse) -> Response:
    return Response(
        orjson.loads(stored.body), status=stored.status, headers={**stored.headers, "Idempotent-Replayed": "true"}
    )
