"""
Stored responses: bytes that are the same for everybody, kept by the version of what they show.

Two layers hold them: some memory of this process, and Redis for all processes. The caller says which version is the present one;
a response of an older version is not used, but for the moment in which somebody else makes the new one. Redis may be full,
frozen or gone: a process then has its own memory alone, and asks Redis again after a pause.
"""

import hashlib
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import orjson
import redis
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from apps.core.redis_client import open_redis

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

#: How long Redis keeps a response that nobody asks for again; one of an older version is replaced when it is asked for.
SHARED_LIFE_SECONDS = 300
#: What Redis takes of new responses in that time, from all processes: it also holds hints, for which there must be room. It may
#: hold those of two such times.
MAX_SHARED_BYTES = 32 * 1024 * 1024
#: A larger response is made for each request.
MAX_BODY_BYTES = 512 * 1024
#: How long one process may take to make a response while the others wait or answer with the older one.
CLAIM_SECONDS = 3
#: Redis answers in this time, or its layer is left out for the pause.
_TIMEOUT_SECONDS = 0.05
_PAUSE_SECONDS = 1.0
#: What an entry needs besides its body, about.
_ENTRY_BYTES = 600

_HEADER = struct.Struct(">QH")


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response to a GET, and the version of what it shows."""

    version: int
    headers: dict[str, str]
    body: bytes

    def pack(self) -> bytes:
        """Return the bytes that Redis keeps."""
        headers = orjson.dumps(self.headers)
        return _HEADER.pack(self.version, len(headers)) + headers + self.body

    @classmethod
    def unpack(cls, packed: bytes) -> "StoredResponse | None":
        """Return the response of these bytes, or None if they are not of one."""
        try:
            version, length = _HEADER.unpack_from(packed)
            end = _HEADER.size + length
            return cls(version=version, headers=orjson.loads(packed[_HEADER.size : end]), body=packed[end:])
        except (struct.error, ValueError):
            return None


class LocalResponses:
    """The responses that this process keeps in its memory, up to a number of bytes; those that were not used longest go first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, StoredResponse] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> StoredResponse | None:
        """Return a response, of whatever version."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: str, response: StoredResponse) -> None:
        """Keep a response, unless a newer one is there."""
        with self._lock:
            before = self._kept.get(key)
            if before is not None and before.version > response.version:
                return
            self._bytes += _size(key, response) - (0 if before is None else _size(key, before))
            self._kept[key] = response
            self._kept.move_to_end(key)
            while self._bytes > settings.RESPONSE_CACHE_BYTES:
                oldest, dropped = self._kept.popitem(last=False)
                self._bytes -= _size(oldest, dropped)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def _size(key: str, response: StoredResponse) -> int:
    return len(key) + len(response.body) + _ENTRY_BYTES


class SharedResponses:
    """The responses of a cache that Redis keeps for all processes; each call does nothing while Redis does not answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._paused_until = 0.0

    @property
    def prefix(self) -> str:
        """Return how the keys of this cache begin: others' stacks may use the same Redis, and show other goods."""
        database = settings.DATABASES["default"]
        shop = _name_of_shop(settings.PUBLIC_URL, database["HOST"], str(database["PORT"]), database["NAME"])
        return f"bahi:responses:{self._name}@{shop}"

    def get(self, key: str) -> StoredResponse | None:
        """Return a response, of whatever version, or None."""
        packed: Any = self._ask(lambda client: client.get(f"{self.prefix}:{key}"), otherwise=None)
        return StoredResponse.unpack(packed) if packed else None

    def put(self, key: str, response: StoredResponse) -> None:
        """Keep a response, unless as much as Redis has room for was kept already."""
        packed = response.pack()
        used = f"{self.prefix}#bytes:{int(time.time() // SHARED_LIFE_SECONDS)}"

        def keep(client: redis.Redis) -> None:
            if client.incrby(used, len(packed) + len(key) + _ENTRY_BYTES) <= MAX_SHARED_BYTES:
                client.set(f"{self.prefix}:{key}", packed, ex=SHARED_LIFE_SECONDS)
            client.expire(used, 2 * SHARED_LIFE_SECONDS)

        self._ask(keep, otherwise=None)

    def claim(self, key: str) -> bool:
        """Claim the making of a response; return False if another process makes it, and True also if Redis does not answer."""
        return self._ask(
            lambda client: bool(client.set(self._claim_key(key), b"", nx=True, ex=CLAIM_SECONDS)), otherwise=True
        )

    def release(self, key: str) -> None:
        """Let others make the response."""
        self._ask(lambda client: client.delete(self._claim_key(key)), otherwise=0)

    def add_counts(self, counts: dict[str, int]) -> bool:
        """Add what one process has counted to the sums of all; return False if Redis does not answer."""

        def add(client: redis.Redis) -> bool:
            for name, count in counts.items():
                client.hincrby(f"{self.prefix}#counts", name, count)
            return True

        return self._ask(add, otherwise=False)

    def read_counts(self) -> dict[str, int]:
        """Return the sums of all processes since Redis began to count, or nothing if it does not answer."""
        nothing: dict[Any, Any] = {}
        found: Any = self._ask(lambda client: client.hgetall(f"{self.prefix}#counts"), otherwise=nothing)
        return {name.decode(): int(count) for name, count in found.items()}

    def _claim_key(self, key: str) -> str:
        return f"{self.prefix}#claim:{key}"

    def _ask(self, call: Callable[[redis.Redis], Result], *, otherwise: Result) -> Result:
        """Return what a call of the client returns, or `otherwise` if Redis gives an error, and in the pause that follows one."""
        if time.monotonic() < self._paused_until:
            return otherwise
        try:
            return call(_client())
        except RedisError as error:
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            log.warning("response_cache_unavailable", error=type(error).__name__)
            return otherwise


@cache
def _name_of_shop(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _client() -> redis.Redis:
    return open_redis(timeout_seconds=_TIMEOUT_SECONDS)
