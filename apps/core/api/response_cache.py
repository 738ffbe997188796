"""
Caches of public responses, which are the same for everybody who is not signed in.

A cache has a version, which Postgres raises in the transaction that changes what the responses show, and each process reads at most a
second later. A response is kept with the version that was read before it was made, so that it never passes for newer than it is. Nothing
has to be deleted, no message can be missed, and Redis may lose or keep whatever it likes. See docs/caching.md.
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase

from apps.core import replica
from apps.core.api.responses import has_seen
from apps.core.response_store import MAX_BODY_BYTES, LocalResponses, SharedResponses, StoredResponse

#: How old the version that a process knows may be, and so how long after its commit a change is read by everybody.
VERSION_SECONDS = 1.0
#: How long after a change the response from before it is still given, while another request makes the new one.
STALE_SECONDS = 5
#: How long a request waits for the response that another one makes, before it makes its own.
_WAIT_SECONDS = 1.0
#: For how long, and of how many keys, a cache remembers that their response was not stored, such as a refusal: nobody waits for these.
_NOT_STORED_SECONDS = 5
_MAX_NOT_STORED = 1_000
#: How often a request looks whether another process has made the response.
_LOOK_SECONDS = 0.02
#: How often a process adds its counts to those of all.
_COUNT_SECONDS = 10
_MAX_KEY_LENGTH = 500
#: The headers of a response that are kept; the others belong to the request.
_KEPT_HEADERS = ("Content-Type", "ETag", "Cache-Control", "Vary", "Allow")
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class CacheDescription:
    """What a cache holds, for operators and for docs/caching.md."""

    name: str
    holds: str
    key: str
    life: str
    ends: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request asks for, of which version, and how it is made."""

    key: str
    version: int
    is_shared: bool
    request: HttpRequest
    make: Callable[[], HttpResponseBase]


class ResponseCache:
    """
    Public responses to GET, each made once for each version.

    :param read_version: returns the present version: a time in microseconds since 1970 that rises with each change
    :param shared_params: the query parameters that may stand in the key of a response that Redis keeps; what people type, of which
        there is no end, stays in the memory of a process
    """

    def __init__(
        self, description: CacheDescription, *, read_version: Callable[[], int], shared_params: frozenset[str]
    ) -> None:
        self.description = description
        self.shared = SharedResponses(description.name)
        self.local = LocalResponses()
        self._read_version = read_version
        self._shared_params = shared_params
        self._version = 0
        self._version_before = 0
        self._version_changed_at = float("-inf")
        self._version_is_read_at = float("-inf")
        self._version_failed_at = float("-inf")
        self._version_lock = threading.Lock()
        #: Of the primary's log, read after the version: what covers it, and with it all that the responses show.
        self._position: replica.Position | None = None
        #: Key -> until when, by the monotonic clock, its response is made for each request.
        self._not_stored: OrderedDict[str, float] = OrderedDict()
        self._makers: dict[str, threading.Lock] = {}
        self._makers_lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._counted_at = time.monotonic()

    def respond(self, request: HttpRequest, make: Callable[[], HttpResponseBase]) -> HttpResponseBase:
        """Answer with a stored response, or with the one that `make` returns, which is stored if its status is 200."""
        asked = _key_of(request)
        version = None if asked is None else self._present_version()
        if asked is None or version is None:
            return make()
        key, params = asked
        if self._is_not_stored(key):
            self._counts["misses"] += 1
            return make()
        wanted = _Wanted(key, version, is_shared=params <= self._shared_params, request=request, make=make)
        found = self._find(wanted) or self._obtain(wanted)
        return _to_response(request, found) if isinstance(found, StoredResponse) else found

    # The version -----------------------------------------------------------------------------------------------------------

    def _present_version(self) -> int | None:
        """Return the version, at most VERSION_SECONDS old, or None if Postgres does not answer."""
        if not self._is_version_old():
            return self._version
        with self._version_lock:
            now = time.monotonic()
            if now - self._version_failed_at < VERSION_SECONDS:
                return None  # of many requests, one waits for a database that does not answer
            if now - self._version_is_read_at >= VERSION_SECONDS:
                try:
                    self._note_version(self._read_version(), now)
                except DatabaseError:
                    self._version_failed_at = time.monotonic()
                    return None
                self._share_counts(now)
        return self._version

    def find_position(self, *, is_fresh: bool) -> replica.Position | None:
        """
        Return what covers all that the responses show and was committed before; None without a replica.

        :param is_fresh: before this call, for somebody who may just have changed it; else before the version was last read
        """
        if not replica.is_configured():
            return None
        if not is_fresh and self._position is not None and not self._is_version_old():
            return self._position
        number = self._read_version()
        with self._version_lock:
            if number > self._version or self._position is None or self._is_version_old():
                self._note_version(max(number, self._version), time.monotonic())
            if number == self._version:
                return self._position
        return replica.read_position()

    def _is_version_old(self) -> bool:
        return time.monotonic() - self._version_is_read_at >= VERSION_SECONDS

    def _note_version(self, number: int, now: float) -> None:
        """Note the version that the primary has, and what covers it: a position of the log that is read afterwards."""
        position = replica.read_position()
        self._version_is_read_at = now
        if number != self._version or self._position is None:
            self._position = position
        if number == self._version:
            return
        if number < self._version:  # a backup was restored: what is stored shows what is lost
            self.local.clear()
        self._version_before, self._version, self._version_changed_at = self._version, number, now

    # Finding and making ------------------------------------------------------------------------------------------------------

    def _find(self, wanted: _Wanted) -> StoredResponse | None:
        """Return the response of this version, or of a newer one that another process has learnt of before."""
        local = self.local.get(wanted.key)
        if local is not None and _is_new(local, wanted):
            self._counts["hits"] += 1
            return local
        shared = self.shared.get(wanted.key) if wanted.is_shared else None
        if shared is not None and _is_new(shared, wanted):
            self._counts["shared_hits"] += 1
            self.local.put(wanted.key, shared)
            return shared
        return None

    def _obtain(self, wanted: _Wanted) -> StoredResponse | HttpResponseBase:
        """Make a response, once for all who ask meanwhile; these get the older one, or wait for the new one."""
        older = self._older(wanted)
        maker = self._maker(wanted.key)
        if not maker.acquire(blocking=older is None, timeout=-1 if older is not None else _WAIT_SECONDS):
            return self._without_making(wanted, older)
        try:
            found = self._find(wanted)
            if found is not None:
                return found
            # Of a response that is not stored, the others make their own at once, and not one after another.
            if not self._is_not_stored(wanted.key):
                return self._make_for_all(wanted, older) if wanted.is_shared else self._make(wanted)
        finally:
            maker.release()
            with self._makers_lock:
                if self._makers.get(wanted.key) is maker:
                    del self._makers[wanted.key]
        return wanted.make()

    def _make_for_all(self, wanted: _Wanted, older: StoredResponse | None) -> StoredResponse | HttpResponseBase:
        """Make a response, unless another process does so now."""
        until = time.monotonic() + _WAIT_SECONDS
        while not self.shared.claim(wanted.key):
            if older is not None or time.monotonic() > until:
                return self._without_making(wanted, older)
            time.sleep(_LOOK_SECONDS)
            if (found := self._find(wanted)) is not None:
                return found
        try:
            return self._make(wanted)
        finally:
            self.shared.release(wanted.key)

    def _make(self, wanted: _Wanted) -> StoredResponse | HttpResponseBase:
        self._counts["misses"] += 1
        # The whole response is wanted, whatever this client has already: `_to_response` compares.
        condition = wanted.request.META.pop("HTTP_IF_NONE_MATCH", None)
        try:
            made: Any = wanted.make()
            if hasattr(made, "render"):
                made = made.render()
        finally:
            if condition is not None:
                wanted.request.META["HTTP_IF_NONE_MATCH"] = condition
        if made.status_code != HTTPStatus.OK or made.streaming or len(made.content) > MAX_BODY_BYTES:
            self._note_not_stored(wanted.key)
            return made  # type: ignore[no-any-return]
        headers = {name: made.headers[name] for name in _KEPT_HEADERS if name in made.headers}
        stored = StoredResponse(version=wanted.version, headers=headers, body=made.content)
        self.local.put(wanted.key, stored)
        if wanted.is_shared:
            self.shared.put(wanted.key, stored)
        return stored

    def _is_not_stored(self, key: str) -> bool:
        return self._not_stored.get(key, 0.0) > time.monotonic()

    def _note_not_stored(self, key: str) -> None:
        self._not_stored[key] = time.monotonic() + _NOT_STORED_SECONDS
        if len(self._not_stored) > _MAX_NOT_STORED:
            self._not_stored.popitem(last=False)

    def _without_making(self, wanted: _Wanted, older: StoredResponse | None) -> StoredResponse | HttpResponseBase:
        if older is None:  # its maker takes too long
            return self._make(wanted)
        self._counts["stale"] += 1
        return older

    def _older(self, wanted: _Wanted) -> StoredResponse | None:
        """Return the response from before the last change, if that was a moment ago; not one that lay here for longer."""
        if time.monotonic() - self._version_changed_at > STALE_SECONDS:
            return None
        found = self.local.get(wanted.key) or (self.shared.get(wanted.key) if wanted.is_shared else None)
        return found if found is not None and found.version >= self._version_before > 0 else None

    def _maker(self, key: str) -> threading.Lock:
        with self._makers_lock:
            return self._makers.setdefault(key, threading.Lock())

    # Counts ----------------------------------------------------------------------------------------------------------------

    def _share_counts(self, now: float) -> None:
        """Add what this process has counted to the sums in Redis, now and then; called by one thread at a time."""
        if now - self._counted_at < _COUNT_SECONDS or not self._counts:
            return
        self._counted_at = now
        counts, self._counts = self._counts, Counter()
        if not self.shared.add_counts(dict(counts)):
            self._counts.update(counts)

    def read_counts(self) -> dict[str, int]:
        """Return hits, shared_hits, stale and misses of all processes, as far as they have added theirs."""
        return self.shared.read_counts()


def _is_new(stored: StoredResponse, wanted: _Wanted) -> bool:
    """
    Return whether a response is of the wanted version, or of one that another process has learnt of a moment before.

    A version is a time. A newer one of long ago was lost with the commits of a backup that was restored.
    """
    if stored.version <= wanted.version:
        return stored.version == wanted.version
    return time.time() - stored.version / _MICROSECONDS < STALE_SECONDS


def _key_of(request: HttpRequest) -> tuple[str, frozenset[str]] | None:
    """Return the key of what a request asks for and the names of its parameters, or None if nothing stored may answer it."""
    meta = request.META
    if request.method not in ("GET", "HEAD") or "HTTP_AUTHORIZATION" in meta or not settings.RESPONSE_CACHE_BYTES:
        return None
    accepted = meta.get("HTTP_ACCEPT", "*/*")
    if "*/*" not in accepted and "application/json" not in accepted:
        return None
    query = meta.get("QUERY_STRING", "")
    if len(request.path) + len(query) > _MAX_KEY_LENGTH or not query.isascii():
        return None
    return _read_key(request.path, query)


@lru_cache(maxsize=4_096)
def _read_key(path: str, query: str) -> tuple[str, frozenset[str]]:
    """Return the key of a path and a query in whatever order, and the names of its parameters."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    # Quoted, so that a question mark within a path is none: two paths must not have one key.
    key = f"{quote(path)}?{urlencode(pairs)}" if pairs else quote(path)
    return key, frozenset(name for name, _ in pairs)


def _to_response(request: HttpRequest, stored: StoredResponse) -> HttpResponse:
    if has_seen(request.META.get("HTTP_IF_NONE_MATCH", ""), stored.headers.get("ETag", "")):
        kept = {name: value for name, value in stored.headers.items() if name != "Content-Type"}
        return HttpResponseNotModified(headers=kept)
    return HttpResponse(stored.body, headers=stored.headers)
