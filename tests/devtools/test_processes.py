"""The stack starts, shows its lines, and leaves nothing behind. Real processes, real time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apps.notifications.gateways.msg91 import template_id
from apps.notifications.rules import MESSAGE_TEMPLATES
from apps.notifications.states import Channel
from devtools import posix, processes
from devtools.embedded import CHECKOUT
from devtools.processes import read_sms_texts

pytestmark = pytest.mark.timeout(600)

WEB = """
import http.server, os, signal, subprocess, sys
subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; exec sleep 300"], start_new_session=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
"""

RUNNER = """
import json, os, sys
from pathlib import Path
from devtools import environment, run
from devtools.embedded import Servers
from devtools.processes import ProcessFailed, Stack

place = Path(sys.argv[1])
run.stop_on_signals()
servers = Servers(parts=[], show=True)
servers.start()
ports = environment.Ports.choose()
env = environment.build_environment({}, ports, data_dir=place)
stack = Stack(servers, env, ports, logs=place / "logs", procfile=place / "Procfile")
try:
    stack.start()
    print(json.dumps({"supervisor": servers._process.pid, "web": stack.web_url}), flush=True)
    stack.wait()
except ProcessFailed as failed:
    print("FAILED", failed, flush=True)
    sys.exit(1)
except KeyboardInterrupt:
    print("INTERRUPTED", flush=True)
finally:
    servers.stop()
"""


class Runner:
    """A running stack of a stand-in Procfile."""

    def __init__(self, place: Path, procfile: str) -> None:
        (place / "web.py").write_text(WEB)
        (place / "Procfile").write_text(procfile.format(web=f"python {place}/web.py"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(place)],
            cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.lines: list[str] = []

    def wait_until_ready(self) -> dict[str, int]:
        """Read to the line that says so; return everything below the supervisor, by name and number."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("{"):
                supervisor = json.loads(line)["supervisor"]
                return {"supervisor": supervisor} | {str(pid): pid for pid in posix.list_descendants(supervisor)}
        raise AssertionError("".join(self.lines))

    def rest(self) -> str:
        output, _ = self.process.communicate(timeout=240)
        return output


@pytest.fixture
def start_runner(tmp_path: Path) -> Any:
    started = []

    def start(procfile: str) -> Runner:
        started.append(Runner(tmp_path, procfile))
        return started[-1]

    yield start
    for runner in started:
        if runner.process.poll() is None:
            runner.process.kill()
            runner.process.communicate(timeout=240)
        runner.process.stdout.close()


def test_the_release_line_is_no_process_and_the_others_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("release: one\nweb: two --flag\n# note\nworker: three\n")

    assert processes.read_procfile(tmp_path / "Procfile") == {"web": "two --flag", "worker": "three"}


def test_procfile_works_in_a_path_with_a_space() -> None:
    for command in processes.read_procfile().values():
        assert re.findall(r'(?<!")\$\{', command) == [], command


def test_our_procfile_names_the_four_processes() -> None:
    assert list(processes.read_procfile()) == ["web", "worker", "relay", "beat"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_the_runner_not_even_what_escaped_its_session(
    start_runner: Any, assert_gone: Any, signum: Any
) -> None:
    runner = start_runner("web: {web}\nworker: sleep 300\n")
    below = runner.wait_until_ready()
    assert len(below) >= 5  # supervisor, sandbox, web, its escaped child, worker

    runner.process.send_signal(signum)
    runner.process.wait(240)

    assert_gone(below)


def test_a_killed_supervisor_takes_the_processes_along(start_runner: Any, wait_until: Any, alive: Any) -> None:
    runner = start_runner("web: {web}\nworker: sleep 300\n")
    below = runner.wait_until_ready()

    os.kill(below["supervisor"], signal.SIGKILL)
    output = runner.rest()

    assert runner.process.returncode == 1
    assert "supervisor" in output
    left = wait_until(lambda: [pid for pid in below.values() if alive(pid)] or "none", 5)
    for pid in left if left != "none" else []:
        os.kill(pid, signal.SIGKILL)


def test_process_that_exits_is_named_with_its_last_lines_and_stops_the_rest(
    start_runner: Any, assert_gone: Any, tmp_path: Path
) -> None:
    told = tmp_path / "told to end"
    wait = f'until test -e "{told}"; do sleep 0.1; done'
    runner = start_runner(f"web: {{web}}\nworker: sh -c '{wait}; echo out of paper; exit 3'\n")
    below = runner.wait_until_ready()
    told.touch()

    output = runner.rest()

    assert runner.process.returncode == 1
    assert "worker ended unexpectedly (exit code 3)" in output
    assert "out of paper" in output
    assert_gone(below)


def test_lines_carry_the_name_of_their_process_and_the_log_is_verbatim(
    start_runner: Any, wait_until: Any, tmp_path: Path
) -> None:
    runner = start_runner("web: {web}\nworker: sh -c 'printf \"half\"; sleep 300'\n")
    runner.wait_until_ready()
    wait_until(lambda: (tmp_path / "logs/worker.log").read_text() == "half")
    runner.process.send_signal(signal.SIGINT)
    output = "".join(runner.lines) + runner.rest()

    assert any("web" in line and line.endswith("| listening\n") for line in output.splitlines(keepends=True))
    assert any("worker" in line and line.endswith("| half") for line in output.splitlines())
    assert (tmp_path / "logs/web.log").read_text() == "listening\n"
    assert (tmp_path / "logs/worker.log").read_text() == "half"
    assert "INTERRUPTED" in output


def test_the_sandbox_gets_the_text_of_each_sms_under_the_id_that_bahi_sends() -> None:
    texts = read_sms_texts()

    sent = {template_id(each.sms_template_name) for each in MESSAGE_TEMPLATES.values() if Channel.SMS in each.channels}
    assert set(texts) == sent
    assert "bahi_order_confirmed_v2" in texts
    assert "##NUMBER##" in texts["bahi_order_confirmed_v2"]
