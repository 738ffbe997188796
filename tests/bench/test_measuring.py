"""What a benchmark measures with: the kernel's record of CPU time, a small client, and the table of budgets."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench import cpu
from bench.__main__ import main
from bench.http_load import AnswerIncomplete, Connection, Load, build_request, run_load
from bench.measures import Cost, WorkFailed, require_answered
from bench.table import Row, format_table
from tests.support.canned_server import CannedServer

BURN = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
#: A process whose child burns CPU and ends; it waits for us before it ends itself.
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN.format(seconds=0.3)!r}])
print("burnt", flush=True)
input()
"""


class TestCpu:
    def test_counts_the_time_of_ended_children(self) -> None:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert parent.stdout is not None
            parent.stdout.readline()

            used = cpu.read_cpu({"burner": parent.pid, "us": os.getpid()})
        finally:
            parent.communicate("\n")

        assert 0.3 <= used["burner"] < used["us"]

    def test_lists_a_process_and_its_descendants(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
        try:
            assert (cpu.list_processes(child.pid), child.pid in cpu.list_processes(os.getpid())) == ([child.pid], True)
        finally:
            child.communicate("\n")


@pytest.fixture
def peer(request: pytest.FixtureRequest) -> Iterator[CannedServer]:
    running = CannedServer(list(request.param))
    yield running
    running.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class TestHttpLoad:
    @pytest.mark.parametrize("peer", [[OK, OK]], indirect=True)
    def test_one_connection_carries_several_requests(self, peer: CannedServer) -> None:
        connection = Connection(peer.port)

        answers = [
            connection.send(build_request("GET", "/a")),
            connection.send(build_request("POST", "/b", body=b"{}")),
        ]

        assert [(each.status, each.body) for each in answers] == [(200, b"ok")] * 2
        assert peer.received[1] == (
            b"POST /b HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        )

    @pytest.mark.parametrize("peer", [[OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK]], indirect=True)
    def test_a_closed_connection_is_opened_again(self, peer: CannedServer) -> None:
        connection = Connection(peer.port)

        assert [connection.send(build_request("GET", path)).status for path in ("/a", "/b")] == [200, 200]

    @pytest.mark.parametrize("peer", [[OK[:-1] + b""]], indirect=True)
    def test_an_incomplete_answer_is_an_error(self, peer: CannedServer) -> None:
        with pytest.raises(AnswerIncomplete):
            Connection(peer.port).send(build_request("GET", "/a"))

    @pytest.mark.parametrize("peer", [[OK, OK.replace(b"200 OK", b"409 Conflict")]], indirect=True)
    def test_a_load_ends_with_its_requests_and_keeps_what_was_refused(self, peer: CannedServer) -> None:
        load = run_load(peer.port, iter([build_request("GET", "/a")] * 2), clients=1, seconds=60)

        assert (len(load.seconds), [answer.status for answer in load.refused]) == (2, [409])
        with pytest.raises(WorkFailed, match="1 of 2 requests were refused, the first with 409: b'ok'"):
            require_answered(load)

    def test_a_load_without_an_answer_measures_nothing(self) -> None:
        with pytest.raises(WorkFailed, match="No request was answered"):
            require_answered(Load())

    def test_percentile_is_in_milliseconds(self) -> None:
        load = Load(seconds=[number / 1000 for number in range(1, 101)])

        assert (load.percentile(0.5), load.percentile(0.95), load.percentile(1)) == (51, 96, 100)


class TestTable:
    def test_cost_is_the_median_of_the_sum_of_its_roles(self) -> None:
        cost = Cost(cpu={"web": [1.0, 9.0, 2.0], "postgres": [3.0, 1.0, 1.0]})

        assert (cost.of("web"), cost.of("web", "postgres")) == (2.0, 4.0)

    def test_says_what_holds_and_what_was_missed(self) -> None:
        rows = [
            Row("list-products", 1.5, "ms", 1.7, "app 1.20 + Postgres 0.30"), Row("place-order", 9, "statements", 8),
            Row("journey", 1234.5, "ms"),
        ]  # fmt: skip

        assert format_table(rows).splitlines() == [
            "| work          | measured     | budget          |        | details                  |",
            "|---------------|--------------|-----------------|--------|--------------------------|",
            "| list-products | 1.5 ms       | <= 1.7 ms       | holds  | app 1.20 + Postgres 0.30 |",
            "| place-order   | 9 statements | <= 8 statements | missed |                          |",
            "| journey       | 1,234 ms     |                 |        |                          |",
        ]


class TestCommand:
    def test_work_that_is_not_known_is_refused_with_the_names(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as end:
            main(["place-order", "sleep"])

        assert (end.value.code, "there is no work 'sleep'; choose from empty, list-products" in capsys.readouterr().err) == (
            2, True,
        )  # fmt: skip

    @pytest.mark.parametrize("command", [[], ["compare"], ["users"], ["arrivals"], ["flash-sale"], ["connections"]])
    def test_a_busy_machine_is_refused(
        self, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bench.commands.load_average", lambda: 3.0)

        assert main([*command, "--strict"]) == 1
        assert "The machine is busy (load 3.0)." in capsys.readouterr().err
