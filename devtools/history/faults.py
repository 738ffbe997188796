"""
What is done to the stack while it is used.

Processes are killed, servers are stopped, connections are cut, and the gateway misbehaves. The same thread starts again
what has ended, as a process manager does.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import redis

from devtools import posix
from devtools.demo.client import Phone, StepFailed
from devtools.embedded import ServersFailed
from devtools.history.journal import Journal
from devtools.history.proxy import CutRates, CuttingProxy
from devtools.history.stack import is_ready
from devtools.processes import ProcessFailed, Stack, read_procfile

_PAUSE_SECONDS = (1.0, 4.0)
_USUAL_CUTS = CutRates(before=0.5, after=0.5)
_MANY_CUTS = CutRates(before=10, after=15)
_READY_SECONDS = 120.0
_ANSWER_SECONDS = 15.0
_WEBHOOK_POLICIES: tuple[dict[str, Any], ...] = (
    {"mode": "normal"}, {"mode": "duplicate", "copies": 3}, {"mode": "reverse", "copies": 2}, {"mode": "delay", "delay_ms": 4000},
    {"mode": "drop"}, {"mode": "normal", "forge": "signature", "forge_times": 3}, {"mode": "normal", "forge": "body", "forge_times": 3},
)  # fmt: skip
_GATEWAY_FAULTS: tuple[dict[str, Any], ...] = tuple(
    {"service": "razorpay", "path": path, "method": method, "times": 3, **kind}
    for path, method in (("/v1/orders", "POST"), ("/v1/payments/*/refund", "POST"), ("/v1/orders/*/payments", "GET"))
    for kind in (
        {"kind": "drop_after_commit"}, {"kind": "drop_before_commit"}, {"kind": "status", "status": 502}, {"kind": "malformed"},
        {"kind": "delay", "delay_ms": 3000},
    )
)  # fmt: skip


class FaultInjector:
    """
    Injects one fault after another into a stack, chosen by a seed, until it is stopped.

    :param proxy: what the clients reach the web process through
    :param is_network_only: whether processes and servers are left alone
    """

    def __init__(
        self, stack: Stack, proxy: CuttingProxy, *, journal: Journal, seed: int, is_network_only: bool = False
    ) -> None:
        self.stack = stack
        self._proxy = proxy
        self._journal = journal
        self._chance = random.Random(seed)  # noqa: S311 - the same seed injects the same faults
        self._phone = Phone(stack.sandbox_url)
        self._killed: set[str] = set()
        self._stopped = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._faults: list[tuple[int, Callable[[], object]]] = [
            (8, self.cut_connections), (8, self.change_webhooks), (8, self.plan_gateway_faults), (4, self.fail_refunds),
        ]  # fmt: skip
        if not is_network_only:
            self._faults += [
                (10, self.kill_web_worker), (3, self.kill_web), (6, self.kill_worker_child), (5, self.kill_worker),
                (5, self.kill_relay), (2, self.kill_beat), (4, self.stop_valkey), (4, self.flush_valkey),
                (4, self.crash_postgres), (5, self.end_database_connections), (3, self.freeze_worker),
            ]  # fmt: skip

    def start(self) -> None:
        """Begin to inject."""
        self._proxy.rates = _USUAL_CUTS
        self._thread.start()

    def stop(self) -> None:
        """End with the fault that is being injected; what was broken stays so until `heal`."""
        self._stopped.set()
        self._thread.join()

    def heal(self) -> None:
        """
        Put everything back, and wait until the stack is ready.

        :raises ProcessFailed: if it does not become ready
        """
        self._proxy.rates = CutRates()
        for name in ("valkey", "postgres"):
            if not self._server_answers(name):
                self.stack.servers.restart_server(name)
        self._phone.control("DELETE", "/faults")
        self._phone.control("POST", "/webhooks/policy", {"mode": "normal"})
        self._phone.control("POST", "/webhooks/release", {})
        self._set_refund_outcome("processed")
        deadline = time.monotonic() + _READY_SECONDS
        while not (self.restart_ended() == 0 and is_ready(self.stack)):
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The stack did not become ready again. {self.stack.read_log_end('web')}")
            time.sleep(0.5)

    def restart_ended(self) -> int:
        """Start again what has ended, and return how many those were; one that nobody had killed is journalled."""
        servers = self.stack.servers
        servers.wait_for_exit(0.01)
        ended = {name: code for name, code in servers.ended.items() if name in read_procfile()}
        for name, code in ended.items():
            if name not in self._killed:
                self._journal.write("ended", name=name, code=code, log=self.stack.read_log_errors(name, 5)[-1500:])
            self._killed.discard(name)
            self.stack.restart(name)
        return len(ended)

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._chance.uniform(*_PAUSE_SECONDS)):
                self.restart_ended()
                weights = [weight for weight, _ in self._faults]
                self._chance.choices([fault for _, fault in self._faults], weights)[0]()
                self._wait_until_answered()
        except Exception as error:  # noqa: BLE001 - the main thread reports it
            self.failure = error

    def _wait_until_answered(self) -> None:
        """Wait until the web answers again, or not much longer: a shop that is never up is not used."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            time.sleep(0.3)
            self.restart_ended()
            if self._stopped.is_set() or is_ready(self.stack) or time.monotonic() > deadline:
                return

    def _note(self, name: str, **details: object) -> None:
        self._journal.write("fault", name=name, **details)

    # --- processes ----------------------------------------------------------------------------------------------------

    def kill_web_worker(self) -> None:
        """Kill one process that answers requests; its master starts another."""
        self._kill_child("web")

    def kill_worker_child(self) -> None:
        """Kill one process that runs tasks; its parent starts another."""
        self._kill_child("worker")

    def kill_web(self) -> None:
        """Kill all of the web."""
        self._kill_tree("web")

    def kill_worker(self) -> None:
        """Kill the whole worker."""
        self._kill_tree("worker")

    def kill_relay(self) -> None:
        """Kill the relay."""
        self._kill_tree("relay")

    def kill_beat(self) -> None:
        """Kill the clock."""
        self._kill_tree("beat")

    def freeze_worker(self) -> None:
        """Stop the worker's processes for a while, as a machine does that is out of memory."""
        pids = self._tree("worker")
        self._note("freeze_worker")
        self._signal(pids, signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.5, 4))
        self._signal(pids, signal.SIGCONT)

    def _kill_child(self, name: str) -> None:
        children = self._tree(name)[1:]
        if children:
            self._note(f"kill_{name}_child")
            self._signal([self._chance.choice(children)], signal.SIGKILL)

    def _kill_tree(self, name: str) -> None:
        self._note(f"kill_{name}")
        self._killed.add(name)
        self._signal(self._tree(name), signal.SIGKILL)

    def _tree(self, name: str) -> list[int]:
        pid = self.stack.servers.pids[name]
        return [pid, *posix.list_descendants(pid)]

    @staticmethod
    def _signal(pids: list[int], signum: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    # --- servers ------------------------------------------------------------------------------------------------------

    def stop_valkey(self) -> None:
        """Stop Valkey for a while; it comes back empty."""
        self._note("stop_valkey")
        self.stack.servers.stop_server("valkey")
        time.sleep(self._chance.uniform(0.2, 3))
        self.stack.servers.restart_server("valkey")

    def flush_valkey(self) -> None:
        """Let Valkey lose everything."""
        self._note("flush_valkey")
        with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.stack.servers.env["REDIS_URL"]) as valkey:
            valkey.flushall()

    def crash_postgres(self) -> None:
        """Let PostgreSQL shut down at once, as in a crash, and start it again after a while."""
        self._note("crash_postgres")
        self._signal([self.stack.servers.pids["postgres"]], signal.SIGQUIT)
        time.sleep(self._chance.uniform(0.2, 2))
        self.stack.servers.restart_server("postgres")

    def end_database_connections(self) -> None:
        """End the connections of the stack to its database, whatever they are doing."""
        self._note("end_database_connections")
        with contextlib.suppress(psycopg.Error), self._connect() as database:
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bahi' AND random() < 0.7"
            )

    def _server_answers(self, name: str) -> bool:
        try:
            if name == "postgres":
                with self._connect():
                    return True
            with redis.Redis.from_url(self.stack.servers.env["REDIS_URL"]) as valkey:
                return bool(valkey.ping())
        except (psycopg.Error, redis.RedisError, OSError):
            return False

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.stack.servers.env["DATABASE_URL"], autocommit=True, connect_timeout=5)

    # --- network and gateway ------------------------------------------------------------------------------------------

    def cut_connections(self) -> None:
        """Lose many requests and answers for a while."""
        self._note("cut_connections")
        self._proxy.rates = _MANY_CUTS
        time.sleep(self._chance.uniform(1, 3))
        self._proxy.rates = _USUAL_CUTS

    def change_webhooks(self) -> None:
        """Deliver webhooks twice, late, in reverse order, forged, never, or as usual again."""
        policy = self._chance.choice(_WEBHOOK_POLICIES)
        self._note(f"webhooks_{(policy.get('forge') and 'forged') or policy['mode']}")
        self._control("POST", "/webhooks/policy", policy)
        self._control("POST", "/webhooks/release", {"order": "shuffle", "copies": 2})

    def plan_gateway_faults(self) -> None:
        """Let the gateway lose, break or delay its next answers."""
        fault = self._chance.choice(_GATEWAY_FAULTS)
        self._note(f"gateway_{fault['kind']}", path=fault["path"])
        self._control("POST", "/faults", fault)

    def fail_refunds(self) -> None:
        """Let refunds fail for a while."""
        self._note("refunds_fail")
        self._set_refund_outcome("failed")
        time.sleep(self._chance.uniform(0.5, 2))
        self._set_refund_outcome("processed")

    def _set_refund_outcome(self, outcome: str) -> None:
        self._control("POST", "/knobs/razorpay", {"refund_outcome": outcome})

    def _control(self, method: str, path: str, body: dict[str, Any]) -> None:
        with contextlib.suppress(StepFailed, OSError, ServersFailed):
            self._phone.control(method, path, body)
