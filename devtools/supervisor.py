"""
The one process that owns the embedded servers and every process started beside them.

It is started by `devtools.embedded` and obeys its owner over a socket, a JSON object a line. When the owner ends,
however it ends, everything below ends: the socket's end and a pidfd tell of the owner's death, orphans are adopted and
found by walking the process tree, and each child has asked the kernel for a signal should this process be killed.
Only the standard library is used and `site` is not loaded, so that it starts in some 50 ms.
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
_LAST_CALL_SECONDS = 3.0


class OwnerGone(Exception):
    """The owner ended or asked us to stop while we waited for something else."""


class Supervisor:
    """Starts what it is told to start, and ends all of it when it is told to or when nobody is left to tell."""

    def __init__(self, *, owner: int, control: socket.socket, colour: bool) -> None:
        self.owner = owner
        self.control = control
        self.console = Console(colour=colour)
        self.servers: dict[str, Server] = {}
        self.children: dict[int, Child] = {}
        self.place: data_dirs.Place | None = None
        self.detached = False
        self.stopping = False
        self.hurry = False
        self.insisted = False
        self._buffer = b""
        self._pidfd = posix.open_pidfd(owner)
        self._selector = selectors.DefaultSelector()
        self._woken, wake = os.pipe()
        for descriptor in (self._woken, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._insist())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_wakeups)
        self._selector.register(control, selectors.EVENT_READ, self._read_control)
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._owner_ended)

    # --- what the owner may ask ---------------------------------------------------------------------------------------

    def start_servers(self, *, data_dir: str | None, parts: list[str], postgres: str, valkey: str) -> dict[str, Any]:
        """Take a place and start the wanted servers, both at once."""
        self.place = data_dirs.take(Path(data_dir) if data_dir else None)
        self.place.say("starting")
        installation, binary = data_dirs.reachable_binaries(Path(postgres), Path(valkey), self.place.account)
        env = {}
        if "valkey" in parts:
            self.servers["valkey"] = server = Valkey(self.place, binary)
            server.start(self.pause)
            env["REDIS_URL"] = server.url
        if "postgres" in parts:
            self.servers["postgres"] = cluster = Postgres(self.place, installation / "bin/postgres")
            cluster.start(self.pause)
            env["DATABASE_URL"] = cluster.url
        self._announce(self.place, env)
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
        """Live as long as the owner's process does, which is about to become another program and drop the socket."""
        self.detached = True
        return {}

    def stop(self, *, hurry: bool = False) -> None:
        """Begin to stop; a second request while children still take their leave ends the patience."""
        self.hurry = self.hurry or hurry
        self._end()

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve the owner until the end."""
        try:
            while not self.stopping:
                self._turn(0.25)
            if self.detached:
                self._outlast_guests()
        except OwnerGone:
            pass
        finally:
            self._leave()

    def pause(self) -> None:
        """
        Sleep a moment inside a wait for a server.

        :raises OwnerGone: if there is nobody left to wait for
        """
        self._turn(0.01)
        if self.stopping:
            raise OwnerGone

    def _turn(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            key.data()
        self._reap()
        if os.getppid() != self.owner:
            self._end()

    def _end(self) -> None:
        self.stopping = True

    def _insist(self) -> None:
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
            self._obey(json.loads(line))

    def _obey(self, request: dict[str, Any]) -> None:
        verbs: dict[str, Callable[..., dict[str, Any] | None]] = {
            "start_servers": self.start_servers, "restart_server": self.restart_server, "stop_server": self.stop_server,
            "spawn": self.spawn, "detach": self.detach, "stop": self.stop,
        }  # fmt: skip
        try:
            answer = verbs[request.pop("verb")](**request)
        except OwnerGone:
            raise
        except (ServerFailed, data_dirs.PlaceUnusable, OSError) as refusal:
            self.tell({"error": str(refusal)})
        except Exception:
            self.tell({"error": f"the supervisor failed:\n{traceback.format_exc()}"})
        else:
            if answer is not None:
                self.tell({"answer": answer})

    def tell(self, message: dict[str, Any]) -> None:
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
                self.tell({"event": "exited", "name": child.name, "code": code})
            for server in self.servers.values():
                if server.process is not None and server.process.pid == pid:
                    server.process.returncode = code
                    self.tell({"event": "exited", "name": server.name, "code": code})

    def _announce(self, place: data_dirs.Place, env: dict[str, str]) -> None:
        descriptor = os.open(place.announcement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as announcement:
            json.dump({"pid": os.getpid(), "env": env}, announcement)
        place.say("running")

    # --- the end ------------------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        self.stopping = True
        if self.place is not None:
            with contextlib.suppress(OSError):
                self.place.say("stopping")
        self._ask_to_leave()
        self._kill_all_below()
        for server in self.servers.values():
            server.stop(hurry=self.hurry)
        self._kill_all_below()
        if self.place is not None:
            self.place.leave()
        self.tell({"event": "stopped"})

    def _outlast_guests(self) -> None:
        """
        Stay for other commands of this checkout that found our servers running and use them.

        The lock is kept to the end: who comes now waits for it, then finds nobody, and starts servers of its own.
        """
        if self.place is None or self.place.temporary:
            return
        self._guests = self.place.guests.open("a")
        while not self.insisted:
            try:
                fcntl.flock(self._guests, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self._turn(0.1)

    def _below(self) -> list[int]:
        servers = [server.pid for server in self.servers.values() if server.pid]
        return posix.descendants(os.getpid(), without=servers)

    def _ask_to_leave(self) -> None:
        """Let the processes finish what they are at; only the leading ones are asked, who know their own best."""
        began = time.monotonic()
        for pid in [*self.children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while self.children and not self.hurry:
            # Asked anew each time: the owner's socket closes a moment before its process is seen to end.
            patience = GRACE_SECONDS if os.getppid() == self.owner else _GRACE_WITHOUT_OWNER_SECONDS
            if time.monotonic() - began > patience:
                break
            self._turn(0.02)

    def _kill_all_below(self) -> None:
        """Kill what is left, and what the dying leave behind, until nothing is."""
        deadline = time.monotonic() + _LAST_CALL_SECONDS
        while (pids := self._below()) and time.monotonic() < deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._turn(0.02)


def main() -> None:
    """Serve the owner whose process id and socket are our arguments."""
    owner, descriptor, colour = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "colour"
    posix.adopt_orphans()
    os.umask(0o022)
    control = socket.socket(fileno=descriptor)
    control.setblocking(False)
    fcntl.fcntl(control, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    Supervisor(owner=owner, control=control, colour=colour).run()


if __name__ == "__main__":
    main()
