"""What the commands with many users share: the shop they load, the figures of a run, and the audit behind it."""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.commands import format_facts, print_report, refuse_busy, say
from bench.cpu import load_average
from bench.measures import WorkFailed
from bench.shop import UNFINISHED, Shop, running_shop
from devtools.history.stack import run_audit

_PATIENCE_SECONDS = 300.0
#: Files that a process opens apart from the connections of a load.
SPARE_FILES = 200


def report_load(options: argparse.Namespace, load: Callable[[Shop], str], *, files: int = 0) -> int:
    """
    Load a shop as the options say, audit it, and print what `load` says of it; return 1 if the machine is too busy for that.

    :param files: how many files, and so connections, each process must be able to open
    :raises WorkFailed: if that is more than this machine allows, or the audit finds something
    """
    if refuse_busy(options):
        return 1
    busy = load_average()
    with loaded_shop(options, files=files) as shop:
        said, facts = load(shop), format_facts(options, busy)
        audited = audit(shop)
    print_report(f"{facts}\n{said}\n{audited}", options)
    return 0


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
        while (row := connection.execute(UNFINISHED).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise WorkFailed(f"{row[0]} events and handler runs were left after {_PATIENCE_SECONDS:.0f} s.")
            time.sleep(0.5)
    say("auditing")
    if violations := run_audit(shop.stack.env):
        raise WorkFailed(f"The audit found violations: {violations}")
    return "The audit of the shop found no violation."
