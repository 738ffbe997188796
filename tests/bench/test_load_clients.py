"""How the loads send and count: at which instants, over which connections, what is repeated, and what is an error."""

import ast
import asyncio
import resource
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import connections, flash_sale
from bench.arrivals import at_constant_rate
from bench.async_http import AsyncConnection, Pool
from bench.buyers import SHARES
from bench.flash_sale import SOLD, SOLD_OUT, BuyerResult, describe_order, format_results
from bench.http_load import Answer, AnswerIncomplete, build_request
from bench.loads import raise_file_limit
from bench.measures import WorkFailed
from bench.samples import CONFIRM, NO_ANSWER, Sample, format_samples, kind_of
from bench.shop import Customer
from tests.support.canned_server import CannedServer

ROOT = Path(__file__).resolve().parent.parent.parent
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def response(status: bytes, body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body])


CREATED = response(b"201 Created", b'{"id": "ord_1"}')
CUT_OFF = response(b"201 Created", b'{"id": "ord_1"}', b"Connection: close")[:-1]
IN_FLIGHT = response(b"409 Conflict", b'{"error": {"code": "request_in_flight"}}')
INSUFFICIENT = response(b"409 Conflict", b'{"error": {"code": "insufficient_stock"}}')
REQUEST = build_request("GET", "/a")


class StallingServer:
    """A server that answers nobody until this number of requests has come."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._all_came = asyncio.Event()
        self.answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self._left -= 1
        if not self._left:
            self._all_came.set()
        await self._all_came.wait()
        self.answered += 1
        writer.write(OK)
        await writer.drain()
        writer.close()


class TestArrivals:
    def test_a_server_that_stalls_delays_no_arrival(self) -> None:
        count, rate = 40, 400.0
        samples: list[Sample] = []

        async def load() -> None:
            stalling = StallingServer(count)
            server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
            pool = Pool(server.sockets[0].getsockname()[1], limit=count)
            clock = asyncio.get_running_loop().time

            async def arrive(number: int, due: float) -> None:
                sent = clock()
                assert (await pool.send(REQUEST)).body == b"ok"
                samples.append(Sample(str(number), due, sent, clock()))

            # If one waited for the answer to another, the server would wait for ever.
            async with asyncio.timeout(60):
                await at_constant_rate(arrive, count=count, rate=rate)
            server.close()

        asyncio.run(load())

        due = sorted(sample.due for sample in samples)
        last_sent = max(sample.sent for sample in samples)
        assert [round(instant - due[0], 6) for instant in due] == [number / rate for number in range(count)]
        assert all(sample.ended >= last_sent for sample in samples)
        assert all(sample.latency >= last_sent - sample.due for sample in samples)

    def test_control_arrivals_that_wait_for_each_other_never_end(self) -> None:
        async def load() -> int:
            stalling = StallingServer(2)
            server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
            connection = Pool(server.sockets[0].getsockname()[1], limit=1)
            with pytest.raises(TimeoutError):
                await connection.send(REQUEST, timeout=0.2)
            return stalling.answered

        assert asyncio.run(load()) == 0

    def test_a_client_that_is_late_itself_keeps_the_instants(self) -> None:
        found: list[float] = []

        async def arrive(number: int, due: float) -> None:
            found.append(due)
            if number == 0:
                time.sleep(0.05)  # noqa: ASYNC251 - nothing else runs meanwhile

        asyncio.run(at_constant_rate(arrive, count=5, rate=1000))

        assert [round(due - found[0], 6) for due in found] == [0, 0.001, 0.002, 0.003, 0.004]

    def test_latency_counts_from_the_instant_at_which_it_was_due(self) -> None:
        assert Sample("list", due=1.0, sent=3.0, ended=3.5).latency == 2.5


class TestPool:
    def test_a_free_connection_is_used_again(self) -> None:
        server = CannedServer([OK, OK])

        async def load() -> list[bytes]:
            pool = Pool(server.port, limit=1)
            return [(await pool.send(REQUEST)).body for _ in range(2)]

        assert (asyncio.run(load()), server.received) == ([b"ok", b"ok"], [REQUEST, REQUEST])

    def test_what_comes_when_all_are_in_use_is_an_error(self) -> None:
        async def load() -> None:
            stalling = StallingServer(2)
            server = await asyncio.start_server(stalling.serve, "127.0.0.1", 0)
            pool = Pool(server.sockets[0].getsockname()[1], limit=1)
            first = asyncio.create_task(pool.send(REQUEST, timeout=0.2))
            await asyncio.sleep(0)
            with pytest.raises(AnswerIncomplete, match="all 1 connections are in use"):
                await pool.send(REQUEST)
            with pytest.raises(TimeoutError):
                await first

        asyncio.run(load())

    def test_an_incomplete_answer_is_an_error(self) -> None:
        server = CannedServer([OK[:-1]])

        async def load() -> None:
            connection = await AsyncConnection.open(server.port)
            with pytest.raises(AnswerIncomplete, match=f"after {len(OK) - 1} bytes"):
                await connection.send(REQUEST)
            assert connection.closed_at is not None

        asyncio.run(load())


class TestSamples:
    def test_a_row_for_each_work_and_one_for_all_requests(self) -> None:
        samples = [Sample("list", 0.0, 0.0, number / 1000) for number in range(1, 101)]
        samples += [Sample("list", 0.0, 0.0, 9.0, "timed out"), Sample(CONFIRM, 0.0, 0.0, 5.0)]

        assert format_samples(samples).splitlines() == [
            "| work          | requests | p50 ms  | p95 ms  | p99 ms  | max ms  | errors      |",
            "|---------------|----------|---------|---------|---------|---------|-------------|",
            "| confirm order | 1        | 5,000.0 | 5,000.0 | 5,000.0 | 5,000.0 | 0           |",
            "| list          | 101      | 51.0    | 96.0    | 100.0   | 100.0   | 1 timed out |",
            "| all requests  | 101      | 51.0    | 96.0    | 100.0   | 100.0   | 1 timed out |",
        ]

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'{"error": {"code": "gone"}}', "409 gone"),
            (b'{"detail": "no"}', "409"),
            (b"<html>", "409"),
            (b"[]", "409"),
        ],
    )
    def test_the_kind_of_an_error_has_its_code(self, body: bytes, kind: str) -> None:
        assert kind_of(Answer(409, body)) == kind


def test_shares_are_of_a_hundred() -> None:
    assert sum(SHARES.values()) == 100


class TestFlashSaleBuyer:
    @pytest.fixture(autouse=True)
    def _no_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(flash_sale, "_PAUSE_SECONDS", 0.0)

    def _buy(self, server: CannedServer) -> BuyerResult:
        shop: Any = SimpleNamespace(port=server.port, customers=[Customer("token", "addr_1")])

        async def buy() -> BuyerResult:
            due = asyncio.get_running_loop().time()
            return await flash_sale._buy(shop, "var_1", number=7, due=due)

        return asyncio.run(buy())

    def test_sends_the_same_request_until_something_is_decided(self) -> None:
        server = CannedServer([IN_FLIGHT, CUT_OFF, CREATED])

        bought = self._buy(server)

        assert (bought.number, bought.outcome, bought.order, bought.repeats) == (7, SOLD, "ord_1", 2)
        assert [server.received[0]] * 3 == server.received

    def test_a_refusal_that_decides_is_not_repeated(self) -> None:
        bought = self._buy(CannedServer([INSUFFICIENT]))

        assert (bought.outcome, bought.order, bought.repeats) == (SOLD_OUT, "", 0)

    def test_a_server_that_is_gone_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(flash_sale, "_PATIENCE_SECONDS", -1.0)
        server = CannedServer([])
        server.close()

        bought = self._buy(server)

        assert (bought.outcome, bought.order, bought.repeats) == (NO_ANSWER, "", 0)


class TestOrderOfArrival:
    ATTEMPTS = (
        BuyerResult(0, SOLD, 0.1, 0, "ord_1"), BuyerResult(1, SOLD_OUT, 0.3, 0),
        BuyerResult(2, SOLD, 0.2, 1, "ord_2"), BuyerResult(3, SOLD_OUT, 0.5, 0),
    )  # fmt: skip

    def test_says_how_far_the_first_were_served_first(self) -> None:
        assert describe_order(self.ATTEMPTS) == (
            "1 of the first 2 who came got a unit; the last who got one came as number 3"
        )

    def test_says_how_long_each_waited(self) -> None:
        assert format_results(self.ATTEMPTS).splitlines()[:3] == [
            "- sold: 2; waited p50 200, p95 200, p99 200, max 200 ms",
            "- 409 insufficient_stock: 2; waited p50 500, p95 500, p99 500, max 500 ms",
            "- 1 buyers had to send their request again",
        ]


class HastyServer(socketserver.ThreadingTCPServer):
    """A server that answers one request on a connection and then closes it, without having said so."""

    daemon_threads = True
    request_queue_size = 128

    class RequestHandlerClass(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(OK)
            time.sleep(0.2)


@pytest.fixture
def hasty_port() -> Iterator[int]:
    server = HastyServer(("127.0.0.1", 0), HastyServer.RequestHandlerClass)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class TestConnections:
    def test_what_the_server_closes_early_is_counted(self, hasty_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "_read_memory", lambda pid: 0)
        shop: Any = SimpleNamespace(port=hasty_port, pids={"web": 0})

        held = connections.hold_connections(shop, count=5, seconds=1)

        assert (held.opened, held.early, held.late, held.asked) == (5, 5, 0, 0)

    def test_the_allowed_idle_time_is_that_of_the_web_process(self) -> None:
        tree = ast.parse((ROOT / "config" / "gunicorn.py").read_text())
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "keepalive"
        }

        assert values == {"keepalive": connections.KEEPALIVE_SECONDS}

    def test_more_files_than_a_process_may_open_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (50, 100))
        wanted: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: wanted.append(limits))

        with pytest.raises(WorkFailed, match="may open 100 files here, and 101 are needed"):
            raise_file_limit(101)

        assert (raise_file_limit(100), wanted) == (100, [(100, 100)] * 2)
