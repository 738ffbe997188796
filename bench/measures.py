"""How a piece of work is measured: its CPU by role, and the statements that reach Postgres."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

from bench.cpu import own_cpu, read_cpu
from bench.http_load import Answer, Load, connected, run_load
from bench.shop import ROLES, Shop

#: A line of Postgres' log that says that a statement was executed: simple, or prepared.
_STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:]*): ")
_COUNTED_REQUESTS = 5


class WorkFailed(RuntimeError):
    """Requests of a benchmark were refused: what it measured is not the work that it names."""


@dataclass
class Cost:
    """What one piece of work took, in medians over the rounds; CPU in milliseconds by role."""

    cpu: dict[str, list[float]] = field(default_factory=dict)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    statements: float = 0.0

    def of(self, *roles: str) -> float:
        """Return the milliseconds of CPU of these roles together, the median of the rounds."""
        return float(median(sum(each) for each in zip(*(self.cpu[role] for role in roles), strict=True)))


def measure_block(
    port: int, requests: Iterator[bytes], *, pids: Mapping[str, int], clients: int, seconds: float, cost: Cost
) -> Load:
    """
    Send requests for some seconds and add what they took to `cost`.

    :param pids: the roles whose CPU is of interest, with their processes
    :raises WorkFailed: if one was refused
    """
    before, began = read_cpu(pids), time.monotonic()
    load = run_load(port, requests, clients=clients, seconds=seconds)
    took, after = time.monotonic() - began, read_cpu(pids)
    require_answered(load)
    for role in pids:
        cost.cpu.setdefault(role, []).append((after[role] - before[role]) * 1000 / len(load.seconds))
    cost.p50.append(load.percentile(0.50))
    cost.p95.append(load.percentile(0.95))
    cost.rate.append(len(load.seconds) / took)
    return load


@dataclass
class Usage:
    """What the whole stack took meanwhile: the CPU seconds of each process, of the client, and of the clock."""

    cpu: dict[str, float] = field(default_factory=dict)
    client: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        parts = ", ".join(f"{role} {seconds:.1f}" for role, seconds in self.cpu.items())
        return f"CPU seconds in {self.seconds:.1f} s: {parts}; client {self.client:.1f}."


@contextmanager
def measured(shop: Shop) -> Iterator[Usage]:
    """Measure what the stack and this process take; the figures are there at the end."""
    pids = {role: shop.pids[role] for role in ROLES}
    usage = Usage()
    before, client, began = read_cpu(pids), own_cpu(), time.monotonic()
    yield usage
    usage.seconds = time.monotonic() - began
    usage.client = own_cpu() - client
    after = read_cpu(pids)
    usage.cpu = {role: after[role] - before[role] for role in ROLES}


def require_status(answer: Answer, expected: int, *, of: str) -> Answer:
    """
    Return an answer that has the status that it must have.

    :param of: what was asked for
    :raises WorkFailed: if it has another
    """
    if answer.status != expected:
        raise WorkFailed(f"{of}: {answer.status} {answer.body[:300]!r}")
    return answer


def require_answered(load: Load) -> None:
    """
    Check that a load did what it was to do.

    :raises WorkFailed: if nothing was answered, or a request was refused
    """
    if load.refused:
        raise _refusal(load.refused[0], of=len(load.seconds), count=len(load.refused))
    if not load.seconds:
        raise WorkFailed("No request was answered.")


def _refusal(answer: Answer, *, of: int, count: int) -> WorkFailed:
    return WorkFailed(f"{count} of {of} requests were refused, the first with {answer.status}: {answer.body[:300]!r}")


class StatementCounter:
    """Counts the statements that reach Postgres, BEGIN, COMMIT and savepoints included, in its log."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._log = shop.data_dir / "logs" / "postgres.log"

    def count(self, work: Callable[[], None]) -> int:
        """Return how many statements were executed while `work` ran."""
        with self._shop.connect() as connection:
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
            try:
                time.sleep(0.5)  # every session has read the setting by then
                start = self._log.stat().st_size
                work()
                time.sleep(0.3)  # what was executed is written by then
                logged = self._log.read_bytes()[start:]
            finally:
                connection.execute("ALTER SYSTEM RESET log_statement")
                connection.execute("SELECT pg_reload_conf()")
        return len(_STATEMENT.findall(logged))


def count_per_request(port: int, counter: StatementCounter, requests: Iterator[bytes]) -> float:
    """Return the statements of one request, as the mean of a few on one connection, after a first that warms up."""
    with connected(port) as connection:
        for _ in range(4):  # whichever worker answers, its statements are prepared by then
            connection.send(next(requests))

        def work() -> None:
            for _ in range(_COUNTED_REQUESTS):
                answer = connection.send(next(requests))
                if answer.status >= 400:  # noqa: PLR2004 - where refusals begin
                    raise _refusal(answer, of=1, count=1)

        return counter.count(work) / _COUNTED_REQUESTS
