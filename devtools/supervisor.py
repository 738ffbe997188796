"""
The one process that owns the embedded servers and every process started with them.

It is started by `devtools.embedded` and obeys its owner over a socket, a JSON object a line. When the owner ends,
however it ends, everything below ends: the closed socket and a pidfd report that the owner has ended, orphans are
adopted and found by walking the process tree, and each child has asked the kernel for a signal if this process is
killed.
Only the standard library is used and `site` is not loaded, so that it starts in about 50 ms.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devtools import data_dirs, posix
from devtools.child_processes import Child, Console
from devtools.servers import Postgres, Server, ServerFailed, Valkey

GRACE_SECONDS = 10.0
_GRACE_WITHOUT_OWNER_SECONDS = 3.0
_FINAL_GRACE_SECONDS = 3.0


class OwnerExited(Exception):
    """The owner ended or asked us to stop while we waited for something else."""


class Supervisor:
    """Starts what its owner requests, and ends all of it on request or when the owner ends."""

    def __init__(self, *, owner: int, control: socket.socket, colour: bool) -> None:
        self.owner = owner
        self.control = control
        self.console = Console(colour=colour)
        self.servers: dict[str, Server] = {}
        self.children: dict[int, Child] = {}
        self.dirs: data_dirs.DataDirs | None = None
        self.detached = False
        self.stopping = False
        self.immediate = False
        self.insisted = False
        self._buffer = b""
        self._pidfd = posix.open_pidfd(owner)
        self._selector = selectors.DefaultSelector()
        self._woken, wake = os.pipe()
        for descriptor in (self._woken, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._kill_remaining())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_wakeups)
        self._selector.register(control, selectors.EVENT_READ, self._read_control)
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._owner_ended)

    # --- what the owner may ask ---------------------------------------------------------------------------------------

    def start_servers(self, *, data_dir: str | None, parts: list[str], postgres: str, valkey: str) -> dict[str, Any]:
        """Take a directory and start the wanted servers, both at once."""
        self.dirs = data_dirs.acquire(Path(data_dir) if data_dir else None)
        self.dirs.write_state("starting")
        installation, binary = data_dirs.find_reachable_binaries(Path(postgres), Path(valkey), self.dirs.account)
        env = {}
        if "valkey" in parts:
            self.servers["valkey"] = server = Valkey(self.dirs, binary)
            server.start(self.pause)
            env["REDIS_URL"] = server.url
        if "postgres" in parts:
            self.servers["postgres"] = cluster = Postgres(self.dirs, installation / "bin/postgres")
            cluster.start(self.pause)
            env["DATABASE_URL"] = cluster.url
        self._write_connection_file(self.dirs, env)
        return {"env": env, "pids": {name: server.pid for name, server in self.servers.items()}}

    def restart_server(self, *, name: str) -> dict[str, Any]:
        """Start a server again after it was stopped or killed, with the data it had."""
        server = self.servers[name]
        server.stop()
        server.start(self.pause)
        return {"pid": server.pid}

    def stop_server(self, *, name: str) -> dict[str, Any]:
        """Stop one server and leave the rest running."""
        self.servers[name].stop()
        return {}

    def spawn(
        self, *, name: str, argv: list[str], env: dict[str, str], cwd: str, log: str | None, show: bool
    ) -> dict[str, Any]:
        """Start a process whose output goes to the console, prefixed, and to its log."""
        child = Child.start(name, argv, env=env, cwd=cwd, log=log, console=self.console if show else None)
        self.children[child.pid] = child
        self._selector.register(child.output, selectors.EVENT_READ, lambda: self._read_output(child))
        return {"pid": child.pid}

    def detach(self) -> dict[str, Any]:
        """Run until the owner's process ends, which is about to become another program and to close the socket."""
        self.detached = True
        return {}

    def stop(self, *, immediate: bool = False) -> None:
        """Begin to stop; with `immediate`, also in a later request, the remaining children are killed at once."""
        self.immediate = self.immediate or immediate
        self._end()

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve the owner until the end."""
        try:
            while not self.stopping:
                self._poll_once(0.25)
            if self.detached:
                self._wait_for_clients()
        except OwnerExited:
            pass
        finally:
            self._leave()

    def pause(self) -> None:
        """
        Sleep a moment inside a wait for a server.

        :raises OwnerExited: if there is nobody left to wait for
        """
        self._poll_once(0.01)
        if self.stopping:
            raise OwnerExited

    def _poll_once(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            key.data()
        self._reap()
        if os.getppid() != self.owner:
            self._end()

    def _end(self) -> None:
        self.stopping = True

    def _kill_remaining(self) -> None:
        self.insisted = True
        self._end()

    def _owner_ended(self) -> None:
        if self._pidfd is not None:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        self._end()

    def _drain_wakeups(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)

    def _read_control(self) -> None:
        try:
            received = self.control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._selector.unregister(self.control)
            if not self.detached:
                self._end()
            return
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        for line in lines:
            self._handle_request(json.loads(line))

    def _handle_request(self, request: dict[str, Any]) -> None:
        verbs: dict[str, Callable[..., dict[str, Any] | None]] = {
            "start_servers": self.start_servers, "restart_server": self.restart_server, "stop_server": self.stop_server,
            "spawn": self.spawn, "detach": self.detach, "stop": self.stop,
        }  # fmt: skip
        try:
            answer = verbs[request.pop("verb")](**request)
        except OwnerExited:
            raise
        except (ServerFailed, data_dirs.DataDirUnusable, OSError) as refusal:
            self.notify_owner({"error": str(refusal)})
        except Exception:  # noqa: BLE001 - the owner gets the traceback, and the servers go on
            self.notify_owner({"error": f"the supervisor failed:\n{traceback.format_exc()}"})
        else:
            if answer is not None:
                self.notify_owner({"answer": answer})

    def notify_owner(self, message: dict[str, Any]) -> None:
        """Send the owner a message, if there still is one."""
        with contextlib.suppress(OSError):
            self.control.settimeout(2.0)
            self.control.sendall(json.dumps(message).encode() + b"\n")

    def _read_output(self, child: Child) -> None:
        if not child.read():
            self._selector.unregister(child.output)
            child.output.close()

    def _reap(self) -> None:
        """Collect the ended: servers, processes and adopted orphans alike."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if child := self.children.pop(pid, None):
                child.ended(code)
                self.notify_owner({"event": "exited", "name": child.name, "code": code})
            for server in self.servers.values():
                if server.process is not None and server.process.pid == pid:
                    server.process.returncode = code
                    self.notify_owner({"event": "exited", "name": server.name, "code": code})

    def _write_connection_file(self, dirs: data_dirs.DataDirs, env: dict[str, str]) -> None:
        descriptor = os.open(dirs.connection_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as connection_file:
            json.dump({"pid": os.getpid(), "env": env}, connection_file)
        dirs.write_state("running")

    # --- the end ------------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self.stopping = True
        if self.dirs is not None:
            with contextlib.suppress(OSError):
                self.dirs.write_state("stopping")
        self._terminate_children()
        self._kill_descendants()
        for server in self.servers.values():
            server.stop(immediate=self.immediate)
        self._kill_descendants()
        if self.dirs is not None:
            self.dirs.release()
        self.notify_owner({"event": "stopped"})

    def _wait_for_clients(self) -> None:
        """
        Stay for other commands of this checkout that found our servers running and use them.

        The lock is kept to the end: who comes now waits for it, then finds nobody, and starts servers of its own.
        """
        if self.dirs is None or self.dirs.temporary:
            return
        self._clients = self.dirs.clients_lock.open("a")
        while not self.insisted:
            try:
                fcntl.flock(self._clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._poll_once(0.1)
            else:
                return

    def _descendants(self) -> list[int]:
        servers = [server.pid for server in self.servers.values() if server.pid]
        return posix.list_descendants(os.getpid(), without=servers)

    def _terminate_children(self) -> None:
        """Ask the started processes to stop and wait until they end; each of them stops its own children."""
        began = time.monotonic()
        for pid in [*self.children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while self.children and not self.immediate:
            # Checked each time, because the owner's socket closes a moment before its process is seen to end.
            patience = GRACE_SECONDS if os.getppid() == self.owner else _GRACE_WITHOUT_OWNER_SECONDS
            if time.monotonic() - began > patience:
                break
            self._poll_once(0.02)

    def _kill_descendants(self) -> None:
        """Kill the remaining descendants, including those that killed processes leave behind, until none is left."""
        deadline = time.monotonic() + _FINAL_GRACE_SECONDS
        while (pids := self._descendants()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._poll_once(0.02)


def main() -> None:
    """Serve the owner whose process id and socket are our arguments."""
    owner, descriptor, colour = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "colour"
    posix.adopt_orphans()
    os.umask(0o022)
    control = socket.socket(fileno=descriptor)
    control.settimeout(0)
    fcntl.fcntl(control, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    Supervisor(owner=owner, control=control, colour=colour).run()


if __name__ == "__main__":
    main()
