"""The supervised processes and the console on which their lines appear."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from devtools import posix

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
_STALLED_SECONDS = 1.0
_CHUNK = 2048


class Console:
    """Prints lines behind the name of their process; never waits for a terminal that has stopped reading."""

    def __init__(self, *, colour: bool) -> None:
        self.colour = colour
        self._names: dict[str, int] = {}
        self._broken = False

    def print(self, name: str, line: bytes) -> None:
        """Print one line."""
        order = self._names.setdefault(name, len(self._names))
        prefix = f"{time.strftime('%H:%M:%S')} {name:<9}| "
        if self.colour:
            prefix = f"\033[{_COLOURS[order % len(_COLOURS)]}m{prefix}\033[0m"
        self._write(prefix.encode() + line.rstrip(b"\r\n") + b"\n")

    def _write(self, data: bytes) -> None:
        while data and not self._broken:
            writable = select.select([], [sys.stdout.fileno()], [], _STALLED_SECONDS)[1]
            if not writable:
                return
            try:
                # A pipe that is writable takes at least this much without blocking.
                data = data[os.write(sys.stdout.fileno(), data[:_CHUNK]) :]
            except OSError:
                self._broken = True


@dataclass
class Child:
    """One supervised process; `output` is the reading end of its standard output and error."""

    name: str
    process: subprocess.Popen[bytes] = field(repr=False)
    output: IO[bytes]
    log: IO[bytes] | None
    console: Console | None
    _buffer: bytes = b""

    @classmethod
    def start(
        cls, name: str, argv: list[str], *, env: dict[str, str], cwd: str, log: str | None, console: Console | None
    ) -> Child:
        """Start it in a session of its own; the kernel signals it to stop if this process exits."""
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=posix.exit_with_parent_hook(signal.SIGTERM),
        )
        if process.stdout is None:
            raise OSError(f"{name} has no output to read")
        os.set_blocking(process.stdout.fileno(), False)
        return cls(name, process, process.stdout, Path(log).open("ab", buffering=0) if log else None, console)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def read(self) -> bool:
        """Take what it has written; return False at the end of its output."""
        try:
            data = os.read(self.output.fileno(), 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.log is not None:
            with contextlib.suppress(OSError):
                self.log.write(data)
        if self.console is not None:
            *lines, self._buffer = (self._buffer + data).split(b"\n")
            for line in lines:
                self.console.print(self.name, line)
        return bool(data)

    def ended(self, code: int) -> None:
        """Take the last of its output and note how it ended."""
        self.process.returncode = code
        if self.console is not None:
            if not self.output.closed:
                with contextlib.suppress(OSError):
                    self.read()
            if self._buffer:
                self.console.print(self.name, self._buffer)
                self._buffer = b""
            how = f" by {signal.Signals(-code).name}" if code < 0 else f", exit code {code}" if code else ""
            self.console.print(self.name, f"(ended{how})".encode())
