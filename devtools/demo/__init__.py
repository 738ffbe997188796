"""`make demo`: one order from log-in to settlement and audit, played by a client that uses only the API."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
import time
from pathlib import Path

from devtools import data_dirs, environment, run
from devtools.demo.bank import BankScenario
from devtools.demo.book_checks import check_books
from devtools.demo.client import StepFailed, StepReporter
from devtools.demo.orders import OrderScenario
from devtools.demo.refunds import RefundScenario
from devtools.demo.shipments import ShipmentScenario
from devtools.embedded import CHECKOUT, STATE, Servers, ServersFailed
from devtools.processes import Stack

DEMO_DATA = STATE / "demo"
LOGS = DEMO_DATA / "logs"
#: The code that made the data there and how many runs it has seen; written when one has ended well.
MARK = "ended-well"
#: Each run sells goods from the stock of the shop, which is limited.
_RUNS_PER_SHOP = 10
_CODE = ("apps/**/*.py", "sandbox/**/*.py", "devtools/demo_data/*.py", "requirements/base.txt")
#: The logs to show for a failed step, by its process: the relay may not have sent what a worker did not process.
_LOGS_BY_PROCESS = {None: ("web", "worker", "relay"), "worker": ("relay", "worker")}


def main() -> int:
    """Play the demo on embedded servers, whatever the environment says; return the exit code."""
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
    reporter = StepReporter()
    reporter.heading("Bahi: one order, from log-in to the bank and audit")
    code = hash_code(CHECKOUT)
    past_runs = reuse_or_delete_data(DEMO_DATA, code=code)
    stack = _start(servers, reporter, is_kept=past_runs > 0)
    sale = OrderScenario(stack.web_url, stack.sandbox_url, reporter, documents=DEMO_DATA)
    shipping = ShipmentScenario(sale)
    after = RefundScenario(sale)
    bank = BankScenario(after, stack.env, documents=DEMO_DATA)
    try:
        sale.play()
        shipping.play()
        after.play()
        bank.play()
        reporter.heading("The operator checks the books (manage.py prove)")
        invariants = check_books(stack.env, reporter)
    except StepFailed as failed:
        failed.add_note(_collect_logs(failed, servers, stack))
        raise
    (DEMO_DATA / MARK).write_text(f"{code} {past_runs + 1}")
    reporter.line("", f"The demo took {time.monotonic() - began:.1f} s.")
    numbers = (sale.order_number, sale.invoice_number, *shipping.numbers, after.credit_note_number)
    print(
        f"DEMO OK: {', '.join(numbers)}, {after.gateway_settlement}/{after.utr}, {invariants} invariants hold",
        flush=True,
    )
    return 0


def hash_code(checkout: Path) -> str:
    """Return a hash of the code that the demonstration's data is made by."""
    files = sorted(path for pattern in _CODE for path in checkout.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def reuse_or_delete_data(data_dir: Path, *, code: str) -> int:
    """
    Keep the data of the previous demonstration if the same code made it and it ended well, else remove it.

    Return how many runs the data has seen, 0 if there is none. Data that is in use stays: starting the servers fails with a sentence.

    :raises StepFailed: if the old data cannot be removed
    """
    mark = data_dir / MARK
    made_by, _, past_runs = mark.read_text().partition(" ") if mark.is_file() else ("", "", "")
    seen = int(past_runs) if made_by == code and past_runs.isdecimal() else 0
    if data_dirs.is_locked(data_dir):
        return seen
    mark.unlink(missing_ok=True)
    if 0 < seen < _RUNS_PER_SHOP:
        return seen
    if data_dir.exists():
        try:
            shutil.rmtree(data_dir)
        except OSError as error:
            sentence = f"The data of an earlier demo cannot be removed: {error}. Remove {data_dir} yourself."
            raise StepFailed(sentence, where="", step="remove old data") from error
    return 0


def _start(servers: Servers, reporter: StepReporter, *, is_kept: bool) -> Stack:
    with reporter.step("start PostgreSQL and Valkey") as step:
        servers.start()
        step.report(f"embedded, on Unix sockets, {'with the shop of the previous demo' if is_kept else 'empty'}")
    ports = environment.Ports.choose()
    env = environment.build_environment(servers.env, ports, data_dir=DEMO_DATA, ignore_user=True)
    env["LOG_FORMAT"] = "json"
    env["WEB_CONCURRENCY"] = "1"  # one buyer; each further process would cost the time that it takes to start
    stack = Stack(servers, env, ports, logs=LOGS)
    if not is_kept:
        with reporter.step("create the tables") as step:
            stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
            step.report("with their constraints and triggers")
        with reporter.step("fill the demo shop") as step:
            stack.run_manage("demo-data", "load_demo_data")
            step.report("staff roles, tax rates, ledger accounts, about 1,000 products")
    with reporter.step("start web, worker, relay, beat, sandbox") as step:
        stack.start()
        step.report(stack.web_url)
    return stack


def _collect_logs(failed: StepFailed, servers: Servers, stack: Stack) -> str:
    """Return the last log lines of the processes that have ended, or else of those that the step waited for."""
    with contextlib.suppress(ServersFailed):
        servers.wait_for_exit(0.1)
    names = list(servers.ended) or _LOGS_BY_PROCESS.get(failed.where, (failed.where or "web",))
    return "\n\n".join(
        (f"{name} ended unexpectedly (exit code {servers.ended[name]}). " if name in servers.ended else "")
        + stack.read_log_errors(name, 15)
        for name in names
    )
