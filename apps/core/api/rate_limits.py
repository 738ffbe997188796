"""How many requests that may change something one signed-in person sends in a minute: a window that slides, counted in Redis."""

import time
from datetime import datetime
from math import ceil
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.core import clock, ids
from apps.core.errors import RateLimited
from apps.core.security_log import log_security_event

log = structlog.get_logger(__name__)

_WINDOW = 60_000  # milliseconds

#: Takes one place in the window and returns 0, or returns after how many milliseconds the next one is free. A call that is
#: refused takes none, so that a caller who waits as long as `Retry-After` says gets through. One script, so that of parallel calls no two
#: take the last place.
_TAKE_SLOT = """
local now, window, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) < most then
    redis.call('ZADD', KEYS[1], now, ARGV[4])
    redis.call('PEXPIRE', KEYS[1], window)
    return 0
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.max(1, tonumber(oldest[2]) + window - now)
"""


class TooManyWrites(RateLimited):
    """
    The account has sent more changes in a minute than are allowed.

    Wait for as many seconds as `Retry-After` says.
    """

    message = "You can send at most {0} changes a minute. Try again in {wait}."
    code = RateLimited.code


def check_write_limit(request: Request) -> None:
    """
    Count a request that may change something against the minute of its sender; staff have a limit of their own.

    Reading is not counted, nor are anonymous requests: log-in and webhooks have budgets of their own. While Redis does
    not answer, everything is let through, because no order is refused for the sake of a counter.

    :raises TooManyWrites: if the person has sent as many as they may in the last 60 seconds; it says for how many seconds
    """
    user: Any = request.user
    if request.method in SAFE_METHODS or not user.is_authenticated:
        return
    most = settings.STAFF_WRITES_PER_MINUTE if user.is_staff else settings.CUSTOMER_WRITES_PER_MINUTE
    wait = _take_slot(f"writes:{user.pk}", most=most, now=clock.now())
    if wait:
        seconds = ceil(wait / 1000)
        log_security_event("rate_limit_exceeded", rate_limits=["writes"], user=user.public_id)
        raise TooManyWrites(most, retry_after=seconds)


class _Pause:
    """For how long a process leaves a Redis alone that did not answer: each request would wait for it again."""

    seconds = 5.0

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + self.seconds


_pause = _Pause()


def _take_slot(name: str, *, most: int, now: datetime) -> int:
    if _pause.is_on:
        return 0
    milliseconds = round(now.timestamp() * 1000)
    try:
        # The cache swallows errors and knows no scripts, so ask its client.
        client = cache.client.get_client(write=True)  # type: ignore[attr-defined]
        key = cache.make_key(name)
        return int(client.eval(_TAKE_SLOT, 1, key, milliseconds, _WINDOW, most, str(ids.new())))
    except RedisError as error:
        _pause.begin()
        log.warning("rate_limit_not_counted", error=type(error).__name__)
        return 0
