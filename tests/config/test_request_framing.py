"""The scan that decides when a request has arrived."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.api.parser import MAX_BODY_BYTES as MAX_OF_THE_APPLICATION
from config.web.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, Arrival, IncomingRequest

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def arrival_of(raw: bytes) -> Arrival:
    return IncomingRequest().take(raw)


def post(*fields: str, body: bytes = b"") -> bytes:
    return POST + "".join(f"{field}\r\n" for field in fields).encode("latin-1") + b"\r\n" + body


class TestTake:
    @pytest.mark.parametrize(
        ("raw", "arrival"),
        [
            (b"", Arrival.PARTIAL),
            (b"\r\n", Arrival.PARTIAL),
            (GET[:-1], Arrival.PARTIAL),
            (GET, Arrival.WHOLE),
            (b"\r\n" + GET, Arrival.WHOLE),
            (GET + GET, Arrival.WHOLE),
            (b"GET / HTTP/1.1\r\n\r\n", Arrival.WHOLE),
            (post("Content-Length: 0"), Arrival.WHOLE),
            (post("Content-Length: 2", body=b"{"), Arrival.PARTIAL),
            (post("Content-Length: 2", body=b"{}"), Arrival.WHOLE),
            (post("content-length:\t2 \t", body=b"{}"), Arrival.WHOLE),
            (post("CONTENT-LENGTH: 0002", body=b"{"), Arrival.PARTIAL),
            (post("X-Content-Length: 9"), Arrival.WHOLE),
            (post("X: Content-Length: 9"), Arrival.WHOLE),
            (post(f"Content-Length: {MAX_BODY_BYTES}"), Arrival.PARTIAL),
            (post(f"Content-Length: {MAX_BODY_BYTES + 1}"), Arrival.BODY_REFUSED),
            (post("Content-Length: " + "9" * 5_000), Arrival.BODY_REFUSED),
            (post("Transfer-Encoding: chunked"), Arrival.BODY_REFUSED),
            (post("transfer-encoding:identity"), Arrival.BODY_REFUSED),
            (post("Content-Length: 2", "Transfer-Encoding: chunked"), Arrival.BODY_REFUSED),
            (post("Transfer-Encoding: chunked", "Content-Length: 2"), Arrival.BODY_REFUSED),
            # What the parser refuses: it gets that at once, since no body may ever come.
            (post("Content-Length: 2", "Content-Length: 2"), Arrival.WHOLE),
            (post("Content-Length: 2", "Content-Length: 5"), Arrival.WHOLE),
            (post("Content-Length: 2, 2"), Arrival.WHOLE),
            (post("Content-Length: +2"), Arrival.WHOLE),
            (post("Content-Length: -1"), Arrival.WHOLE),
            (post("Content-Length: 0x2"), Arrival.WHOLE),
            (post("Content-Length: \xb2"), Arrival.WHOLE),
            (post("Content-Length: 2\x00"), Arrival.WHOLE),
            (post("Content-Length:"), Arrival.WHOLE),
            (post("Content-Length : 2"), Arrival.WHOLE),
            (post("X: a", " Content-Length: 2"), Arrival.WHOLE),
            (post("Content-Length: 2", "Expect: a-miracle"), Arrival.WHOLE),
            (b"GET / HTTP/1.1\nHost: a\n\n", Arrival.WHOLE),
            (b"GET / HTTP/1.1\r\nHost: a\n", Arrival.WHOLE),
            (b"\n", Arrival.WHOLE),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES - 20), Arrival.PARTIAL),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, Arrival.HEAD_TOO_LARGE),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n", Arrival.HEAD_TOO_LARGE),
        ],
    )
    def test_how_much_has_arrived(self, raw: bytes, arrival: Arrival) -> None:
        assert arrival_of(raw) is arrival

    @settings(max_examples=200, deadline=None)
    @given(
        raw=st.sampled_from(
            [
                GET,
                post("Content-Length: 5", body=b'{"a":'),
                post("Content-Length: 9", body=b"\n\r\n\r\n\n\n\r\n"),
                post("X: a\n", body=b""),
                post("Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
                b"GET / HTTP/1.1\nHost: a\n\n",
                b"\r\n" + GET,
            ]
        ),
        cuts=st.lists(st.integers(0, 80), max_size=12),
    )
    def test_however_it_is_cut_it_ends_the_same(self, raw: bytes, cuts: list[int]) -> None:
        request = IncomingRequest()
        ends = sorted({min(cut, len(raw)) for cut in cuts} | {len(raw)})

        for start, end in zip([0, *ends], ends, strict=False):
            request.take(raw[start:end])

        assert request.arrival is arrival_of(raw)
        assert request.received == raw

    def test_a_body_with_a_bare_line_feed_is_no_fault_of_the_head(self) -> None:
        request = IncomingRequest()
        request.take(post("Content-Length: 4"))

        assert request.take(b"\n\n") is Arrival.PARTIAL
        assert request.lacks_body
        assert request.take(b"\n\n") is Arrival.WHOLE
        assert not request.lacks_body

    def test_the_limit_of_a_body_is_the_applications(self) -> None:
        assert MAX_BODY_BYTES == MAX_OF_THE_APPLICATION


class TestStartNext:
    def test_what_is_left_over_is_judged_as_the_next_request(self) -> None:
        request = IncomingRequest()
        request.take(GET + GET + b"GET")

        request.start_next(GET + b"GET")
        assert request.arrival is Arrival.WHOLE
        request.start_next(b"GET")
        assert request.arrival is Arrival.PARTIAL
        request.start_next(b"")
        assert (request.arrival, request.received) == (Arrival.PARTIAL, b"")


class TestMustContinue:
    @pytest.mark.parametrize(
        ("raw", "waits"),
        [
            (post("Content-Length: 2", "Expect: 100-continue"), True),
            (post("Expect: 100-Continue", "Content-Length: 2"), True),
            (b"\r\n" + post("Content-Length: 2", "Expect: 100-continue"), True),
            (post("Content-Length: 2", "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"), False),
            (post("Content-Length: 2", "Expect: 100-continue", body=b"{}"), False),
            (post("Expect: 100-continue"), False),
            (post("Transfer-Encoding: chunked", "Expect: 100-continue"), False),
            (post("Content-Length: 5000000", "Expect: 100-continue"), False),
            (post("Content-Length: 2"), False),
        ],
    )
    def test_a_client_gets_one_100_continue_for_a_wanted_body(self, raw: bytes, waits: bool) -> None:
        request = IncomingRequest()
        request.take(raw)

        assert [request.must_continue(), request.must_continue()] == [waits, False]
