"""What the commands with many users share: the shop they load, the figures of a run, and the audit behind it."""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.commands import say
from bench.cpu import own_cpu, read_cpu
from bench.measures import WorkFailed
from bench.shop import Shop, running_shop
from devtools.history.stack import run_audit

_ROLES = ("web", "worker", "relay", "beat", "postgres", "valkey", "sandbox")
_PATIENCE_SECONDS = 300.0
#: Files that a process opens apart from the connections of a load.
SPARE_FILES = 200
_UNFINISHED = """
    SELECT (SELECT count(*) FROM core_outbox)
         + (SELECT count(*) FROM core_handlerrun WHERE done_at IS NULL AND parked_at IS NULL)
"""


@dataclass
class Usage:
    """What a load took: the CPU seconds of each process, of the client, and of the clock."""

    cpu: dict[str, float] = field(default_factory=dict)
    client: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        parts = ", ".join(f"{role} {seconds:.1f}" for role, seconds in self.cpu.items())
        return f"CPU seconds in {self.seconds:.1f} s: {parts}; client {self.client:.1f}."


@contextmanager
def measured(shop: Shop) -> Iterator[Usage]:
    """Measure what a load takes; the figures are there at its end."""
    pids = {role: shop.pids[role] for role in _ROLES}
    usage = Usage()
    before, client, began = read_cpu(pids), own_cpu(), time.monotonic()
    yield usage
    usage.seconds = time.monotonic() - began
    usage.client = own_cpu() - client
    after = read_cpu(pids)
    usage.cpu = {role: after[role] - before[role] for role in _ROLES}


@contextmanager
def loaded_shop(options: argparse.Namespace, *, files: int = 0) -> Iterator[Shop]:
    """
    Start a shop with as many customers as the options say.

    :param files: how many files, and so connections, each process must be able to open
    :raises WorkFailed: if that is more than this machine allows
    """
    raise_file_limit(files)
    say("starting the shop")
    with running_shop({"HOT_PATH": options.hot_path}, customers=options.customers) as shop:
        yield shop


def raise_file_limit(wanted: int) -> int:
    """
    Let this process, and those that it starts, open as many files as they may; return how many.

    :raises WorkFailed: if that is fewer than wanted
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise WorkFailed(f"A process may open {hard} files here, and {wanted} are needed (ulimit -Hn). Ask for fewer.")
    return hard


def audit(shop: Shop) -> str:
    """
    Wait until the shop has nothing left to do, audit it, and return a sentence.

    :raises WorkFailed: if something is left after five minutes, or an invariant does not hold
    """
    say("waiting until nothing is left to do")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with shop.connect() as connection:
        while (row := connection.execute(_UNFINISHED).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise WorkFailed(f"{row[0]} events and handler runs were left after {_PATIENCE_SECONDS:.0f} s.")
            time.sleep(0.5)
    say("auditing")
    if violations := run_audit(shop.stack.env):
        raise WorkFailed(f"The audit found violations: {violations}")
    return "The audit of the shop found no violation."
