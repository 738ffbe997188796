"""Starting owners of embedded servers as processes of their own, so that they can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devtools.embedded import CHECKOUT

#: Seconds after which what has not ended never will, however busy the machine is.
GONE_SECONDS = 120.0

OWNER = """
import json, sys, time
from pathlib import Path
from devtools import embedded

spec = json.loads(sys.argv[1])
servers = embedded.Servers(Path(spec["data_dir"]) if spec["data_dir"] else None, parts=spec["parts"])
try:
    env = servers.start()
except embedded.ServersFailed as failed:
    print(json.dumps({"failed": str(failed)}), flush=True)
    sys.exit(1)
pids = dict(servers.pids)
for name, script in spec["spawn"].items():
    pids[name] = servers.spawn(name, ["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"})
print(json.dumps({"env": env, "pids": {**pids, "supervisor": servers._process.pid}}), flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie: a zombie's parent has yet to collect it, but it has ended."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def wait_until(what: Callable[[], Any], seconds: float = GONE_SECONDS) -> Any:
    """Poll until `what` is true and return it; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (result := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return result


def assert_gone(pids: dict[str, int]) -> None:
    """Assert that all of these end by themselves."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := {name: pid for name, pid in pids.items() if alive(pid)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == {}


@pytest.fixture(name="alive")
def alive_fixture() -> Callable[[int], bool]:
    return alive


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., Any]:
    return wait_until


@pytest.fixture(name="assert_gone")
def assert_gone_fixture() -> Callable[[dict[str, int]], None]:
    return assert_gone


@dataclass
class Owner:
    """A process that owns embedded servers and does nothing."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def env(self) -> dict[str, str]:
        return dict(self.said["env"])

    @property
    def pids(self) -> dict[str, int]:
        return dict(self.said["pids"])

    @property
    def sockets(self) -> Path:
        return Path(self.env["REDIS_URL"].removeprefix("unix://").partition("?")[0]).parent

    def end(self, signum: int) -> None:
        self.process.send_signal(signum)
        self.process.wait(240)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a place for kept data and remove it, also where it had to be put elsewhere."""
    yield tmp_path / "data"
    if (pointer := tmp_path / "data/elsewhere").exists():
        shutil.rmtree(pointer.read_text(), ignore_errors=True)
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


@pytest.fixture
def start_owner(data_dir: Path) -> Iterator[Callable[..., Owner]]:
    started: list[subprocess.Popen[str]] = []

    def start(
        kept: Path | None = None,
        parts: tuple[str, ...] = ("postgres", "valkey"),
        spawn: dict[str, str] | None = None,
    ) -> Owner:
        spec = {"data_dir": str(kept) if kept else None, "parts": parts, "spawn": spawn or {}}
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, json.dumps(spec)],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
            # A shell that runs the tests in the background has them ignore Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - there is no other place for it
        )
        started.append(process)
        assert process.stdout is not None
        return Owner(process, json.loads(process.stdout.readline()))

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait(240)
        if process.stdout is not None:
            process.stdout.close()
