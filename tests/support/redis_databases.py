"""The databases of the tests' Redis server: each worker has one for the caches and one for the broker, and shares neither."""

import os
import re

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
CACHE_DATABASE = 15 - _WORKER % 7
BROKER_DATABASE = 1 + _WORKER % 7


def with_database(url: str, number: int) -> str:
    """Return the URL of a Redis server with another database: `unix:///redis.sock?db=1` or `redis://host:6379/1`."""
    return re.sub(r"(db=|/)\d+$", rf"\g<1>{number}", url)
