"""
The stack: the Procfile's processes and the sandbox, started under a supervisor and found ready.

Each line of output appears behind the name of its process and goes to `<logs>/<name>.log` as it is.
"""

from __future__ import annotations

import json
import re
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from devtools.embedded import CHECKOUT, Servers
from devtools.environment import WEBHOOK_PATH, Ports

PROCFILE = CHECKOUT / "Procfile"
SMS_TEMPLATES = CHECKOUT / "templates" / "sms" / "notifications"
_ONE_OFF = {"release"}
_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")
_READY_SECONDS = 180.0


class ProcessFailed(RuntimeError):
    """A process of the stack ended or did not become ready; the message shows the end of its log."""


def read_procfile(path: Path = PROCFILE) -> dict[str, str]:
    """Return the commands of the processes that keep running, by name."""
    found = (_LINE.match(line) for line in path.read_text().splitlines())
    return {match[1]: match[2] for match in found if match and match[1] not in _ONE_OFF}


def read_sms_texts() -> dict[str, str]:
    """Return the texts of SMS by the ids under which Bahi sends them where the settings name no others."""
    from apps.notifications.rules import MESSAGE_TEMPLATES  # Django may not be installed where this module is loaded
    from apps.notifications.states import Channel

    return {
        f"bahi_{template.sms_template_name}": (SMS_TEMPLATES / f"{name}.txt").read_text().strip()
        for name, template in MESSAGE_TEMPLATES.items()
        if Channel.SMS in template.channels
    }


class Stack:
    """
    The processes of one running Bahi.

    :param env: what `environment.build_environment` returned
    :param logs: a directory; the logs of the run before are overwritten
    """

    def __init__(
        self, servers: Servers, env: Mapping[str, str], ports: Ports, *, logs: Path, procfile: Path = PROCFILE
    ) -> None:
        self.servers = servers
        self.env = dict(env)
        self.ports = ports
        self.logs = logs
        self.procfile = procfile
        self.web_url = f"http://127.0.0.1:{ports.web}"
        self.sandbox_url = f"http://127.0.0.1:{ports.sandbox}"
        logs.mkdir(parents=True, exist_ok=True)
        Path(self.env["STATIC_ROOT"]).mkdir(parents=True, exist_ok=True)  # empty is enough, missing is a warning

    def run_once(self, name: str, argv: list[str], *, seconds: float = 600.0) -> None:
        """
        Run a command to its end.

        :raises ProcessFailed: if it fails or takes longer
        """
        self._spawn(name, argv)
        deadline = time.monotonic() + seconds
        while name not in self.servers.ended:
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{name} took longer than {seconds:.0f} s. {self.read_log_end(name)}")
            self.servers.wait_for_exit(1.0)
            self._check_servers()
        if code := self.servers.ended.pop(name):
            raise ProcessFailed(f"{name} failed (exit code {code}). {self.read_log_end(name)}")

    def run_manage(self, name: str, *arguments: str) -> None:
        """
        Run a manage.py command to its end.

        :raises ProcessFailed: if it fails
        """
        self.run_once(name, [sys.executable, str(CHECKOUT / "manage.py"), *arguments])

    def start(self) -> None:
        """
        Start the sandbox, then the Procfile's processes, and wait until the web process answers.

        :raises ProcessFailed: if one ends or none answers in time
        """
        ports = self.ports
        self._spawn(
            "sandbox",
            [
                sys.executable, "-m", "sandbox", "--port", str(ports.sandbox), "--smtp-port", str(ports.smtp),
                "--webhook-url", f"{self.web_url}{WEBHOOK_PATH}", "--seed", "1", *self._memory(),
            ],
        )  # fmt: skip
        for name, command in read_procfile(self.procfile).items():
            self._spawn(name, _as_shell(command))
        self._wait_until_answers("sandbox", f"{self.sandbox_url}/__sim__/")
        self._register_sms_templates()
        self._wait_until_answers("web", f"{self.web_url}/livez")

    def restart(self, name: str) -> None:
        """Start a process of the Procfile that has ended again, as a process manager does; its log goes on."""
        self.servers.spawn(
            name, _as_shell(read_procfile(self.procfile)[name]), env=self.env, log=self.logs / f"{name}.log"
        )

    def _memory(self) -> list[str]:
        # A database that is kept must not meet the same gateway ids again.
        return [] if self.servers.data_dir is None else ["--snapshot", str(self.servers.data_dir / "sandbox.json")]

    def _register_sms_templates(self) -> None:
        """Register the SMS texts with the sandbox as with MSG91, so that its phones show what a real phone would."""
        request = urllib.request.Request(
            f"{self.sandbox_url}/__sim__/knobs/msg91",
            data=json.dumps({"templates": read_sms_texts()}).encode(),
            method="POST",
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5):
            pass

    def wait(self) -> None:
        """
        Wait until a process or server ends, which none should.

        :raises ProcessFailed: always, with the end of its log
        """
        while not self.servers.ended:
            self.servers.wait_for_exit(3600.0)
        name, code = next(iter(self.servers.ended.items()))
        raise ProcessFailed(f"{name} ended unexpectedly (exit code {code}). {self.read_log_end(name)}")

    def read_log_end(self, name: str, lines: int = 20) -> str:
        """Return the end of a process's log with the log's path, for a message."""
        path = self.find_log(name)
        return f"The end of {path}:\n" + ("\n".join(_lines_of(path)[-lines:]) or "(nothing)")

    def read_log_errors(self, name: str, lines: int = 20) -> str:
        """Return the errors in a process's JSON log with their tracebacks, or the end of the log if there are none."""
        path = self.find_log(name)
        found = [text for line in _lines_of(path) if (text := _format_error(line))]
        if not found:
            return self.read_log_end(name, lines)
        return f"The errors in {path}:\n" + "\n".join("\n".join(found).splitlines()[-4 * lines :])

    def find_log(self, name: str) -> Path:
        """Return the log of a process or an embedded server."""
        own = self.logs / f"{name}.log"
        return own if own.exists() or self.servers.data_dir is None else self.servers.data_dir / "logs" / f"{name}.log"

    def _spawn(self, name: str, argv: list[str]) -> None:
        log = self.logs / f"{name}.log"
        log.write_bytes(b"")
        self.servers.spawn(name, argv, env=self.env, log=log)

    def _wait_until_answers(self, name: str, url: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(url):
            self.servers.wait_for_exit(0.1)
            if self.servers.ended:
                self.wait()
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"{name} did not answer at {url} within {_READY_SECONDS:.0f} s. {self.read_log_end(name)}"
                )

    def _check_servers(self) -> None:
        if dead := set(self.servers.ended) & set(self.servers.parts):
            raise ProcessFailed(f"{(name := dead.pop())} ended unexpectedly. {self.read_log_end(name)}")


def _as_shell(command: str) -> list[str]:
    return ["/bin/sh", "-c", f"exec {command}"]


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _format_error(line: str) -> str:
    """Return a JSON log line with its traceback on separate lines if it records an error, else an empty text."""
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    traceback = entry.pop("exception", "") if isinstance(entry, dict) else ""
    if not isinstance(entry, dict) or not (traceback or entry.get("level") in {"error", "critical"}):
        return ""
    return json.dumps(entry, ensure_ascii=False) + (f"\n{traceback}" if traceback else "")


def _answers(url: str) -> bool:
    # Without the proxies of the environment: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except OSError:  # refused connections and refusals by HTTP alike
        return False
