"""`make run`: the whole of Bahi in the foreground, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from devtools import demo_accounts, environment
from devtools.embedded import RUN_DATA, STATE, Servers, ServersFailed
from devtools.processes import ProcessFailed, Stack

LOGS = STATE / "logs"
_CONFIGURABLE = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}


def main() -> int:
    """Run until a signal or until a process ends; return the exit code."""
    environment.require_valid(environment.build_environment({}, environment.Ports(8000, 9000, 9025), data_dir=RUN_DATA))
    stop_on_signals()
    parts = list_missing_parts()
    servers = Servers(RUN_DATA if parts else None, parts=parts, show=True)
    try:
        return _run(servers)
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):
            print("\nStopping ...", flush=True)
        return 0
    except (ServersFailed, ProcessFailed) as failed:
        print(f"\nmake run: {failed}", file=sys.stderr, flush=True)
        return 1
    finally:
        try:
            servers.stop()
        except KeyboardInterrupt:
            print("Stopped at once; some processes were killed.", flush=True)
        (RUN_DATA / environment.STACK_FILE).unlink(missing_ok=True)


def list_missing_parts() -> list[str]:
    """Return the servers that the environment does not name, which therefore come embedded."""
    return [part for part, name in _CONFIGURABLE.items() if not os.environ.get(name)]


def stop_on_signals() -> None:
    """Let TERM and HUP end us as Ctrl-C does, also where a shell started us with Ctrl-C ignored."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)


def _run(servers: Servers) -> int:
    began = time.monotonic()
    print("Starting Bahi. The first time takes a little longer.", flush=True)
    servers.start()
    ports = environment.Ports.choose(os.environ.get("PORT"))
    env = environment.build_environment(servers.env, ports, data_dir=RUN_DATA)
    RUN_DATA.mkdir(parents=True, exist_ok=True)
    stack = Stack(servers, env, ports, logs=LOGS)
    stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
    stack.run_manage("reference", "setup_reference_data")
    embedded_database = "postgres" in servers.parts
    if embedded_database and is_empty(env["DATABASE_URL"]):
        stack.run_manage("demo-data", "load_demo_data")
    stack.start()
    environment.write_stack(RUN_DATA, env)
    print(format_table(stack, with_logins=embedded_database, seconds=time.monotonic() - began), flush=True)
    had_terminal = sys.stdout.isatty()
    while not servers.ended:
        servers.wait_for_exit(1.0)
        if had_terminal and not sys.stdout.isatty():
            # The terminal was closed. A make that leads the session gets the signal, but does not forward it.
            raise KeyboardInterrupt
    stack.wait()
    return 1


def is_empty(database_url: str) -> bool:
    """Return whether a migrated database holds neither products nor orders."""
    import psycopg

    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT NOT EXISTS (SELECT FROM catalog_product) AND NOT EXISTS (SELECT FROM orders_order)"
        ).fetchone()
    return row is not None and bool(row[0])


def format_table(stack: Stack, *, with_logins: bool, seconds: float) -> str:
    """Return what the developer wants to know: where everything is and who can log in."""
    rows = [
        ("API", f"{stack.web_url}/api/v1"),
        ("API docs", f"{stack.web_url}/api/docs"),
        ("Admin", f"{stack.web_url}/admin/"),
        ("Sandbox", f"{stack.sandbox_url}/__sim__/   (the buyer's phone, mailbox and UPI app)"),
        ("Logs", f"{_short(stack.logs)}/<process>.log"),
        ("Commands", "bin/bahi <command>, for example: bin/bahi audit"),
    ]
    if with_logins:
        rows += [("Staff", f"{each.email:<22}  {each.password}  ({each.role})") for each in demo_accounts.STAFF]
    else:
        rows += [("Staff", "bin/bahi createsuperuser makes the first administrator of your database")]
    rows += [("Buyer", f"{demo_accounts.BUYER_PHONE}, or any Indian mobile number; read the OTP in the sandbox")]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {value}" for name, value in rows]
    return "\n".join(["", f"Bahi runs (ready after {seconds:.1f} s). Ctrl-C stops all of it.", "", *lines, ""])


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
