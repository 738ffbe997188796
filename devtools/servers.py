"""
The two embedded servers: how each is prepared, started, found ready and stopped.

Both listen on Unix sockets only. Callers pass `pause`, which sleeps for a moment and raises when the wait must be
given up, so that every wait here ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from devtools import posix
from devtools.data_dirs import DataDirs

DATABASE = "bahi"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
Pause = Callable[[], None]

_ALWAYS = {
    "listen_addresses": "",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_lock_waits": "on",
    "jit": "off",
    "max_wal_size": "1GB",
}
_DURABLE = {"max_connections": "100", "synchronous_commit": "on"}
_THROWN_AWAY = {
    # Race tests open a connection a thread, far more than one machine's processes do.
    "max_connections": "300",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
}


class ServerFailed(RuntimeError):
    """A server did not start; the message holds the end of its log."""


def _tail(log: Path, lines: int = 15) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return "(no log)"


class Server:
    """What PostgreSQL and Valkey have in common."""

    name: str
    death_signal: signal.Signals

    def __init__(self, dirs: DataDirs, program: Path) -> None:
        self.dirs = dirs
        self.program = program
        self.log = dirs.logs / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id while it runs."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    def launch(self, *arguments: str) -> None:
        """Start the server in a session of its own, so that a terminal's Ctrl-C does not reach it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                cwd="/",
                umask=0o077,
                start_new_session=True,
                preexec_fn=posix.exit_with_parent_hook(self.death_signal),
                **posix.build_popen_arguments(self.dirs.account),
            )

    def start(self, pause: Pause) -> None:
        """Prepare what is needed, start the server and wait until it answers."""
        raise NotImplementedError

    def wait_until_ready(self, pause: Pause) -> None:
        """
        Wait until the server answers.

        :raises ServerFailed: if it ends or takes longer than START_SECONDS
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} did not start. The end of {self.log}:\n{_tail(self.log)}")
            pause()

    def is_ready(self) -> bool:
        """Return whether the server answers."""
        raise NotImplementedError

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server: ask it first, then kill it."""
        if self.process is None or self.process.returncode is not None:
            return
        for signum, patience in self.stop_signals(immediate=immediate):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                return

    def stop_signals(self, *, immediate: bool) -> list[tuple[signal.Signals, float]]:
        """Return the signals to stop with and the seconds to wait after each."""
        ask = [] if immediate else [(signal.SIGTERM, STOP_SECONDS)]
        return [*ask, (signal.SIGKILL, STOP_SECONDS)]


class Postgres(Server):
    """PostgreSQL, with one database named after us and no password: access to the socket's directory is enough."""

    name = "postgres"
    death_signal = signal.SIGINT

    @property
    def url(self) -> str:
        """Return the DATABASE_URL."""
        return f"postgres://postgres@{quote(str(self.dirs.sockets), safe='')}/{DATABASE}"

    def start(self, pause: Pause) -> None:
        """Make the cluster if there is none, start it, and make our database if it is missing."""
        data = self.dirs.data
        if data.exists():
            self._stop_orphan(pause)
        else:
            self._make_cluster()
        settings = {
            **_ALWAYS,
            **(_THROWN_AWAY if self.dirs.temporary else _DURABLE),
            "unix_socket_directories": str(self.dirs.sockets),
        }
        self.launch("-D", str(data), *(part for pair in settings.items() for part in ("-c", "=".join(pair))))
        self.wait_until_ready(pause)
        if not (made := data / "bahi-database-made").exists():
            self._run("createdb", "-h", str(self.dirs.sockets), "-U", "postgres", DATABASE, accept="already exists")
            made.touch()

    def is_ready(self) -> bool:
        """Read the status that the postmaster writes into the eighth line of its pid file."""
        with contextlib.suppress(OSError, IndexError):
            lines = (self.dirs.data / "postmaster.pid").read_text().splitlines()
            return self.process is not None and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"
        return False

    def stop_signals(self, *, immediate: bool) -> list[tuple[signal.Signals, float]]:
        """Return the signals to stop at once if the data is temporary, else for a fast shutdown that saves it."""
        at_once = [(signal.SIGQUIT, 5.0), (signal.SIGKILL, STOP_SECONDS)]
        return at_once if immediate or self.dirs.temporary else [(signal.SIGINT, STOP_SECONDS), *at_once]

    def _make_cluster(self) -> None:
        """Create the cluster under another name first, so that an incomplete one is never used."""
        data = self.dirs.data
        draft = data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        self.dirs.give_to_account(draft)
        # The built-in locale sorts and folds the same on every machine.
        self._run(
            "initdb", "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync", "--no-instructions",
            *(["--no-data-checksums"] if self.dirs.temporary else []),
        )  # fmt: skip
        draft.rename(data)

    def _run(self, program: str, *arguments: str, accept: str | None = None) -> None:
        done = subprocess.run(
            [str(self.program.with_name(program)), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=_ENVIRONMENT,
            cwd="/",
            umask=0o077,
            timeout=START_SECONDS,
            preexec_fn=posix.exit_with_parent_hook(signal.SIGKILL),
            check=False,
            **posix.build_popen_arguments(self.dirs.account),
        )
        if done.returncode != 0 and not (accept and accept in done.stderr):
            raise ServerFailed(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _stop_orphan(self, pause: Pause) -> None:
        """
        Clear the way after a supervisor that was killed.

        We hold the lock, so whatever still runs in the data directory has lost its owner. The pid files are removed,
        the socket's too: PostgreSQL takes any later process of the same number and user for a living server.
        """
        data = self.dirs.data
        stop_signals = [(signal.SIGINT, 5.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, STOP_SECONDS)]
        for signum, patience in stop_signals:
            deadline = time.monotonic() + patience
            for pid in posix.list_processes_in(data):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
            while posix.list_processes_in(data) and time.monotonic() < deadline:
                pause()
        for stale in (data / "postmaster.pid", *self.dirs.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


class Valkey(Server):
    """Valkey without persistence: it holds hints, caches and counters, and the truth is in PostgreSQL."""

    name = "valkey"
    death_signal = signal.SIGTERM

    @property
    def address(self) -> Path:
        """Return the socket it listens on."""
        return self.dirs.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """Return the REDIS_URL."""
        return f"unix://{self.address}?db=0"

    def start(self, pause: Pause) -> None:
        """Start it on its socket."""
        self.address.unlink(missing_ok=True)
        self.launch(
            "--port", "0", "--unixsocket", str(self.address), "--unixsocketperm", "700",
            "--dir", str(self.dirs.sockets), "--save", "", "--appendonly", "no",
            "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
            "--loglevel", "notice", "--daemonize", "no",
        )  # fmt: skip
        self.wait_until_ready(pause)

    def is_ready(self) -> bool:
        """Ask it with a PING."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self.address))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False
