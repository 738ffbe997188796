"""What views read from a request besides its body."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from apps.core.dates import YEARS
from apps.core.errors import Invalid
from apps.core.events import Actor, user_actor

# fromisoformat alone would also read weeks, ordinal days and times without colons.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class UnknownParameter(Invalid):
    """The route has no such query parameter. Leave it out."""

    message = "There is no parameter {0}."


class DuplicateParameter(Invalid):
    """A query parameter was given twice. Send it once."""

    message = "The parameter {0} is given twice."


class InvalidParameter(Invalid):
    """A query parameter contains a NUL character. Remove it."""

    message = "The parameter {0} contains a character that is not allowed."


class InvalidFilter(Invalid):
    """The value of a filter is not valid. Correct the parameter that `param` names."""

    message = "{0} {1}"


class InvalidInstant(Invalid):
    """The value is not a timestamp with a time zone of the years 2000 to 2199. Send RFC 3339, such as 2026-11-21T05:30:00Z."""

    message = "{0} must be a timestamp with its time zone, such as 2026-11-21T05:30:00Z."


def get_actor(request: Request) -> Actor:
    """Return the actor of a request, as events record it."""
    return user_actor(request.user)


def read_query_params(request: Request, allowed: Iterable[str]) -> dict[str, str]:
    """
    Return the query parameters.

    :raises UnknownParameter: if one is not among those allowed
    :raises DuplicateParameter: if one is given twice
    :raises InvalidParameter: if one holds NUL
    """
    if not request.META.get("QUERY_STRING"):
        return {}
    names = set(allowed)
    params = {}
    for name, values in request.query_params.lists():
        if name not in names:
            raise UnknownParameter(name[:40].replace("\x00", ""), param=name[:40])
        if len(values) > 1:
            raise DuplicateParameter(name, param=name)
        if "\x00" in values[0]:
            raise InvalidParameter(name, param=name)
        params[name] = values[0]
    return params


#: Methods that no route answers, such as TRACE, are 405 whatever comes with them.
METHODS_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})


def has_body(request: HttpRequest | Request) -> bool:
    """Return whether a request has a body; "0" bytes are none."""
    return (request.META.get("CONTENT_LENGTH") or "0").strip("0") != ""


def parse_instant(text: str) -> datetime | None:
    """Return the instant (UTC) that a text names as RFC 3339 has it, or None; the years are 2000 to 2199."""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if instant.year in YEARS else None


def instant_reader(name: str) -> Callable[[str], datetime]:
    """Return a function that reads the instant in a parameter; it raises InvalidInstant if there is none."""

    def read(text: str) -> datetime:
        instant = parse_instant(text)
        if instant is None:
            raise InvalidInstant(name, param=name)
        return instant

    return read


def client_ip(request: HttpRequest | Request) -> str:
    """
    Return the client's address: the peer's, or the one that the trusted proxies wrote.

    With TRUSTED_PROXY_HOPS = n the n-th address from the right of X-Forwarded-For is taken; with 0 the header is ignored.
    """
    hops: int = settings.TRUSTED_PROXY_HOPS
    address = request.META.get("REMOTE_ADDR", "") or "0.0.0.0"  # noqa: S104 - a name for "unknown", nothing is bound
    if hops:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        if len(forwarded) >= hops:
            address = forwarded[-hops]
    try:
        return str(ip_address(address))
    except ValueError:
        return "0.0.0.0"  # noqa: S104
