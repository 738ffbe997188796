"""Whether new work is taken: not while what buyers wait for waits longer than an installation allows."""

from math import ceil
from typing import Any

from rest_framework.request import Request

from apps.core import backlog, idempotency
from apps.core.errors import Unavailable

#: Seconds after which the client may ask again, at least and at most.
_RETRY_AFTER_SECONDS = (5, 60)


class Overloaded(Unavailable):
    """
    Orders and payments wait longer for a worker than is allowed, and this request would add to them; nothing was done.

    Repeat the request after `Retry-After` with the same Idempotency-Key.
    """

    message = "More orders are coming in than we can process. Nothing was done; try again in {wait}."


def check_admission(request: Request) -> None:
    """
    Refuse a customer's request that makes new work while an urgent queue waits longer than `MAX_QUEUE_WAIT_SECONDS`.

    Staff are never refused, and neither is the repetition of a request that has its response. Without a measure, as while Redis
    is away or full, nobody is.

    :raises Overloaded: if a queue waits too long; it says for how many seconds the client should wait
    """
    if request.user.is_staff:
        return
    overloaded = backlog.find_overloaded(backlog.read())
    if overloaded is None or _is_repetition(request):
        return
    queue, excess = overloaded
    backlog.count_refused(queue)
    least, longest = _RETRY_AFTER_SECONDS
    raise Overloaded(retry_after=min(longest, max(least, ceil(excess))))


def _is_repetition(request: Request) -> bool:
    """Test if this request has been answered under its Idempotency-Key, so that it makes no work and has its answer."""
    user: Any = request.user
    key = request.headers.get("Idempotency-Key")
    return key is not None and idempotency.has_stored_response(principal=user.public_id, key=key)
