"""A run of history: its journal, its proxy, the client that journals, and the faults that it can plant."""

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests

from devtools.history import main, mutants, waits
from devtools.history.checker import check, read_history
from devtools.history.client import Counter, JournallingClient
from devtools.history.facts import keep_facts
from devtools.history.journal import Journal, read_lines
from devtools.history.proxy import CutRates, CuttingProxy
from devtools.history.report import format_page, format_report
from tests.support.journals import JournalBuilder, a_placed_order


class TestJournal:
    def test_lines_are_read_as_they_were_written(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal.jsonl")
        journal.write("intent", op="op-1", kind="place_order")
        journal.write("outcome", op="op-1", status=None)

        lines = list(read_lines(journal.path))
        assert [(line["n"], line["type"], line["op"]) for line in lines] == [
            (1, "intent", "op-1"),
            (2, "outcome", "op-1"),
        ]
        journal.close()

    def test_a_line_that_a_crash_has_cut_short_is_left_out(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal.jsonl")
        journal.write("fault", name="kill_web")
        journal.close()
        with journal.path.open("a") as file:
            file.write('{"n": 2, "type": "int')

        assert [line["n"] for line in read_lines(journal.path)] == [1]

    def test_many_rows_are_several_lines(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "journal.jsonl")
        journal.write_rows("final", "orders", ({"id": number} for number in range(450)))
        journal.write_rows("final", "refunds", [])
        journal.close()

        lines = list(read_lines(journal.path))
        assert [(line["section"], len(line["rows"])) for line in lines] == [
            ("orders", 200), ("orders", 200), ("orders", 50), ("refunds", 0),
        ]  # fmt: skip


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(self.headers.get("Idempotency-Key") or "")
        body = json.dumps({"id": "ord_1", "object": "order", "secret": "x"}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def received() -> list[str]:
    return []


@pytest.fixture
def proxy(received: list[str]) -> Iterator[CuttingProxy]:
    """Yield a proxy in front of a server that notes the keys of what it receives."""
    handler = type("Answering", (_Answering,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = CuttingProxy(server.server_address[1], seed=1)
    yield proxy
    proxy.close()
    server.shutdown()
    server.server_close()


def _post(proxy: CuttingProxy, key: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            f"http://127.0.0.1:{proxy.port}/orders", json={}, headers={"Idempotency-Key": key}, timeout=30
        )


class TestCuttingProxy:
    def test_what_is_not_cut_arrives_and_is_answered(self, proxy: CuttingProxy, received: list[str]) -> None:
        assert _post(proxy, "key-1").status_code == 201
        assert received == ["key-1"]
        assert proxy.cuts == {}

    def test_a_request_that_is_cut_before_does_not_arrive(self, proxy: CuttingProxy, received: list[str]) -> None:
        proxy.rates = CutRates(before=100)

        with pytest.raises(requests.ConnectionError):
            _post(proxy, "key-1")
        assert received == []
        assert proxy.cuts["before"] == 1

    def test_a_request_that_is_cut_after_arrives_without_an_answer(
        self, proxy: CuttingProxy, received: list[str]
    ) -> None:
        proxy.rates = CutRates(after=100)

        with pytest.raises(requests.ConnectionError):
            _post(proxy, "key-1")
        assert received == ["key-1"]
        assert proxy.cuts["after"] >= 1

    def test_nobody_behind_it_is_a_closed_connection(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        proxy = CuttingProxy(port, seed=1)

        with pytest.raises(requests.ConnectionError):
            _post(proxy, "key-1")
        proxy.close()


@pytest.fixture
def client(proxy: CuttingProxy, tmp_path: Path) -> JournallingClient:
    return JournallingClient(
        "asha", f"http://127.0.0.1:{proxy.port}", "token", journal=Journal(tmp_path / "journal.jsonl"),
        chance=random.Random(3), counter=Counter(None),
    )  # fmt: skip


class TestJournallingClient:
    def test_intent_and_outcome_are_journalled(self, client: JournallingClient, tmp_path: Path) -> None:
        answer = client.write("place_order", "/orders", {"lines": []}, name_field="note")

        intent, outcome = read_lines(tmp_path / "journal.jsonl")
        assert answer["secret"] == "x"
        assert (intent["type"], intent["kind"], intent["body"]) == (
            "intent",
            "place_order",
            {"lines": [], "note": intent["op"]},
        )
        assert (outcome["type"], outcome["op"], outcome["status"]) == ("outcome", intent["op"], 201)
        assert outcome["body"] == {"id": "ord_1", "object": "order"}

    def test_what_has_no_answer_is_sent_again_under_the_same_key(
        self, client: JournallingClient, proxy: CuttingProxy, received: list[str], tmp_path: Path
    ) -> None:
        proxy.rates = CutRates(after=50)
        for _ in range(10):
            client.write("place_order", "/orders", {})

        history = read_history(read_lines(tmp_path / "journal.jsonl"))
        keys = {operation.key for operation in history.operations.values()}
        assert len(history.operations) == len(keys) == 10
        assert len(received) == sum(len(operation.attempts) for operation in history.operations.values()) > 10
        assert set(received) == keys

    def test_what_was_given_up_is_resolved_at_the_end(
        self, client: JournallingClient, proxy: CuttingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("devtools.history.client._GIVES_UP_PERCENT", 100)
        proxy.rates = CutRates(before=100)
        assert client.write("place_order", "/orders", {}) is None
        (operation,) = read_history(read_lines(tmp_path / "journal.jsonl")).operations.values()
        assert operation.is_unknown

        proxy.rates = CutRates()
        client.resolve(100)

        (operation,) = read_history(read_lines(tmp_path / "journal.jsonl")).operations.values()
        assert operation.is_accepted
        assert len(operation.attempts) == 2

    def test_a_decided_operation_is_replayed_under_its_key(
        self, client: JournallingClient, received: list[str]
    ) -> None:
        client.write("place_order", "/orders", {})
        client.replay()

        assert len(received) == 2
        assert len(set(received)) == 1


class TestKeepFacts:
    def test_a_list_keeps_the_facts_of_each(self) -> None:
        body = {
            "object": "list",
            "has_more": False,
            "data": [{"id": "pay_1", "object": "payment", "status": "expired", "x": 1}],
        }

        assert keep_facts(body) == {
            "object": "list",
            "data": [{"id": "pay_1", "object": "payment", "status": "expired"}],
        }

    def test_a_refund_without_an_error_is_a_refund(self) -> None:
        body = {"id": "rfnd_1", "object": "refund", "status": "processed", "error": None, "x": 1}

        assert keep_facts(body) == {"id": "rfnd_1", "object": "refund", "status": "processed"}

    def test_an_error_is_kept_whole(self) -> None:
        body = {"error": {"code": "not_found", "message": "There is none."}}

        assert keep_facts(body) == body


class TestProduct:
    """What a run patches of the product is there."""

    @pytest.mark.parametrize("target", waits.SHORTENED)
    def test_a_wait_that_is_shortened_exists(self, target: tuple[str, str]) -> None:
        module, name = target

        assert type(getattr(import_module(module), name)) is type(waits.SHORTENED[target])

    @pytest.mark.parametrize("name", mutants.MUTANTS)
    def test_what_a_mutant_replaces_exists(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        replaced = []

        def note(module: str, attribute: str, make: Callable[[Any], Any]) -> None:
            target: Any = import_module(module)
            for part in attribute.split("."):
                target = getattr(target, part)
            made = make(target)
            assert made != target
            assert type(made) is type(target) or callable(made)
            replaced.append(attribute)

        monkeypatch.setattr(mutants, "_wrap", note)
        mutants.plant(name)

        assert replaced


class TestReport:
    def test_a_run_without_findings(self) -> None:
        journal = JournalBuilder()
        a_placed_order(journal)
        journal.fault("kill_web")
        journal.lines.append({"type": "cuts", "requests": {"before": 2, "after": 3}})

        text = format_report(journal.history(), [])

        assert "1 faults were injected: kill_web 1" in text
        assert "2 requests were cut before they arrived, and 3 answers were lost." in text
        assert text.endswith(
            "No order, no unit and no rupee was lost or doubled, and every invariant of the audit holds."
        )

    def test_findings_are_counted_by_kind(self) -> None:
        journal = JournalBuilder()
        a_placed_order(journal)
        journal.final["orders"].clear()
        history = journal.history()

        text = format_report(history, check(history))

        assert "FOUND: 2 anomalies." in text
        assert "- order_lost (orders): 1" in text

    def test_its_page_says_what_is_not_covered(self) -> None:
        page = format_page("Nothing was found.")

        assert page.startswith("# The history checker\n")
        assert "```text\nNothing was found.\n```\n" in page
        assert "Not covered: parcels" in page


class TestCommand:
    def _write(self, journal: JournalBuilder, path: Path) -> None:
        written = Journal(path)
        for line in journal.lines:
            written.write(
                line["type"], **{name: value for name, value in line.items() if name not in ("n", "at", "type")}
            )
        written.write_rows("initial", "variants", journal.initial)
        for name, rows in journal.final.items():
            written.write_rows("final", name, rows)
        written.write("audit", violated=journal.violated)
        written.close()

    def test_a_journal_without_findings_exits_with_0(self, tmp_path: Path) -> None:
        journal = JournalBuilder()
        a_placed_order(journal)
        self._write(journal, tmp_path / "journal.jsonl")

        assert main.main(["--check", str(tmp_path / "journal.jsonl")]) == 0

    def test_a_journal_with_a_finding_exits_with_1(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        journal = JournalBuilder()
        a_placed_order(journal)
        journal.final["orders"].clear()
        self._write(journal, tmp_path / "journal.jsonl")

        assert main.main(["--check", str(tmp_path / "journal.jsonl")]) == 1
        assert "order_lost" in capsys.readouterr().out

    def test_a_journal_that_ends_too_early_exits_with_2(self, tmp_path: Path) -> None:
        Journal(tmp_path / "journal.jsonl").close()

        assert main.main(["--check", str(tmp_path / "journal.jsonl")]) == 2
