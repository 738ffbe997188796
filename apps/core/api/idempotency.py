"""`@idempotent`: a POST that may be sent again and takes effect once."""

import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any

import orjson
from django.db import transaction
from django.utils.encoding import escape_uri_path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import is_client_error

from apps.core import clock, idempotency
from apps.core.api.contacts import mask_contacts
from apps.core.api.errors import domain_error_response, status_of
from apps.core.api.renderer import to_json
from apps.core.errors import BahiError, Invalid
from apps.core.idempotency import StoredResponse

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

    The outer transaction claims the key, runs the method in a savepoint and stores the answer. A domain error of 402, 409
    or 412 rolls back the savepoint alone and is stored; whatever else goes wrong rolls back all, so that the client may try
    again. The method must not call the network. https://docs.stripe.com/api/idempotent_requests
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


def _once(call: Callable[[], Response], *, request: Request, key: str) -> Response:
    user: Any = request.user
    principal = user.public_id
    # Escaped: a path may hold what cannot be stored, and is as long as its sender likes.
    route = f"{request.method} {escape_uri_path(request.path)}"
    fingerprint = hashlib.sha256(route.encode() + b"\n" + idempotency.canonical(request.data)).hexdigest()

    with transaction.atomic():
        stored = idempotency.claim(
            principal=principal, user_id=user.pk, route=route, key=key, fingerprint=fingerprint, now=clock.now()
        )
        if stored is not None:
            return _replay(stored)
        response = _run(call)
        kept = {name: response[name] for name in _STORED_HEADERS if name in response}
        answer = StoredResponse(status=response.status_code, body=to_json(_as_shown(request, response)), headers=kept)
        idempotency.store(principal=principal, key=key, answer=answer)
    return response


def _as_shown(request: Request, response: Response) -> Any:
    return response.data if is_client_error(response.status_code) else mask_contacts(request, response.data)


def _run(call: Callable[[], Response]) -> Response:
    try:
        with transaction.atomic():
            return call()
    except BahiError as error:
        status, _ = status_of(error)
        if status not in _STORED_STATUSES:
            raise
        return domain_error_response(error)


def _replay(stored: StoredResponse) -> Response:
    return Response(
        orjson.loads(stored.body), status=stored.status, headers={**stored.headers, "Idempotent-Replayed": "true"}
    )
