"""
The HTTP client for all gateways, with limits in time and size that cannot be forgotten.

It refuses to be called inside a database transaction, because a slow gateway would hold our locks for as long.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from json import loads
from typing import Any

import requests
from django.db import connection
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from apps.core.deadlines import Deadline, deadline, watch

TIMEOUT = (3.05, 10.0)  # seconds to connect, seconds between two pieces of the answer
_LONGEST_ANSWER = 30.0  # seconds, from the call to the last byte of the answer, its head included
_LARGEST_ANSWER = 4 * 1024 * 1024  # bytes; a page of a report has a quarter of it
_TOO_LATE = "the response took too long"
_TOO_LARGE = "the response is larger than 4 MiB and was not read"


class CalledInsideTransaction(RuntimeError):
    """A gateway was called while a database transaction was open."""


class NoResponse(Exception):
    """The other side did not answer, so that we do not know whether it acted."""


class ConnectionFailed(NoResponse):
    """The connection was never made, so that the other side cannot have acted."""


class ResponseTooLarge(NoResponse):
    """The other side answered with more than is ever read, so that we do not know what it says; it may have acted."""


class _Watched(HTTPConnection):
    """A connection whose answer is read under the deadline of the call; what comes before it is bounded by `timeout` as a whole."""

    def getresponse(self) -> BaseHTTPResponse:  # type: ignore[override]
        watch(self.sock)
        return super().getresponse()


class _WatchedOverTls(HTTPSConnection, _Watched):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolOverTls(HTTPSConnectionPool):
    ConnectionCls = _WatchedOverTls


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _PoolOverTls}


@dataclass(frozen=True)
class Response:
    """What came back: the status, the parsed JSON if there was any, and the text."""

    status: int
    body: Any
    text: str

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Client:
    """One peer: a base URL, its credentials, and a session for each thread."""

    def __init__(
        self, base_url: str, *, auth: tuple[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._auth = auth
        self._headers = headers or {}
        self._local = threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: Any = None,
        files: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> Response:
        """
        Call the peer once and return its answer, whatever its status.

        :raises ConnectionFailed: if no connection was made
        :raises ResponseTooLarge: if the answer has more than 4 MiB, as it is sent or unpacked; the rest is not read
        :raises NoResponse: if the connection broke or the time ran out, so that the effect is unknown
        :raises CalledInsideTransaction: if a database transaction is open
        """
        refuse_inside_transaction()
        try:
            with (
                deadline(_LONGEST_ANSWER) as limit,
                _lateness_as_no_response(limit),
                self._session().request(
                    method,
                    f"{self.base_url}{path}",
                    json=json,
                    data=data,
                    files=files,
                    params=params,
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                raw = _read(response)
        except requests.ConnectTimeout as error:
            raise ConnectionFailed(str(error)) from error
        except requests.ConnectionError as error:
            raise (ConnectionFailed if _was_refused(error) else NoResponse)(str(error)) from error
        except (requests.RequestException, HTTPError) as error:
            raise NoResponse(str(error)) from error
        return Response(
            status=response.status_code, body=_json_or_none(raw), text=raw.decode("utf-8", "replace")[:65_536]
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.auth = self._auth
            session.headers.update(self._headers)
            session.mount("http://", _Adapter())
            session.mount("https://", _Adapter())
            self._local.session = session
        return session


def refuse_inside_transaction() -> None:
    """
    Raise if a database transaction is open on this thread.

    :raises CalledInsideTransaction: if one is (the transaction that a test runs in does not count)
    """
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise CalledInsideTransaction("a gateway may not be called inside a database transaction")


def _was_refused(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError"}


@contextmanager
def _lateness_as_no_response(limit: Deadline) -> Iterator[None]:
    """Turn the end of a call by its deadline into NoResponse, whether what was cut off looks broken or whole."""
    try:
        yield
    except (requests.RequestException, HTTPError) as error:
        if limit.is_over:
            raise NoResponse(_TOO_LATE) from error
        raise
    if limit.is_over:
        raise NoResponse(_TOO_LATE)


def _read(response: requests.Response) -> bytes:
    # Piece by piece: `requests` would read whatever comes, and what is announced as too large is not read at all.
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced[:20]) > _LARGEST_ANSWER:
        raise ResponseTooLarge(_TOO_LARGE)
    raw = bytearray()
    while piece := response.raw.read1(65_536, decode_content=True):
        raw += piece
        if len(raw) > _LARGEST_ANSWER:
            raise ResponseTooLarge(_TOO_LARGE)
    return bytes(raw)


def _json_or_none(raw: bytes) -> Any:
    try:
        return loads(raw)
    except (ValueError, RecursionError):
        return None
