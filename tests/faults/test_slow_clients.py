"""Clients that take their time: they are ended one by one, and nobody waits for them."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.slow_clients import DRIPS, SLOW_CLOSER, SLOW_READER, SlowClients
from tests.support.web_server import WebServer, running_web

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

GOOD = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
KEPT = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
#: A drip is 25 of each of the four kinds.
CROWD = {**dict.fromkeys(DRIPS, 25), SLOW_CLOSER: 20, SLOW_READER: 20}


@pytest.fixture(scope="module")
def web_of(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """Return a context manager that runs a web process of two threads with a deadline of one second."""
    log = tmp_path_factory.mktemp("web") / "web.log"

    def run(*options: str, **changes: str) -> Any:
        return running_web(log, *options, **{"WEB_REQUEST_DEADLINE_SECONDS": "1", **changes})

    with django_db_blocker.unblock():
        yield run


@pytest.fixture(scope="module")
def web(web_of: Callable[..., Any]) -> Iterator[WebServer]:
    with web_of() as server:
        yield server


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 240
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def ask_until_answered(server: WebServer) -> tuple[threading.Thread, threading.Event]:
    """Ask in a thread; the event is set when the answer has come."""
    answered = threading.Event()

    def ask() -> None:
        with server.connect() as client:
            client.settimeout(240)
            client.sendall(GOOD)
            if b"200 OK" in client.recv(65_536):
                answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread, answered


class TestSlowClientsNextToGoodOnes:
    def test_good_requests_are_all_answered(self, web: WebServer) -> None:
        answers = []
        with SlowClients(web, CROWD) as slow:
            wait_until(lambda: slow.rounds > 0, "the slow clients did not begin")
            while not all(slow.ended[kind] >= count for kind, count in CROWD.items()):
                answers.append(web.exchange(GOOD))
                time.sleep(0.02)
                assert len(answers) < 10_000, f"the server has not ended all of them: {slow.ended}"

        assert [answer for answer in answers if not answer.startswith(b"HTTP/1.1 200 OK")] == []

    @pytest.mark.parametrize("kind", [*DRIPS, SLOW_READER, SLOW_CLOSER])
    def test_each_kind_alone_is_ended(self, web: WebServer, kind: str) -> None:
        with SlowClients(web, {kind: 10}) as slow:
            wait_until(lambda: slow.ended[kind] >= 20, f"the server has not ended them: {slow.ended}")
            answer = web.exchange(GOOD)

        assert b"200 OK" in answer

    @pytest.mark.parametrize("kind", ["header", "body", SLOW_READER])
    def test_control_with_gunicorns_own_worker_nobody_else_is_answered(
        self, web_of: Callable[..., Any], kind: str
    ) -> None:
        with web_of("--worker-class", "gthread") as server:
            with SlowClients(server, {kind: 4}) as slow:
                wait_until(lambda: slow.rounds >= 40, "the slow clients did not begin")
                thread, answered = ask_until_answered(server)
                wait_until(lambda: slow.rounds >= 120, "the slow clients did not go on")
                was_answered = answered.is_set()
            thread.join(240)

            assert not was_answered
            assert answered.is_set()
            assert slow.ended == {}
