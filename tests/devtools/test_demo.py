"""A demonstration that fails names the step and shows the log that matters; what it kept never stands in its way."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from devtools import demo
from devtools.demo import book_checks
from devtools.demo.client import Api, StepFailed, StepReporter
from devtools.demo.orders import OrderScenario
from devtools.demo.refunds import RefundScenario
from devtools.embedded import Servers
from devtools.environment import Ports
from devtools.processes import ProcessFailed, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack of which nothing runs but a supervisor, with the logs that a run would have left."""
    servers = Servers(parts=[])
    stack = Stack(servers, {"STATIC_ROOT": str(tmp_path / "static")}, Ports(1, 2, 3), logs=tmp_path)
    stack.find_log("web").write_text('{"event": "started", "level": "info"}\n{"event": "late", "level": "info"}\n')
    stack.find_log("relay").write_text("")
    stack.find_log("worker").write_text(
        json.dumps({"event": "handler_run_failed", "level": "warning", "exception": "Traceback\nRuntimeError: no ink"})
        + '\n{"event": "delivery_done", "level": "info"}\nWarm shutdown\n'
    )
    return stack


@pytest.mark.parametrize(
    ("trouble", "where"),
    [
        (StepFailed("refused", where="web"), "web"),
        (requests.ConnectionError("gone"), "web"),
        (ProcessFailed("relay ended by itself"), ""),
        (KeyError("next_action"), None),
    ],
)
def test_whatever_goes_wrong_in_a_step_names_it(trouble: Exception, where: str | None) -> None:
    with pytest.raises(StepFailed) as failed, StepReporter().step("place the order"):
        raise trouble

    assert (failed.value.step, failed.value.where) == ("place the order", where)


def test_step_of_a_worker_shows_the_logs_of_relay_and_worker(stack: Stack) -> None:
    shown = demo._collect_logs(StepFailed("no invoice", where="worker"), stack.servers, stack)

    assert "relay.log:\n(nothing)" in shown
    assert 'worker.log:\n{"event": "handler_run_failed", "level": "warning"}\nTraceback\nRuntimeError: no ink' in shown
    assert "delivery_done" not in shown


def test_a_log_without_errors_is_shown_from_its_end(stack: Stack) -> None:
    assert stack.read_log_errors("web", 1).endswith('web.log:\n{"event": "late", "level": "info"}')


def test_a_process_that_died_is_named_first(stack: Stack) -> None:
    stack.servers.ended["relay"] = 3

    shown = demo._collect_logs(StepFailed("no SMS", where="worker"), stack.servers, stack)

    assert shown.startswith("relay ended unexpectedly (exit code 3). ")
    assert "worker.log" not in shown


# What an earlier demonstration left ------------------------------------------------------------------------------------


def left_behind(data: Path, *, mark: str | None) -> None:
    data.mkdir(parents=True)
    (data / "sandbox.json").write_text('{"format": 1}')
    if mark is not None:
        (data / demo.MARK).write_text(mark)


def test_data_of_the_same_code_that_ended_well_is_kept_and_loses_its_mark(tmp_path: Path) -> None:
    left_behind(tmp_path / "demo", mark="abc 3")

    assert demo.reuse_or_delete_data(tmp_path / "demo", code="abc") == 3
    assert (tmp_path / "demo/sandbox.json").exists()
    # Should this one fail, the next begins afresh.
    assert not (tmp_path / "demo" / demo.MARK).exists()


@pytest.mark.parametrize("mark", [None, "", "older 3", "abc", "abc many", "abc 10"])
def test_data_that_may_stand_in_the_way_is_removed(tmp_path: Path, mark: str | None) -> None:
    left_behind(tmp_path / "demo", mark=mark)

    assert demo.reuse_or_delete_data(tmp_path / "demo", code="abc") == 0
    assert not (tmp_path / "demo").exists()


def test_the_first_demonstration_has_nothing_to_keep(tmp_path: Path) -> None:
    assert demo.reuse_or_delete_data(tmp_path / "demo", code="abc") == 0


def test_data_in_use_is_left_alone(tmp_path: Path) -> None:
    left_behind(tmp_path / "demo", mark=None)
    with (tmp_path / "demo/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert demo.reuse_or_delete_data(tmp_path / "demo", code="abc") == 0
        assert (tmp_path / "demo/sandbox.json").exists()


def test_data_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(tmp_path / "demo", mark=None)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("devtools.demo.shutil.rmtree", refuse)

    with pytest.raises(StepFailed, match="Remove .*demo yourself") as failed:
        demo.reuse_or_delete_data(tmp_path / "demo", code="abc")

    assert (failed.value.step, failed.value.where) == ("remove old data", "")


def test_the_code_has_another_hash_when_a_migration_or_the_sandbox_changes(tmp_path: Path) -> None:
    (tmp_path / "apps/orders/migrations").mkdir(parents=True)
    (tmp_path / "sandbox").mkdir()
    hashes = {demo.hash_code(tmp_path)}

    (tmp_path / "apps/orders/migrations/0001_initial.py").write_text("first")
    hashes.add(demo.hash_code(tmp_path))
    (tmp_path / "sandbox/state.py").write_text("second")
    hashes.add(demo.hash_code(tmp_path))

    assert len(hashes) == 3


# The refund ------------------------------------------------------------------------------------------------------------


class Answers(Api):
    """An API that answers from a table, by the path's beginning."""

    def __init__(self, **by_path: Any) -> None:
        self.by_path = by_path

    def call(self, method: str, path: str, body: Any = None, *, expect: Any = 200, headers: Any = None) -> Any:
        response = requests.Response()
        response.status_code, content = self.by_path[
            path.strip("/").partition("?")[0].replace("/", "_").replace("-", "_")
        ]
        response._content = content if isinstance(content, bytes) else json.dumps(content).encode()
        return response


@pytest.fixture
def after(tmp_path: Path) -> RefundScenario:
    """What follows a sale whose refund and settlement are under way; `customer` and `finance` are still to be given."""
    scenario = RefundScenario(
        OrderScenario("http://127.0.0.1:1", "http://127.0.0.1:2", StepReporter(), documents=tmp_path)
    )
    scenario.refund = {"id": "rfnd_1", "amount": 23_800}
    scenario.settlement = {"id": "stl_1", "amount": 166_793, "fee_amount": 4_607, "tax_amount": 703, "utr": "UTR1"}
    return scenario


LINES = [{"kind": "payment", "amount": 195_200}, {"kind": "refund", "amount": 23_800}]


def test_settlement_is_reported_in_rupees(after: RefundScenario, capsys: pytest.CaptureFixture[str]) -> None:
    after.finance = Answers(settlements_stl_1_lines=(200, {"data": LINES}))

    after._read_settlement()

    told = " ".join(capsys.readouterr().out.split())
    assert "payments ₹1,952.00 refunds -₹238.00 fee -₹39.04 GST on the fee -₹7.03 in transit ₹1,667.93 UTR UTR1" in told
    assert after.utr == "UTR1"


def test_transfer_that_is_not_the_sum_of_its_lines_ends_the_demo(after: RefundScenario) -> None:
    after.finance = Answers(settlements_stl_1_lines=(200, {"data": LINES[:1]}))

    with pytest.raises(StepFailed, match="The amount that was transferred should be 190593, not 166793"):
        after._read_settlement()


def test_open_exception_ends_the_demo(after: RefundScenario) -> None:
    found = [{"reason": "fee_mismatch", "entity_id": "pay_1"}]
    after.finance = Answers(reconciliation_exceptions=(200, {"data": found}))

    with pytest.raises(StepFailed, match="do not agree: fee_mismatch of pay_1"):
        after._check_no_exception()


def test_failed_refund_ends_the_demo_at_once(after: RefundScenario) -> None:
    after.customer = Answers(refunds_rfnd_1=(200, {"status": "failed", "error": {"code": "BAD"}}))

    with pytest.raises(StepFailed, match="The refund is failed") as failed:
        after._wait_until_processed()

    assert (failed.value.step, failed.value.where) == ("Razorpay processes the refund", "worker")


@pytest.mark.parametrize(("status", "content", "given"), [(200, b"%PDF-1.7 ...", b"%PDF-1.7 ..."), (409, b"{}", None)])
def test_a_document_that_is_being_made_is_waited_for(status: int, content: bytes, given: bytes | None) -> None:
    assert Answers(credit_notes_1_pdf=(status, content)).download_pdf("/credit-notes/1/pdf") == given


def test_document_that_is_not_a_pdf_ends_the_demo() -> None:
    with pytest.raises(StepFailed, match="The document is not a PDF"):
        Answers(credit_notes_1_pdf=(200, b"<html>")).download_pdf("/credit-notes/1/pdf")


# The checks of the books --------------------------------------------------------------------------------------------------

WELL = {
    "ledger": {"code": 0, "report": {"accounts": [{"amount": 500}, {"amount": -500}], "sum": 0}},
    "reconcile --against-sandbox": {"code": 0, "report": {"holds": True}},
    "order replay --all": {"code": 0, "report": {"events": 13}},
    "audit": {"code": 0, "report": {"checked": 85, "results": []}},
}


def said(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "") -> None:
    ended = subprocess.CompletedProcess(args=[], returncode=0, stdout=stdout, stderr=stderr)
    monkeypatch.setattr(book_checks.subprocess, "run", lambda *_, **__: ended)


def test_four_checks_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said(monkeypatch, json.dumps(WELL))

    assert book_checks.check_books({}, StepReporter()) == 85

    told = capsys.readouterr().out
    assert "ledger: debits of ₹5.00 and credits of the same amount: the trial balance is zero" in told
    assert "order replay --all: replaying 13 events gives exactly the stored rows" in told
    assert "audit: 85 invariants hold" in told


@pytest.mark.parametrize(
    ("command", "report", "sentence"),
    [
        ("audit", {"results": [{"name": "money_is_there", "holds": False}]}, "audit found a mismatch: money_is_there"),
        ("ledger", {"sum": 7}, 'ledger found a mismatch: {"sum": 7}'),
        ("reconcile --against-sandbox", {"unanswered": 1}, "sandbox found a mismatch"),
    ],
)
def test_failed_check_ends_the_demo(monkeypatch: pytest.MonkeyPatch, command: str, report: Any, sentence: str) -> None:
    said(monkeypatch, json.dumps({**WELL, command: {"code": 1, "report": report}}))

    with pytest.raises(StepFailed, match=sentence):
        book_checks.check_books({}, StepReporter())


def test_check_that_crashes_shows_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said(monkeypatch, "", "CommandError: SANDBOX_URL is not set")

    with pytest.raises(StepFailed, match="The commands failed: CommandError: SANDBOX_URL is not set"):
        book_checks.check_books({}, StepReporter())
