"""`make demo`: one order from log-in to audit, done and told by a client that knows nothing but the API."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import Any

from devtools import environment, run
from devtools.demo.client import Narrator, StepFailed
from devtools.demo.story import Story
from devtools.embedded import CHECKOUT, STATE, Servers, ServersFailed
from devtools.processes import Stack

DEMO_DATA = STATE / "demo"
LOGS = DEMO_DATA / "logs"
#: Whose logs tell most about a step that failed: what a worker did not do, the relay may not have asked it to.
_LOGS_OF_FAULT = {None: ("web", "worker", "relay"), "worker": ("relay", "worker")}


def main() -> int:
    """Play the story on embedded servers, whatever the environment says; return the exit code."""
    run.stop_on_signals()
    servers = Servers(DEMO_DATA)
    try:
        return _play(servers)
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)
        return 130
    except StepFailed as failed:
        print(f"\nDEMO FAILED at: {failed.step}\n  {failed}", file=sys.stderr)
        print(*getattr(failed, "__notes__", []), sep="\n", file=sys.stderr, flush=True)
        return 1
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            servers.stop()


def _play(servers: Servers) -> int:
    began = time.monotonic()
    say = Narrator()
    say.heading("Bahi: one order, from log-in to audit")
    stack = _start(servers, say)
    story = Story(stack.web_url, stack.sandbox_url, say, documents=DEMO_DATA)
    try:
        story.play()
        invariants = _audit(stack, say)
    except StepFailed as failed:
        failed.add_note(_logs_that_matter(failed, servers, stack))
        raise
    say.line("", f"{time.monotonic() - began:.1f} s in all")
    print(f"DEMO OK: {story.order_number}, {story.invoice_number}, {invariants} invariants hold", flush=True)
    return 0


def _start(servers: Servers, say: Narrator) -> Stack:
    with say.step("start PostgreSQL and Valkey") as step:
        servers.start()
        step.tell("embedded, on Unix sockets")
    ports = environment.Ports.choose()
    env = environment.build(servers.env, ports, data_dir=DEMO_DATA, ignore_user=True)
    env["LOG_FORMAT"] = "json"
    stack = Stack(servers, env, ports, logs=LOGS)
    with say.step("migrate, reference data") as step:
        stack.manage("migrate", "migrate", "--no-input", "--verbosity", "0")
        stack.manage("reference", "setup_reference_data")
        step.tell("staff roles, tax rates, ledger accounts")
    with say.step("open the demo shop") as step:
        stack.manage("demo-data", "load_demo_data")
        step.tell("about 1,000 products in 12 categories")
    with say.step("start web, worker, relay, beat, sandbox") as step:
        stack.start()
        step.tell(stack.web_url)
    return stack


def _logs_that_matter(failed: StepFailed, servers: Servers, stack: Stack) -> str:
    """Return the ends of the logs of what died, or else of whom the step waited for."""
    with contextlib.suppress(ServersFailed):
        servers.wait_for_exit(0.1)
    names = list(servers.ended) or _LOGS_OF_FAULT.get(failed.where, (failed.where or "web",))
    return "\n\n".join(
        (f"{name} ended by itself (exit code {servers.ended[name]}). " if name in servers.ended else "")
        + stack.complaints(name, 15)
        for name in names
    )


def _audit(stack: Stack, say: Narrator) -> int:
    """Run the operator's audit and return how many invariants hold."""
    with say.step("audit (manage.py audit)") as step:
        found = subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), "audit", "--json"],
            env=stack.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        report = _report(found.stdout)
        if found.returncode or report is None:
            broken = [result["name"] for result in (report or {}).get("results", []) if not result["holds"]]
            raise StepFailed(f"violated: {', '.join(broken) or found.stderr[-2000:]}", where="web")
        step.tell(f"{report['checked']} invariants hold")
    return int(report["checked"])


def _report(text: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(text))
    except ValueError:
        return None
