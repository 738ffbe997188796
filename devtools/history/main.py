"""The command: start a stack, use and break it, let it heal, and have the checker read the journal."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import requests

from devtools import run
from devtools.demo.client import Api, Phone, StepFailed
from devtools.embedded import STATE, ServersFailed
from devtools.history import actors, mutants, stack
from devtools.history.checker import check, read_history
from devtools.history.client import Counter, JournallingClient
from devtools.history.faults import FaultInjector
from devtools.history.final_state import FinalReader
from devtools.history.journal import Journal, read_lines
from devtools.history.proxy import CuttingProxy
from devtools.history.report import format_page, format_report
from devtools.processes import ProcessFailed, Stack

JOURNALS = STATE / "history"
#: Few enough that customers compete for the same rows, and run out of units.
_VARIANTS = 12
#: Of a hundred operations without an outcome, how many are sent again when everything is healed.
_RESOLVED_PERCENT = 60
#: The longest wait before a hint that was lost again and again is sent once more, and time to work it off.
_HINTS_SECONDS = 480.0
_FOUND, _COULD_NOT_RUN, _INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; return 0 if nothing was found, 1 if something was, 2 if the run could not be finished."""
    options = _parse(arguments)
    if options.check is not None:
        return _judge(options.check, report=options.report)
    run.stop_on_signals()
    place = Path(tempfile.mkdtemp(prefix="bahi-history-"))
    place.chmod(0o755)  # PostgreSQL may run as another account
    journal = JOURNALS / f"seed-{options.seed}{'-' + options.mutant if options.mutant else ''}.jsonl"
    code = _COULD_NOT_RUN
    try:
        with stack.running_stack(place, ttl_seconds=options.ttl, mutant=options.mutant) as running:
            proxy = CuttingProxy(running.ports.web, seed=options.seed)
            _Run(running, proxy, Journal(journal), options).play()
        code = _judge(journal, report=options.report)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except (StepFailed, ServersFailed, ProcessFailed, stack.AuditFailed, requests.RequestException) as failed:
        print(f"history: the run could not be finished: {failed}", file=sys.stderr, flush=True)
    finally:
        _clean_up(place, journal, is_kept=options.keep or code not in (0, _INTERRUPTED), is_whole=options.keep)
    return code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devtools history", description=__doc__)
    parser.add_argument(
        "--seconds",
        type=float,
        default=None,
        help="how long the shop is used; 300 if --operations is not given. Start, healing and audit take two to five minutes more",
    )
    parser.add_argument("--operations", type=int, default=None, help="after how many operations it ends")
    parser.add_argument("--seed", type=int, default=None, help="of all choices; a new one if not given")
    parser.add_argument("--customers", type=int, default=12, help="how many buy at once")
    parser.add_argument("--ttl", type=float, default=40.0, help="seconds after which an order that is not paid expires")
    parser.add_argument(
        "--mutant", choices=("", *mutants.MUTANTS), default="", help="a fault to plant into the product, as a control"
    )
    parser.add_argument("--report", type=Path, default=None, help="a file that takes the report as well")
    parser.add_argument(
        "--network-only", action="store_true", help="cut connections and break the gateway, and kill nothing"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the journal, the logs and the data of a run without findings"
    )
    parser.add_argument(
        "--check", type=Path, default=None, metavar="JOURNAL", help="only judge the journal of an earlier run"
    )
    options = parser.parse_args(arguments)
    options.seed = random.SystemRandom().randrange(1, 10**6) if options.seed is None else options.seed
    options.seconds = 300.0 if options.seconds is None and options.operations is None else options.seconds
    return options


def _judge(journal: Path, *, report: Path | None = None) -> int:
    """Check a journal, print the report, and return the exit code."""
    history = read_history(read_lines(journal))
    if not history.finished:
        print(f"history: {journal} ends before its run has ended.", file=sys.stderr, flush=True)
        return _COULD_NOT_RUN
    anomalies = check(history)
    text = format_report(history, anomalies)
    print(f"\n{text}", flush=True)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(format_page(text))
    return _FOUND if anomalies else 0


def _clean_up(place: Path, journal: Path, *, is_kept: bool, is_whole: bool) -> None:
    if is_kept:
        if not is_whole:
            shutil.rmtree(place / "data", ignore_errors=True)
        print(f"history: the journal is {journal}, the logs are in {place / 'logs'}", flush=True)
        return
    shutil.rmtree(place, ignore_errors=True)
    journal.unlink(missing_ok=True)


class _Run:
    """One run on a stack that has started."""

    def __init__(self, running: Stack, proxy: CuttingProxy, journal: Journal, options: argparse.Namespace) -> None:
        self.stack = running
        self.proxy = proxy
        self.journal = journal
        self.options = options
        self.counter = Counter(options.operations)
        self.failures: list[BaseException] = []
        self._is_over = threading.Event()

    def play(self) -> None:
        """
        Play the run, and journal all of it.

        :raises StepFailed: if something fails that no fault explains
        """
        options = self.options
        self.journal.write("start", seed=options.seed, customers=options.customers, mutant=options.mutant)
        self._say("starting", f"seed {options.seed}")
        admin = stack.log_in_staff(self.stack, "admin")
        variants = self._choose_variants()
        reader = FinalReader(self.stack, admin, journal=self.journal, variants=variants)
        people = self._make_people(variants)
        reader.read_initial()
        injector = FaultInjector(
            self.stack, self.proxy, journal=self.journal, seed=options.seed, is_network_only=options.network_only
        )
        injector.start()
        self._use(people, injector)
        injector.stop()
        self._say("healing", f"{self.counter.count:,} operations were begun")
        injector.heal()
        self._in_threads([partial(person.client.resolve, _RESOLVED_PERCENT) for person in people])
        is_drained = self._drain(reader, injector)
        self.journal.write("cuts", requests=dict(self.proxy.cuts))
        reader.read_final()
        violated = stack.run_audit(self.stack.env)
        if not is_drained:
            violated.append({"name": "everything_ends", "rows": ["The stack did not finish what was under way."]})
        self.journal.write("audit", violated=violated)
        self.journal.close()
        self.proxy.close()

    def _drain(self, reader: FinalReader, injector: FaultInjector) -> bool:
        self._say("draining", "waiting until nothing is under way")
        is_drained = reader.wait_until_drained()
        injector.restart_ended()
        self._await_audit()
        self._say("reading", "the final state, and the audit")
        return is_drained

    def _await_audit(self) -> None:
        """Give workers time for what they do late: some invariants allow a minute, and lost hints are sent again."""
        deadline = time.monotonic() + _HINTS_SECONDS
        violated = stack.run_audit(self.stack.env)
        if violated:
            time.sleep(20)
        while "events_are_handled" in {each["name"] for each in violated} and time.monotonic() < deadline:
            time.sleep(20)
            violated = stack.run_audit(self.stack.env)

    def _use(self, people: list[actors.Actor], injector: FaultInjector) -> None:
        """Let everybody act until the time is over, or as many operations as wanted were begun."""
        deadline = time.monotonic() + self.options.seconds if self.options.seconds else None
        began = time.monotonic()
        threads = [threading.Thread(target=self._live, args=(person,), daemon=True) for person in people]
        for thread in threads:
            thread.start()
        while not (self.counter.is_over() or self.failures or injector.failure):
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(0.5)
            if int(time.monotonic() - began) % 30 == 0:
                self._say("running", f"{self.counter.count:,} operations after {time.monotonic() - began:.0f} s")
                time.sleep(0.6)
        self._is_over.set()
        for thread in threads:
            thread.join()
        if failure := next(iter(self.failures), injector.failure):
            raise StepFailed(f"{failure!r}") from failure

    def _live(self, person: actors.Actor) -> None:
        try:
            while not self._is_over.is_set():
                person.act()
        except Exception as error:  # noqa: BLE001 - the main thread reports it
            self.failures.append(error)

    @staticmethod
    def _in_threads(calls: list[Callable[[], None]]) -> None:
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _choose_variants(self) -> list[str]:
        found = Api(f"{self.stack.web_url}/api/v1").get(f"/products?in_stock=true&limit={_VARIANTS}")["data"]
        api = Api(f"{self.stack.web_url}/api/v1")
        return [api.get(f"/products/{product['id']}")["variants"][0]["id"] for product in found]

    def _make_people(self, variants: Sequence[str]) -> list[actors.Actor]:
        people: list[actors.Actor] = []
        for number in range(self.options.customers):
            token, address_id = stack.log_in_customer(self.stack, f"+91981000{number:04d}")
            client = self._client(f"customer{number}", token)
            people.append(actors.Customer(client, self._phone(), address_id=address_id, variants=variants))
        finance = stack.log_in_staff(self.stack, "finance")
        people += [actors.Finance(self._client(f"finance{number}", finance), self._phone()) for number in (1, 2)]
        people.append(actors.Support(self._client("support", stack.log_in_staff(self.stack, "support")), self._phone()))
        keeper = self._client("storekeeper", stack.log_in_staff(self.stack, "catalogue manager"))
        people.append(actors.Storekeeper(keeper, self._phone(), variants=variants))
        return people

    def _client(self, name: str, token: str) -> JournallingClient:
        chance = random.Random(f"{self.options.seed} {name}")  # noqa: S311 - the same seed makes the same choices
        base_url = f"http://127.0.0.1:{self.proxy.port}/api/v1"
        return JournallingClient(name, base_url, token, journal=self.journal, chance=chance, counter=self.counter)

    def _phone(self) -> Phone:
        return Phone(self.stack.sandbox_url)

    def _say(self, step: str, text: str) -> None:
        print(f"history: {step:<9} {text}", flush=True)
