"""A demonstration that fails names the step and shows the log that matters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from devtools import demo
from devtools.demo.client import Narrator, StepFailed
from devtools.embedded import Servers
from devtools.environment import Ports
from devtools.processes import ProcessFailed, Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """A stack of which nothing runs but a supervisor, with the logs that a run would have left."""
    servers = Servers(parts=[])
    stack = Stack(servers, {"STATIC_ROOT": str(tmp_path / "static")}, Ports(1, 2, 3), logs=tmp_path)
    stack.log_of("web").write_text('{"event": "started", "level": "info"}\n{"event": "late", "level": "info"}\n')
    stack.log_of("relay").write_text("")
    stack.log_of("worker").write_text(
        json.dumps({"event": "delivery_failed", "level": "warning", "exception": "Traceback\nRuntimeError: no ink"})
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
    with pytest.raises(StepFailed) as failed, Narrator().step("place the order"):
        raise trouble

    assert (failed.value.step, failed.value.where) == ("place the order", where)


def test_what_a_worker_left_undone_is_looked_for_in_relay_and_worker(stack: Stack) -> None:
    shown = demo._logs_that_matter(StepFailed("no invoice", where="worker"), stack.servers, stack)

    assert "relay.log:\n(nothing)" in shown
    assert 'worker.log:\n{"event": "delivery_failed", "level": "warning"}\nTraceback\nRuntimeError: no ink' in shown
    assert "delivery_done" not in shown


def test_a_log_without_errors_is_shown_from_its_end(stack: Stack) -> None:
    assert stack.complaints("web", 1).endswith('web.log:\n{"event": "late", "level": "info"}')


def test_a_process_that_died_is_named_first(stack: Stack) -> None:
    stack.servers.ended["relay"] = 3

    shown = demo._logs_that_matter(StepFailed("no SMS", where="worker"), stack.servers, stack)

    assert shown.startswith("relay ended by itself (exit code 3). ")
    assert "worker.log" not in shown
