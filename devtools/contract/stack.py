"""The stack that the contract is checked on: servers, processes and sandbox for one run, and the document that it serves."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from devtools import environment
from devtools.demo.client import wait_until
from devtools.embedded import STATE, Servers
from devtools.processes import ProcessFailed, Stack

T = TypeVar("T")

WORK = STATE / "contract"
#: Generated requests are many and come from one address and one customer: what floods a shop is no subject here.
_LIMITS = {"CUSTOMER_WRITES_PER_MINUTE": "100000", "STAFF_WRITES_PER_MINUTE": "100000", "MAX_UNPAID_ORDERS_PER_CUSTOMER": "10000",
           "MAX_UNPAID_UNITS_PER_VARIANT": "100000"}  # fmt: skip


class ContractFailed(RuntimeError):
    """The document and the API differ, or a tool that the check needs is missing."""


@contextlib.contextmanager
def running_stack() -> Iterator[Stack]:
    """
    Start everything on free ports, with the demonstration shop, and stop it at the end.

    :raises ProcessFailed: if a process does not start
    """
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    servers = Servers()
    with tempfile.TemporaryDirectory(prefix="bahi-contract-") as data:
        try:
            print("contract: starting a stack for the checks ...", flush=True)
            servers.start()
            ports = environment.Ports.choose()
            env = environment.build_environment(servers.env, ports, data_dir=Path(data), ignore_user=True)
            env |= {"LOG_FORMAT": "json", "WEB_CONCURRENCY": "1", **_LIMITS}
            stack = Stack(servers, env, ports, logs=WORK / "logs")
            stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
            stack.run_manage("demo-data", "load_demo_data")
            stack.start()
            yield stack
        finally:
            servers.stop()


def wait_until_found(read: Callable[[], T | None], *, what: str) -> T:
    """
    Read until the result is truthy, and return it; a busy machine has a minute.

    :raises StepFailed: if that takes longer
    """
    return wait_until(read, what=what, timeout_seconds=60.0)


def fetch_document(stack: Stack) -> dict[str, Any]:
    """Return the OpenAPI document as the running web process serves it, and keep it for the tools."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"{stack.web_url}/api/schema", headers={"Accept": "application/json"})
    with opener.open(request, timeout=60) as answer:
        document: dict[str, Any] = json.load(answer)
    keep_document(document, WORK / "openapi.json")
    return document


def keep_document(document: object, path: Path) -> None:
    """Write a document where a tool reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def require_modules(*names: str) -> None:
    """
    Check that modules of the development tools are there.

    :raises ContractFailed: if one is missing
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise ContractFailed(f"{missing[0]} is not installed. Run `make setup-dev` first.")


def run_tool(argv: Sequence[str], *, what: str, env: Mapping[str, str], cwd: Path = WORK, seconds: float = 600) -> str:
    """
    Run a tool to its end and return what it printed; its log stays in .bahi/contract.

    :raises ContractFailed: if it fails or takes longer
    """
    log = WORK / f"{what}.log"
    with log.open("w") as out:
        try:
            code = subprocess.run(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    text = log.read_text(errors="replace")
    if code:
        reason = "took too long" if code == -1 else f"failed (exit code {code})"
        raise ContractFailed(f"{what} {reason}. From {log}:\n{text[-12_000:]}")
    return text


def require_healthy(stack: Stack) -> None:
    """
    Check that every process of the stack still runs, and the web process has logged no error.

    :raises ProcessFailed: if one has ended
    :raises ContractFailed: if the web process logged an error
    """
    stack.servers.wait_for_exit(0.1)
    if stack.servers.ended:
        raise ProcessFailed(f"The process {next(iter(stack.servers.ended))} ended unexpectedly.")
    errors = [
        line for line in stack.find_log("web").read_text(errors="replace").splitlines() if '"level":"error"' in line
    ]
    if errors:
        raise ContractFailed(f"The web process logged an error: {errors[0][:2000]}")
