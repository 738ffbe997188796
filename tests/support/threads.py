"""Calls that run at the same time, each on a thread and a database connection of its own."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection

#: How many operations a long race has: 100 in each run of all tests, 500 in `make nightly`. A multiple of 10.
RACE_SIZE = int(os.environ.get("RACE_SIZE", "100"))


def run_together(*calls: Callable[[], Any]) -> list[Any]:
    """Run all calls at the same moment and return their results, or the errors that they raised, in their order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            start.wait(60)
            return call()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def run_in_turn(calls: Sequence[Callable[[], Any]], *, threads: int) -> list[Any]:
    """Run many calls on a few threads that keep their connections, and return their results."""
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda call: call(), calls))
        # Each thread closes its own connection: the barrier makes every one take exactly one of these.
        barrier = threading.Barrier(threads)
        list(pool.map(lambda _: (barrier.wait(60), connection.close()), range(threads)))
    return results
