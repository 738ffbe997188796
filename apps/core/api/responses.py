"""Responses with a version (ETag, 304, If-Match), and 202 responses with the URL to poll."""

import hashlib
from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.contacts import mask_contacts
from apps.core.api.renderer import keep_encoded, to_json
from apps.core.errors import PreconditionFailed, PreconditionRequired
from apps.core.models import Subject

PRIVATE: Final = "private, no-store"
#: Of the catalogue and what else is the same for everybody.
PUBLIC: Final = "public, max-age=60, stale-while-revalidate=300"


def get_etag(subject: Subject) -> str:
    """Return the ETag of an object that records events: its version."""
    return f'"v{subject.version}"'


def get_page_etag(subject: Subject, data: Any) -> str:
    """
    Return the ETag of a page that shows more than its subject, such as a product with its stock: `"v7.5f0c..."`.

    The version lets a client send it back as If-Match; the hash changes with the rest of the page.
    """
    return _page_etag(subject, to_json(data))


def _page_etag(subject: Subject, body: bytes) -> str:
    return f'"v{subject.version}.{hashlib.sha256(body).hexdigest()[:16]}"'


def check_if_match(request: Request, subject: Subject) -> None:
    """
    Let a change through only to somebody who has seen the present version.

    :raises PreconditionRequired: if the request has no If-Match
    :raises PreconditionFailed: if it names another version
    """
    wanted = request.headers.get("If-Match")
    if wanted is None:
        raise PreconditionRequired
    seen = {_without_hash(tag.strip()) for tag in wanted.split(",")}
    if get_etag(subject) not in seen and wanted.strip() != "*":
        raise PreconditionFailed


def _without_hash(tag: str) -> str:
    version, dot, _ = tag.partition(".")
    return f'{version}"' if dot else tag


def has_seen(if_none_match: str, etag: str) -> bool:
    """Return whether a client that sends this If-None-Match has the response with this ETag."""
    seen = [candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")]
    return etag in seen or "*" in seen


def with_etag(
    request: Request,
    data: Any,
    *,
    etag: str | None = None,
    subject: Subject | None = None,
    cache_control: str = PRIVATE,
) -> Response:
    """
    Answer a GET with an ETag, or with 304 if the client has that answer.

    Without an ETag of its own the answer is hashed, so that lists and composed pages have one too. An answer in which contacts are
    masked has another ETag than the whole one, of the same version.

    :param subject: of an answer that shows more than its subject; its version is a part of the ETag, as of `get_page_etag`
    """
    shown, body = mask_contacts(request, data), None
    if etag is None:
        body = to_json(shown)
        etag = _page_etag(subject, body) if subject is not None else f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    elif shown is not data and shown != data:
        etag = f'{etag[:-1]}.masked"'
    headers = {"ETag": etag, "Cache-Control": cache_control}
    if has_seen(request.META.get("HTTP_IF_NONE_MATCH", ""), etag):
        return Response(status=304, headers=headers)
    response = Response(shown, headers=headers)
    if body is not None:
        keep_encoded(response, body)
    return response


def accepted(data: Any, *, location: str, retry_after: int = 1) -> Response:
    """Answer 202: the work is written down; watch `location`."""
    return Response(data, status=202, headers={"Location": location, "Retry-After": str(retry_after)})
