"""What a client may do with one connection, met by the web process as production runs it."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.web_server import (
    ROOT,
    WebServer,
    command_of_web,
    environment_of_web,
    read_answer,
    read_to_end,
    running_web,
)

# The mark makes the test database, which the web process reads, also where this file is run alone.
pytestmark = [pytest.mark.timeout(600), pytest.mark.django_db]

LIVEZ = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def run(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """Return a context manager that runs a web process with these options and variables."""
    log = tmp_path_factory.mktemp("web") / "web.log"
    with django_db_blocker.unblock():
        yield lambda *options, **changes: running_web(log, *options, **changes)


@pytest.fixture(scope="module")
def web(run: Callable[..., Any]) -> Iterator[WebServer]:
    with run() as server:
        yield server


@pytest.fixture(scope="module")
def hasty_web(run: Callable[..., Any]) -> Iterator[WebServer]:
    with run(WEB_REQUEST_DEADLINE_SECONDS="1") as server:
        yield server


def login(*fields: str, body: bytes = b"") -> bytes:
    lines = ["POST /api/v1/auth/login HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


def error_of(answer: bytes) -> dict[str, Any]:
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2])["error"])


class TestKeepAlive:
    def test_one_connection_takes_many_requests(self, web: WebServer) -> None:
        with web.connect() as client:
            for _ in range(50):
                client.sendall(LIVEZ)
                assert statuses(read_answer(client)) == [200]

    def test_a_request_that_comes_in_pieces_is_answered_once(self, web: WebServer) -> None:
        body = b'{"email": "a@b.example",\n "password": "\\u0041 wrong password"}'
        raw = login(f"Content-Length: {len(body)}", "Connection: close", body=body)

        with web.connect() as client:
            for byte in raw:
                client.sendall(bytes([byte]))
            answer = read_to_end(client)

        assert statuses(answer) == [401]

    def test_a_body_of_the_largest_size_is_read(self, web: WebServer) -> None:
        body = b'{"email": "' + b"x" * (1_048_576 - 13) + b'"}'

        answer = web.exchange(login(f"Content-Length: {len(body)}", "Connection: close", body=body))

        assert len(body) == 1_048_576
        assert (statuses(answer), error_of(answer)["code"]) == ([400], "max_length")


class TestPipelining:
    def test_requests_sent_at_once_are_answered_in_order(self, web: WebServer) -> None:
        wrong = login("Content-Length: 1", body=b"{")
        known = LIVEZ.replace(b"\r\n\r\n", b"\r\nX-Request-Id: request-%d\r\n\r\n")

        answer = web.exchange(known % 1 + wrong + known % 2 + wrong + LAST)

        assert statuses(answer) == [200, 400, 200, 400, 200]
        assert re.findall(rb"request-\d", answer) == [b"request-1", b"request-2"]

    def test_the_second_half_of_a_request_may_come_after_the_first_answer(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(LIVEZ + LAST[:30])
            first = read_answer(client)
            client.sendall(LAST[30:])
            second = read_to_end(client)

        assert (statuses(first), statuses(second)) == ([200], [200])

    def test_a_client_that_has_sent_all_may_end_its_side(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(LIVEZ * 3)
            client.shutdown(socket.SHUT_WR)

            assert statuses(read_to_end(client)) == [200, 200, 200]


class TestExpectContinue:
    def test_the_client_gets_100_continue_and_then_one_answer(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(login("Content-Length: 2", "Expect: 100-continue", "Connection: close"))
            interim = client.recv(65_536)
            client.sendall(b"{}")
            answer = read_to_end(client)

        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (statuses(answer), error_of(answer)["code"]) == ([400], "required")

    def test_a_client_that_does_not_wait_gets_the_answer_alone(self, web: WebServer) -> None:
        answer = web.exchange(login("Content-Length: 2", "Expect: 100-continue", "Connection: close", body=b"{}"))

        assert statuses(answer) == [400]

    @pytest.mark.parametrize(
        ("field", "status", "code"),
        [
            ("Content-Length: 5000000", 413, "body_too_large"),
            ("Transfer-Encoding: chunked", 411, "length_required"),
        ],
    )
    def test_a_body_that_is_refused_is_not_asked_for(self, web: WebServer, field: str, status: int, code: str) -> None:
        with web.connect() as client:
            client.sendall(login(field, "Expect: 100-continue"))
            answer = read_to_end(client)

        assert (statuses(answer), error_of(answer)["code"]) == ([status], code)
        assert b"Connection: close" in answer


class TestBodiesThatAreRefused:
    def test_a_body_over_1_mb_is_refused_before_it_arrives(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(login("Content-Length: 1048577"))
            answer = read_to_end(client)

        assert statuses(answer) == [413]
        assert b"Content-Type: application/json" in answer
        assert error_of(answer).pop("request_id").startswith("req_")
        assert {**error_of(answer), "request_id": ""} == {
            "type": "invalid_request",
            "code": "body_too_large",
            "message": "The body is larger than 1 MB.",
            "request_id": "",
        }

    def test_a_client_that_sends_all_of_it_first_can_read_why(self, web: WebServer) -> None:
        answer = web.exchange(login("Content-Length: 5000000", body=b"x" * 5_000_000))

        assert (statuses(answer), error_of(answer)["code"]) == ([413], "body_too_large")

    @pytest.mark.parametrize("path", ["/admin/login/", "/livez", "/no/such/page"])
    def test_pages_outside_of_the_api_refuse_it_too(self, web: WebServer, path: str) -> None:
        field = "Content-Type: multipart/form-data; boundary=x"
        raw = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{field}\r\nContent-Length: 2000000\r\n\r\n--x".encode()

        with web.connect() as client:
            client.sendall(raw)
            answer = read_to_end(client)

        assert statuses(answer) == [413]
        assert answer.endswith(b"\r\n\r\nThe body is larger than 1 MB.\n")

    def test_a_whole_body_in_chunks_is_refused_and_ends_the_connection(self, web: WebServer) -> None:
        answer = web.exchange(login("Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n") + LIVEZ)

        assert (statuses(answer), error_of(answer)["code"]) == ([411], "length_required")

    def test_a_head_over_64_kb_is_refused_before_it_ends(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(LIVEZ[:-2] + b"X: x\r\n" * 11_000)
            answer = read_to_end(client)

        assert statuses(answer) == [431]


class TestDeadline:
    @pytest.mark.parametrize("path", ["/api/v1/auth/logout", "/api/v1/orders"])
    def test_request_without_its_body_is_refused_and_has_no_effect(self, hasty_web: WebServer, path: str) -> None:
        raw = login("Content-Length: 50", body=b"{").replace(b"/api/v1/auth/login", path.encode())
        with hasty_web.send(raw) as client:
            answer = read_to_end(client)

        assert (statuses(answer), error_of(answer)["code"]) == ([400], "body_incomplete")

    def test_a_client_that_ends_its_side_too_early_is_refused_at_once(self, web: WebServer) -> None:
        with web.connect() as client:
            client.sendall(login("Content-Length: 50", body=b"{"))
            client.shutdown(socket.SHUT_WR)
            answer = read_to_end(client)

        assert (statuses(answer), error_of(answer)["code"]) == ([400], "body_incomplete")

    @pytest.mark.parametrize("raw", [b"", b"\r\n", LIVEZ[:20], LIVEZ + LIVEZ[:20]])
    def test_a_connection_without_a_whole_head_is_closed(self, hasty_web: WebServer, raw: bytes) -> None:
        with hasty_web.send(raw) as client:
            assert statuses(read_to_end(client)) == [200] * raw.count(b"\r\n\r\n")

    def test_a_kept_connection_outlives_it(self, hasty_web: WebServer) -> None:
        with hasty_web.send(LIVEZ) as client:
            first = read_answer(client)
            time.sleep(3)
            client.sendall(LIVEZ)
            second = read_answer(client)

        assert (statuses(first), statuses(second)) == ([200], [200])


class TestConnectionLimit:
    def test_when_all_places_are_taken_the_oldest_unfinished_connection_is_closed(
        self, run: Callable[..., Any]
    ) -> None:
        with run("--worker-connections", "20") as server:
            waiting = [server.connect() for _ in range(19)]
            for client in waiting:
                client.sendall(LIVEZ[:20])
            answers = [server.exchange(LAST) for _ in range(3)]
            for client in waiting[-10:]:
                client.sendall(LIVEZ[20:])

            assert [statuses(answer) for answer in answers] == [[200]] * 3
            assert read_to_end(waiting[0]) == b""
            assert [statuses(read_answer(client)) for client in waiting[-10:]] == [[200]] * 10
            for client in waiting:
                client.close()

    def test_idle_connections_make_room_for_new_ones(self, run: Callable[..., Any]) -> None:
        with run("--worker-connections", "20") as server:
            idle = []
            for _ in range(40):
                client = server.connect()
                client.sendall(LIVEZ)
                assert statuses(read_answer(client)) == [200]
                idle.append(client)

            assert read_to_end(idle[0]) == b""
            idle[-1].sendall(LIVEZ)
            assert statuses(read_answer(idle[-1])) == [200]
            for client in idle:
                client.close()

    def test_unfinished_bodies_fill_no_more_than_their_share_of_memory(self, web: WebServer) -> None:
        """80 bodies of almost a megabyte are more than the 64 MiB that clients may hold."""
        raw = login("Content-Length: 1000000", "Connection: close", body=b" " * 999_999)
        waiting = []
        for _ in range(80):
            client = web.connect()
            client.sendall(raw)
            waiting.append(client)
        answers = []
        for client in waiting[-20:]:
            client.sendall(b"x")
            answers.append(read_to_end(client))

        assert statuses(web.exchange(LAST)) == [200]
        assert read_to_end(waiting[0]) == b""
        assert [statuses(answer) for answer in answers] == [[400]] * 20
        for client in waiting:
            client.close()

    def test_more_connections_than_files_end_no_worker(self, run: Callable[..., Any]) -> None:
        with run("--max-requests", "0", files=200) as server:
            idle = []
            for _ in range(300):
                client = server.connect()
                client.sendall(LIVEZ)
                assert statuses(read_answer(client)) == [200]
                idle.append(client)

            assert statuses(server.exchange(LAST)) == [200]
            assert "Too many open files" not in server.log.read_text()
            for client in idle:
                client.close()


class TestStop:
    def test_a_request_that_is_arriving_is_still_answered_and_connections_in_no_request_are_closed(
        self, run: Callable[..., Any]
    ) -> None:
        """Browsers hold connections open, used or not: the stop waits for neither deadline of theirs."""
        with run() as server:
            unused, idle, arriving = server.connect(), server.connect(), server.connect()
            idle.sendall(LIVEZ)
            read_answer(idle)
            arriving.sendall(login("Content-Length: 2", body=b"{"))
            assert statuses(server.exchange(LAST)) == [200]

            server.process.terminate()
            assert (read_to_end(unused), read_to_end(idle)) == (b"", b"")
            arriving.sendall(b"}")
            answer = read_to_end(arriving)

            assert (statuses(answer), error_of(answer)["code"]) == ([400], "required")
            assert b"Connection: close" in answer
            assert server.process.wait(240) == 0


class TestConfiguration:
    """A wrong value stops the start with a sentence and exit code 2."""

    def start(self, *options: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command_of_web(*options), cwd=ROOT, env=environment_of_web(**changes),
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "value", "bounds"),
        [
            ("WEB_REQUEST_DEADLINE_SECONDS", "0", "1 to 24"),
            ("WEB_REQUEST_DEADLINE_SECONDS", "25", "1 to 24"),
            ("WEB_REQUEST_DEADLINE_SECONDS", "-5", "1 to 24"),
            ("WEB_REQUEST_DEADLINE_SECONDS", "2.5", "1 to 24"),
            ("WEB_REQUEST_DEADLINE_SECONDS", "20s", "1 to 24"),
            ("WEB_REQUEST_DEADLINE_SECONDS", "9" * 5_000, "1 to 24"),
            ("WEB_THREADS", "0", "1 to 256"),
            ("WEB_CONCURRENCY", "0", "1 to 256"),
        ],
    )
    @pytest.mark.django_db
    def test_a_number_out_of_bounds(self, name: str, value: str, bounds: str) -> None:
        result = self.start(**{name: value})

        assert result.returncode == 2
        shown = repr(value if len(value) <= 60 else f"{value[:60]}…")
        example = {"WEB_REQUEST_DEADLINE_SECONDS": 20, "WEB_THREADS": 4, "WEB_CONCURRENCY": 4}[name]
        assert result.stderr == (
            f"{name} must be a whole number from {bounds}, but it is {shown}; for example {name}={example}.\n"
        )

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            (("--proxy-protocol", "auto"), "the proxy protocol"),
            (("--protocol", "uwsgi"), "uWSGI"),
            (("--certfile", "pyproject.toml", "--keyfile", "pyproject.toml"), "TLS"),
            (("--http2-cleartext", "both"), "HTTP/2"),
            (("--proxy-protocol", "v1", "--protocol", "uwsgi"), "the proxy protocol and uWSGI"),
        ],
    )
    @pytest.mark.django_db
    def test_a_protocol_that_it_does_not_speak(self, options: tuple[str, ...], named: str) -> None:
        result = self.start(*options)

        assert result.returncode == 2, result.stderr
        assert result.stderr.splitlines()[-1] == (
            f"The web process speaks plain HTTP/1.1 only, but {named} is switched on. "
            "Remove the option, and let the proxy in front of the web process speak it."
        )
