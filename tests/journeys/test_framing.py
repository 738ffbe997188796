"""HTTP itself, bent: raw bytes to the server that production runs. It answers in order, stays up, and lets nothing slip in between."""

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.web_server import ROOT, WebServer, running_web

ME = b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """Gunicorn with the settings of the Procfile."""
    log = tmp_path_factory.mktemp("web") / "web.log"
    with django_db_blocker.unblock(), running_web(log, WEB_REQUEST_DEADLINE_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="module")
def port(server: WebServer) -> int:
    return server.port


def send(port: int, raw: bytes, *, wait: float = 60.0) -> bytes:
    """Return all that comes back until the server closes, or says nothing for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        try:
            peer.sendall(raw)
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has answered and closed before it had read all
        peer.settimeout(wait)
        answer = b""
        try:
            while piece := peer.recv(65_536):
                answer += piece
        except OSError:
            pass
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


def body(content: bytes, *headers: str, path: str = "/api/v1/auth/otp") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


#: What was sent -> the statuses that are right. Nothing at all means that the connection was closed.
FRAMES: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "control": (ME + b"Connection: close\r\n\r\n", (401,)),
    "H01 evil host": (b"GET /api/v1/me HTTP/1.1\r\nHost: evil.example\r\n\r\n", (400,)),
    "H01 no host": (b"GET /api/v1/me HTTP/1.1\r\n\r\n", (400, 401)),
    "H02 two hosts": (b"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", (400,)),
    "H03 absolute form": (b"GET http://evil.example/api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 401, 404)),
    "H07 underscores": (ME + b"X_Forwarded_For: 1.2.3.4\r\nAUTHORIZATION_: x\r\n\r\n", (400, 401)),
    "H09 both framings": (body(b"2\r\n{}\r\n0\r\n\r\n", "Content-Length: 2", "Transfer-Encoding: chunked"), (400, 411)),
    "H09 odd framing": (body(b"0\r\n\r\n", "Transfer-Encoding: xchunked"), (400, 411)),
    "H09 framing with a blank": (body(b"0\r\n\r\n", "Transfer-Encoding : chunked"), (400,)),
    "H09 chunked twice": (body(b"0\r\n\r\n", "Transfer-Encoding: chunked, chunked"), (400, 411)),
    "H10 two lengths": (body(b"{}", "Content-Length: 2", "Content-Length: 5"), (400,)),
    "H10 two lengths in one": (body(b"{}", "Content-Length: 2, 2"), (400,)),
    "H11 negative length": (body(b"{}", "Content-Length: -1"), (400,)),
    "H11 signed length": (body(b"{}", "Content-Length: +2"), (400,)),
    "H11 length of other digits": (body(b"{}", "Content-Length: \xb2"), (400,)),
    "H11 hexadecimal length": (body(b"{}", "Content-Length: 0x2"), (400,)),
    "H10 the same length twice": (body(b"{}", "Content-Length: 2", "Content-Length: 2"), (400,)),
    "H10 a length and a folded one": (body(b"{}", "Content-Length: 2", " 5"), (400,)),
    "H11 NUL in a length": (body(b"{}", "Content-Length: 2\x00"), (400,)),
    "H11 bare CR in a length": (body(b"{}", "Content-Length: 2\r5"), (400,)),
    "H11 bare LF in a length": (body(b"{}", "Content-Length: 2\nTransfer-Encoding: chunked"), (400,)),
    "H11 blank before the colon": (body(b"{}", "Content-Length : 2"), (400,)),
    "H11 no length": (body(b"{}", "Content-Length:"), (400,)),
    "H11 length of 5,000 digits": (body(b"{}", "Content-Length: " + "9" * 5_000), (400, 413)),
    "H11 body shorter than said": (body(b"{}", "Content-Length: 50"), (400,)),
    "H12 bad chunk size": (body(b"zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), (400, 411)),
    "H12 huge chunk size": (body(b"f" * 40 + b"\r\n{}", "Transfer-Encoding: chunked"), (400, 411)),
    "H12 many chunks": (body(b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n", "Transfer-Encoding: chunked"), (400, 411)),
    "H14 HTTP/0.9": (b"GET /api/v1/me\r\n\r\n", (400, 505)),
    "H14 HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "H14 HTTP/9": (b"GET /api/v1/me HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", (400, 505)),
    "H13 another expectation": (body(b"{}", "Content-Length: 50", "Expect: a-miracle"), (417,)),
    "H14 bare LF at the end of the head": (ME + b"\n", (400,)),
    "H14 bare LF in a pipelined request": (ME + b"\r\n" + ME.replace(b"\r\n", b"\n") + b"\n", (401,)),
    "H14 bare LF": (b"GET /api/v1/me HTTP/1.1\nHost: 127.0.0.1\n\n", (400,)),
    "H14 no request": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, (400, 431, 505)),
    "H15 header of 64 kB": (ME + b"X-Long: " + b"x" * 65_536 + b"\r\n\r\n", (400, 431)),
    "H15 head of 70 kB without an end": (ME + b"X: x\r\n" * 12_000, (431,)),
    "H15 cookie of 16 kB": (ME + b"Cookie: " + b"a=b;" * 4_000 + b"\r\n\r\n", (401,)),
    "H16 200 headers": (ME + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n", (400, 431)),
    "H17 URL of 9 kB": (b"GET /api/v1/me?" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 414)),
    "H18 CR in a header": (ME + b"X-Request-Id: aaaaaaaa\rSet-Cookie: a=b\r\n\r\n", (400,)),
    "H18 NUL in a header": (ME + b"X-Request-Id: aaaa\x00aaaa\r\n\r\n", (400,)),
    "H18 folded header": (ME + b"X-Request-Id: aaaaaaaa\r\n bbbb\r\n\r\n", (400,)),
    "H18 blank in a path": (b"GET /api/v1/me x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400,)),
    "H18 odd name of a header": (ME + b"X-\xe9: x\r\n\r\n", (400,)),
    "H19 CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 404, 405)),
    "H19 OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 404, 405)),
    "H19 TRACE": (b"TRACE /api/v1/products HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (405,)),
    "H23 compressed": (body(b"\x1f\x8b\x08\x00" + b"\x00" * 50, "Content-Encoding: gzip", "Content-Length: 54"), (400, 415)),
    "H24 5 MB": (body(b"x" * 5_000_000, "Content-Length: 5000000"), (413,)),
    "H24 said to be 5 GB": (body(b"{}", "Content-Length: 5000000000"), (400, 413)),
    "latin letters in a path": (b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", (400, 404)),
}  # fmt: skip


@pytest.mark.parametrize("case", FRAMES)
def test_malformed_framing_is_refused(case: str, port: int) -> None:
    raw, want = FRAMES[case]

    answer = send(port, raw)

    assert statuses(answer)[:1] in ([], *[[status] for status in want]), answer[:500]
    assert [status for status in statuses(answer) if status >= 500 and status != 505] == []
    assert b"Traceback" not in answer
    assert b"Set-Cookie: a=b" not in answer


HTML = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(?:[^\r]+\r\n)*Content-Type: text/html\r\n")


def test_the_errors_that_are_not_json_are_documented(port: int) -> None:
    page = (ROOT / "docs" / "http.md").read_text().partition("## Errors that are not JSON")[2].partition("\n## ")[0]
    documented = {int(status) for status in re.findall(r"^\| `(\d{3})` \|", page, re.MULTILINE)}

    met = set()
    for raw, _ in FRAMES.values():
        answer = send(port, raw)
        met |= {int(status) for status in HTML.findall(answer)}
        assert not HTML.search(answer) or b"\r\nConnection: close\r\n" in answer

    assert met == {400, 414, 417, 431}
    assert met <= documented


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (body(b"x" * 1_048_577, "Content-Length: 1048577"), 413),
        (body(b"{}", "Content-Length: 5000000000", "Connection: keep-alive"), 413),
        (body(b"x" * 1_048_577, "Content-Length: 1048577", path="/admin/login/"), 413),
        (body(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked", "Connection: keep-alive"), 411),
        (body(b"{}", "Content-Length: 50", "Connection: keep-alive"), 400),
    ],
    ids=["413", "413 said only", "413 of a page", "411", "broken off"],
)
def test_a_connection_whose_body_was_not_read_is_closed(raw: bytes, status: int, port: int) -> None:
    """Whatever follows on it is the rest of that body, and the client should know before it sends it."""
    answer = send(port, raw)

    assert statuses(answer) == [status]
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(("framing", "status"), [
    (("Content-Length: 2", "Transfer-Encoding: chunked"), 400), (("Transfer-Encoding: chunked", "Content-Length: 2"), 400),
    (("Content-Length: 2", "Content-Length: 60"), 400), (("Content-Length: 5", "Content-Length: 5"), 400),
    (("Content-Length: +5",), 400), (("Content-Length: 5", " 7"), 400), (("Content-Length: 5\x00",), 400),
    (("Content-Length : 5",), 400), (("Transfer-Encoding : chunked",), 400), (("Transfer-Encoding: \x0bchunked",), 400),
    (("Transfer-Encoding: chunked",), 411), (("Transfer-Encoding: Chunked",), 411), (("Transfer-Encoding: gzip, chunked",), 411),
    (("Transfer-Encoding: xchunked",), 400), (("Content-Length: 5000000",), 413),
])  # fmt: skip
def test_no_request_is_smuggled_after_a_refused_body(framing: tuple[str, ...], status: int, port: int) -> None:
    hidden = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: smuggled-1\r\n\r\n"

    answer = send(port, body(b"0\r\n\r\n" + hidden, *framing, path="/api/v1/auth/refresh"))

    assert statuses(answer) == [status]
    assert b"smuggled-1" not in answer


def test_what_stands_behind_a_body_of_a_plain_length_is_the_next_request(port: int) -> None:
    """The control: the same bytes behind a body that ends where it says are answered in their turn."""
    hidden = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: not-smuggled-1\r\n\r\n"

    answer = send(port, body(b"0\r\n\r\n" + hidden, "Content-Length: 5", path="/api/v1/auth/refresh"))

    assert statuses(answer) == [400, 200]
    assert b"not-smuggled-1" in answer


def test_a_client_that_waits_does_not_hold_the_others_up(port: int) -> None:
    """Half requests and promises of bodies: as many as there are threads."""
    waiting = []
    try:
        for number in range(2):
            peer = socket.create_connection(("127.0.0.1", port), timeout=60)
            peer.sendall(ME if number % 2 else ME[:20])
            waiting.append(peer)

        answer = send(port, ME + b"Connection: close\r\n\r\n", wait=60)

        assert statuses(answer) == [401]
    finally:
        for peer in waiting:
            peer.close()


def test_a_body_that_never_comes_is_given_up(server: WebServer) -> None:
    with server.send(body(b'{"phone"', "Content-Length: 500")) as peer:
        answer = b""
        while b"broke_off" not in answer and (piece := peer.recv(65_536)):
            answer += piece

    assert statuses(answer) == [400]
    assert b'"code":"body_incomplete"' in answer


def test_it_is_up_after_all_that(port: int) -> None:
    answer = send(port, ME + b"Connection: close\r\n\r\n")

    assert statuses(answer) == [401]
    assert b'"request_id":"req_' in answer
