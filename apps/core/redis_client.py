"""Redis as a cache and a board of notices: a client that gives up soon, because nothing depends on its answer."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def open_redis(*, timeout_seconds: float) -> redis.Redis:
    """Return the client of this process that waits for Redis as long as this, once: what fails is not tried again."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
