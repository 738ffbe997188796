"""
What the web worker uses of gunicorn's insides.

If a test here fails after an update of gunicorn, read the changes of `gunicorn/workers/gthread.py` and `gunicorn/http/`, correct
`config/web/` if need be, run tests/faults/test_slow_clients.py and tests/journeys/test_connections.py, and then set
`GUNICORN_VERSION` and the values below.
"""

import hashlib
import inspect
import re
from pathlib import Path
from typing import Any

import gunicorn
import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import errors, parser, unreader
from gunicorn.http.body import Body
from gunicorn.http.message import Message
from gunicorn.workers import gthread
from gunicorn.workers.base import Worker

from config.web.connections import ClientSocket, Connection, ReceivedBytes
from config.web.worker import GUNICORN_VERSION, BufferingWorker

ROOT = Path(__file__).resolve().parents[2]
ADVICE = "gunicorn has changed where config/web builds on it; the head of this file says what to do."

#: Functions that the worker replaces or relies on line by line -> the beginning of the digest of their source.
SOURCES: dict[Any, str] = {
    gthread.ThreadWorker.__init__: "5681b8b542ea",
    gthread.ThreadWorker.run: "f92c7394d857",
    gthread.ThreadWorker.accept: "f8dcead3dce5",
    gthread.ThreadWorker.enqueue_req: "c9f428953d24",
    gthread.ThreadWorker.finish_request: "616e7bb15a00",
    gthread.ThreadWorker.handle: "ca85c9be3df7",
    gthread.ThreadWorker.handle_request: "6d0de5b91910",
    gthread.ThreadWorker._keepalive_after: "4ebdbbc8bf5a",
    gthread.ThreadWorker._cap_keepalive: "745c8ac37108",
    gthread.ThreadWorker.murder_keepalived: "4459960c4ccc",
    gthread.ThreadWorker.murder_pending: "7bf11f464542",
    gthread.ThreadWorker.wait_for_and_dispatch_events: "ea969b352482",
    gthread.TConn: "e3a2878ba952",
    parser.Parser.finish_body: "54c5d0d28c26",
    parser.Parser.__next__: "b8536520e958",
    unreader.Unreader: "84aaa8f91fcd",
    Body._read_reader: "443e7cfab4b8",
    util.write: "cd995031295f",
    util.write_nonblock: "d2ff97701c36",
}


def digest(source: Any) -> str:
    return hashlib.sha256(inspect.getsource(source).encode()).hexdigest()[:12]


def test_the_pinned_version_is_the_one_that_the_worker_was_written_for() -> None:
    pinned = re.search(r"^gunicorn==(\S+)", (ROOT / "requirements" / "base.txt").read_text(), re.MULTILINE)

    assert pinned is not None
    assert (pinned[1], gunicorn.__version__) == (GUNICORN_VERSION, GUNICORN_VERSION), ADVICE


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__qualname__)
def test_what_it_builds_on_is_as_it_was(source: Any) -> None:
    assert digest(source) == SOURCES[source], ADVICE


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BufferingWorker, gthread.ThreadWorker), (Connection, gthread.TConn), (ReceivedBytes, unreader.Unreader)],
)
def test_what_it_replaces_exists_and_takes_the_same_arguments(ours: type, theirs: type) -> None:
    replaced = [name for name, value in vars(ours).items() if inspect.isfunction(value) and name in dir(theirs)]

    assert {
        name: [*inspect.signature(getattr(ours, name)).parameters][1:] for name in replaced if name != "__init__"
    } == {
        name: [*inspect.signature(getattr(theirs, name)).parameters][1:] for name in replaced if name != "__init__"
    }, ADVICE


def test_every_method_meant_to_replace_one_does() -> None:
    """A method that gunicorn renames would be called by nobody."""
    meant = {
        "check_config", "init_process", "accept", "handle", "handle_request", "finish_request", "murder_keepalived",
        "murder_pending", "_cap_keepalive",
    }  # fmt: skip

    assert meant - set(vars(gthread.ThreadWorker)) == set(), ADVICE
    assert {"init", "close"} - set(vars(gthread.TConn)) == set(), ADVICE
    assert {"handle_error", "init_process"} - set(vars(Worker)) == set(), ADVICE


def test_a_thread_uses_no_method_of_a_socket_that_ours_lacks() -> None:
    used = set()
    for module in (gthread, util, parser):
        used |= set(re.findall(r"\b(?:conn\.sock|client|sock|resp\.sock)\.([a-z_]+)\(", inspect.getsource(module)))
    of_other_sockets = {
        "accept", "bind", "do_handshake", "get", "is_http2_negotiated", "ssl_wrap_socket", "timeout", "socket", "connect",
        "family", "listen", "getsockname", "setsockopt", "encode",
    }  # fmt: skip

    assert {"sendall", "setblocking", "shutdown"} <= used
    assert used - of_other_sockets - set(dir(ClientSocket)) == set(), ADVICE


def test_the_attributes_that_it_sets_are_the_ones_that_gunicorn_reads() -> None:
    message = inspect.getsource(Message)

    assert "_expected_100_continue" in message, ADVICE
    assert "def force_close" in message, ADVICE
    assert Body(None).failed is False, ADVICE
    assert {"http_protocols", "http2_cleartext", "is_ssl", "proxy_protocol", "protocol"} - set(dir(Config())) - set(
        Config().settings
    ) == set(), ADVICE
    assert issubclass(errors.LimitRequestHeaders, Exception), ADVICE
    assert gthread.STOP_KEEPALIVE_LINGER == 2.0, ADVICE
